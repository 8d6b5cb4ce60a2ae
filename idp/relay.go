package idp

import (
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// RelayFinding says why the RelayState of an app stays as it is when the app
// moves to the target (spec 1.3); ok is false when it moves, or is empty, or
// leads to the target already. With the zero Target only what holds for every
// target is found: foreign, another service, a Regional resource.
func RelayFinding(subject, relayState string, target signin.Target) (f finding.Finding, ok bool) {
	_, outcome := target.Rewrite(relayState)
	if target.To.IsZero() && (outcome == signin.RelayOtherRegion || outcome == signin.RelayNoConsole) {
		return finding.Finding{}, false
	}
	f = finding.Finding{Subject: subject, What: "the RelayState is kept as it is",
		Evidence: map[string]string{"RelayState": clip(relayState)}}
	switch outcome {
	case signin.RelayForeign:
		f.Code, f.Why = finding.ForeignRelayState, "it does not lead to AWS's console"
		f.Remedy = "check who set it; people land there right after they sign in"
	case signin.RelayOtherService:
		f.Code, f.Why = finding.RelayOtherService, "it leads to an AWS service that is not the console"
		f.Remedy = "if the page is bound to a Region, name its counterpart in relaystate_map"
	case signin.RelayRegionalThing:
		f.Code, f.Why = finding.RelayRegionalThing, "it names a resource that exists in one Region only"
		f.Remedy = "name its counterpart in the other Region in relaystate_map"
	case signin.RelayOtherRegion:
		f.Code, f.Why = finding.RelayOtherRegion, "it is a deep link into a Region that is not being left"
		f.Remedy = "nothing to do unless that Region fails too"
	case signin.RelayNoConsole:
		f.Code, f.Why = finding.RelayNoConsole, "no console host is known for the target Region"
		f.Remedy = "set the landing page by hand or in relaystate_map"
	default:
		return finding.Finding{}, false
	}
	return f, true
}

package control

import (
	"time"

	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// Aspect is something that a sign-in at another Region hangs on, and that no scan
// looks at (spec 6.3). Nothing is rounded up: what is not known is named with
// every readiness report.
type Aspect struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// unknownAspects are the aspects that are not looked at, and why.
func unknownAspects() []Aspect {
	return []Aspect{
		{"guardrails", "service control policies, resource control policies and Sign-In resource policies are not read: make sure that none of them denies sts:AssumeRoleWithSAML in a standby Region"},
		{"STS activation", "AWS has no API that says whether an account has switched STS off in a Region that is on by default: see Account settings in the IAM console"},
		{"Regions in use", "named are opt-in Regions that accounts have enabled, and where the apps land people: that people use another Region shows in neither"},
		{"last good drill", "this version runs no drills: move a test app there and back, and sign in"},
	}
}

// ProviderEnds is when a SAML provider stops letting people in, zero if that is
// not known.
func ProviderEnds(p inventory.Provider) time.Time { return fleet.Ends(p) }

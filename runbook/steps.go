package runbook

import (
	"fmt"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// unread stands for a value that nobody has read.
const unread = "(not known: the app was never read)"

// steps are what a person does about one app to bring it to a Region: one step,
// or one for each tile that changes where other apps stand in.
func (b builder) steps(ref federation.AppRef, to signin.Region) []Step {
	if len(b.in.Federation.StandbysOf(ref)) > 0 {
		return b.tiles(ref, to)
	}
	return []Step{b.endpoint(ref, to)}
}

// endpoint points one app at a Region.
func (b builder) endpoint(ref federation.AppRef, to signin.Region) Step {
	was := b.read(ref)
	way := b.way(ref, was.Kind)
	out := Step{App: ref, AdminURL: b.in.AdminURL(ref), Lead: ref.Same(b.lead), Path: way.title}
	if was.ACS.Region() == to {
		out.Notes = []string{"Was at " + to.String() + " already when it was last read. Look whether it still is."}
		return out
	}
	acs, err := to.ACS(was.ACS.Suffix())
	if err != nil {
		out.Notes = []string{"No endpoint is known for it there: " + err.Error()}
		return out
	}
	for _, field := range way.acs {
		out.Fields = append(out.Fields, b.field(ref, field, orUnread(was, was.ACSText), acs.String()))
	}
	switch {
	case was.ReadAt.IsZero():
		out.Notes = append(out.Notes, "It was never read. If its present endpoint ends with /saml/acs/ and an id, put that ending behind the new host too.")
	case was.ACS.IsZero():
		out.Notes = append(out.Notes, "Its present endpoint is not one of AWS's. Find out who set it before you change it: whoever owns that host may have been sent sign-ins.")
	}
	b.relayState(&out, was, way, to)
	if was.Kind != "" && !was.Movable {
		out.Notes = append(out.Notes, "samlfailover does not move this app by itself, so it is always done by hand.")
	}
	return out
}

// relayState adds the landing page to a step, or says why it stays.
func (b builder) relayState(out *Step, was inventory.AppRead, way way, to signin.Region) {
	if was.ReadAt.IsZero() {
		out.Notes = append(out.Notes, "If its "+way.relay+" names a Region, put "+to.String()+" in place of that, in the host and after region=.")
		return
	}
	target := signin.Target{From: was.ACS.Region(), To: to, Relay: b.in.Federation.Policy.Relay}
	page, outcome := target.Rewrite(was.RelayState)
	switch {
	case outcome.Changes():
		current := was.RelayState
		if current == "" {
			current = "(empty)"
		}
		out.Fields = append(out.Fields, b.field(out.App, way.relay, current, page.String()))
	case outcome == signin.RelayEmpty:
	case outcome == signin.RelayAlready:
		out.Notes = append(out.Notes, way.relay+" names "+to.String()+" already: leave it.")
	default:
		out.Notes = append(out.Notes, fmt.Sprintf("Leave %s as it is (%s). People land there after they sign in: %s", way.relay, outcome, was.RelayState))
	}
}

// tiles shows the app that stands in for one in a Region and hides the others.
func (b builder) tiles(ref federation.AppRef, to signin.Region) []Step {
	f := b.in.Federation
	serving := f.Serving(ref, to)
	out := []Step{}
	if s, ok := f.Standby(serving); ok {
		out = append(out, b.tile(serving, failover.TileShown))
		if was := b.read(serving); !was.ReadAt.IsZero() && was.ACS.Region() != s.Region {
			out[0].Notes = append(out[0].Notes, fmt.Sprintf("It does not sign in at %s but at %q: set that right first.", s.Region, was.ACSText))
		}
		out[0].Notes = append(out[0].Notes, fmt.Sprintf("It stands in for %s, whose own endpoint stays as it is.", ref.Name))
	} else {
		out = append(out, b.own(ref, to))
	}
	out[0].Lead = ref.Same(b.lead)
	for _, s := range f.StandbysOf(ref) {
		if !s.App.Same(serving) {
			out = append(out, b.tile(s.App, failover.TileHidden))
		}
	}
	return out
}

// own is the step of an app that nothing stands in for in a Region.
func (b builder) own(ref federation.AppRef, to signin.Region) Step {
	was := b.read(ref)
	out := Step{App: ref, AdminURL: b.in.AdminURL(ref), Path: b.way(ref, was.Kind).title}
	if was.ACS.Region() == to {
		out.Notes = []string{"It signs in at " + to.String() + " by itself. Look whether people see its tile."}
		return out
	}
	acs, _ := to.ACS("")
	out.Fields = []failover.HandStep{b.field(ref, "standby app for "+to.String(), "(none)", "an app that signs in at "+acs.String())}
	out.Notes = []string{"No app stands in for it in " + to.String() + ". Leave its own endpoint: its issuer and key belong to one Region's provider in IAM."}
	return out
}

// tile shows or hides one standby app's tile.
func (b builder) tile(ref federation.AppRef, want failover.Tile) Step {
	was := b.read(ref)
	way := b.way(ref, was.Kind)
	out := Step{App: ref, AdminURL: b.in.AdminURL(ref), Path: way.title}
	if !was.ReadAt.IsZero() && tileOf(was) == want {
		out.Notes = []string{"Its tile was " + string(want) + " already when it was last read. Look whether it still is."}
		return out
	}
	current := unread
	if !was.ReadAt.IsZero() {
		current = string(tileOf(was))
	}
	out.Fields = []failover.HandStep{b.field(ref, way.tile, current, string(want))}
	return out
}

func (b builder) field(ref federation.AppRef, name, current, target string) failover.HandStep {
	return failover.HandStep{App: ref, AdminURL: b.in.AdminURL(ref), Field: name, Current: current, Target: target}
}

func orUnread(was inventory.AppRead, text string) string {
	switch {
	case was.ReadAt.IsZero():
		return unread
	case text == "":
		return "(empty)"
	}
	return text
}

// verify says how a person sees that a move has worked, without this program.
func verify(r signin.Region, f federation.Federation) []string {
	acs, err := r.ACS("")
	if err != nil {
		return nil
	}
	out := []string{
		// A Region that swallows connections would keep curl waiting for minutes.
		"Is the Region there? This must print 200, within 10 seconds: curl -sS -m 10 -o /dev/null -w '%{http_code}' " + acs.MetadataURL(),
		"Open the app's page in the IdP again, in another window, and compare every field with this paper, letter by letter.",
		"Sign in to AWS through the lead app's tile in a private window. Before the last click the browser's developer tools show a POST to " + acs.String() + ", or to the same host.",
	}
	if e, ok := r.Endpoint(); ok && e.ConsoleHost != "" {
		out = append(out, "You have arrived when the address bar shows "+e.ConsoleHost+", or the landing page that the app names.")
	}
	if len(f.Accounts) > 0 {
		out = append(out, "If AWS says \"Not authorized to perform sts:AssumeRoleWithSAML\", the role is not ready for "+r.String()+": take a role that is not listed under it as one that will not work.")
	}
	return out
}

package failover

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// perRegion is a federation of two apps; two others stand in for b, hidden: one
// in us-west-2, one in us-east-2.
func perRegion(s Situation) Situation {
	for _, at := range []struct {
		name string
		in   signin.Region
	}{{"b-west", west}, {"b-ohio", ohio}} {
		s.Federation.Standbys = append(s.Federation.Standbys, federation.Standby{For: ref("b"), Region: at.in, App: ref(at.name), Unhide: true})
		st := appIn(at.name, at.in)
		st.App.Hidden = true
		s.Apps = append(s.Apps, st)
	}
	return s
}

// states in perRegion.
const (
	bItself = 1
	bWest   = 2
	bOhio   = 3
)

// steps are a plan's steps in short: "app tile from".
func steps(d Decision) []string {
	var out []string
	if d.Plan == nil {
		return nil
	}
	for _, s := range d.Plan.Steps {
		out = append(out, strings.Join(strings.Fields(s.App.Name+" "+string(s.Tile)+" "+s.From.String()), " "))
	}
	return out
}

func wish(to signin.Region, overrides ...string) *Request {
	return &Request{To: to, By: "ada", Reason: "test", Overrides: overrides}
}

// spec 2.10
func TestStandbyApps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why    string
		s      Situation
		change func(*Situation)
		at     signin.Region // where b is
		steps  []string
		left   string // b is left behind because of this
	}{
		{"in an outage the standby app's tile is shown, b itself is not touched", outage(), nil, east, []string{"b-west shown us-east-1", "a us-east-1"}, ""},
		{"what is shown decides, not what an earlier move did", outage(), func(s *Situation) {
			s.History = []PastMove{{ID: "m", To: west, Status: Verified, Started: now.Add(-2 * time.Hour), Finished: now.Add(-2 * time.Hour)}}
		}, east, []string{"b-west shown us-east-1", "a us-east-1"}, ""},
		{"with the tile shown b is in us-west-2, and stays there in the outage", outage(), func(s *Situation) { s.Apps[bWest].App.Hidden = false }, west, []string{"a us-east-1"}, ""},
		{"back home the tile is hidden", calm(), func(s *Situation) { s.Apps[bWest].App.Hidden, s.Request = false, wish(east) }, west, []string{"b-west hidden us-west-2"}, ""},
		{"on to a third Region one tile is shown, then the other hidden", calm(), func(s *Situation) {
			s.Apps[bWest].App.Hidden, s.Request = false, wish(ohio)
			s.Verdicts[1] = verdict(west, health.Unhealthy, 2)
		}, west, []string{"b-ohio shown us-west-2", "b-west hidden us-west-2", "a us-east-1"}, ""},
		{"no app stands in there", outage(), func(s *Situation) { s.Federation.Standbys, s.Request = s.Federation.Standbys[:1], wish(ohio) }, east, []string{"a us-east-1"}, "no app stands in for it in us-east-2"},
		{"its endpoint is foreign", outage(), func(s *Situation) {
			s.Apps[bWest].App.ACS, s.Apps[bWest].App.ACSText = signin.ACS{}, "https://evil.example/saml"
		}, east, []string{"a us-east-1"}, "does not sign in at us-west-2"},
		{"its endpoint is in another Region", outage(), func(s *Situation) { s.Apps[bWest].App.ACS = s.Apps[bOhio].App.ACS }, east, []string{"a us-east-1"}, "does not sign in at us-west-2"},
		{"it was never read", outage(), func(s *Situation) { s.Apps = append(s.Apps[:bWest:bWest], s.Apps[bOhio]) }, east, []string{"a us-east-1"}, "could not be read"},
		{"its last read is too old", outage(), func(s *Situation) { s.Apps[bWest].ReadAt = now.Add(-25 * time.Hour) }, east, []string{"a us-east-1"}, "more than 24 h"},
		{"it cannot be written", outage(), func(s *Situation) { s.Apps[bWest].App.Movable = false }, east, []string{"a us-east-1"}, "cannot be written"},
		{"it need not be written: people show the tile", outage(), func(s *Situation) {
			s.Apps[bWest].App.Movable, s.Federation.Standbys[0].Unhide = false, false
		}, east, []string{"b-west shown us-east-1", "a us-east-1"}, ""},
		{"b itself need not be written", outage(), func(s *Situation) { s.Apps[bItself].App.Movable = false }, east, []string{"b-west shown us-east-1", "a us-east-1"}, ""},
		{"a person has locked the standby app", outage(), func(s *Situation) {
			s.Brakes = []Brake{{ID: "l", Kind: BrakeLock, Federation: "corp", App: ref("b-west").String(), By: "ada", Since: now}}
		}, east, []string{"a us-east-1"}, "is locked"},
	} {
		s := perRegion(c.s)
		if c.change != nil {
			c.change(&s)
		}
		if got := Active(s.Federation, ref("b"), s.Apps, s.Now); got != c.at {
			t.Errorf("%s: b is at %s, want %s", c.why, got, c.at)
		}
		d := Standard().Decide(s)
		if got := steps(d); !slices.Equal(got, c.steps) {
			t.Errorf("%s: steps %q, want %q (%s: %s)", c.why, got, c.steps, d.Rule, d.Why)
			continue
		}
		if err := d.Plan.Check(); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		for _, st := range d.Plan.Steps {
			if st.Tile != "" && (st.After != st.Before || st.RelayAfter != st.RelayBefore || st.For != "b") {
				t.Errorf("%s: the tile's step moves an endpoint: %+v", c.why, st)
			}
		}
		at := slices.IndexFunc(d.Plan.Left, func(l Left) bool { return l.App.Name == "b" && l.Blocking })
		switch {
		case (c.left != "") != (at >= 0):
			t.Errorf("%s: left %+v", c.why, d.Plan.Left)
		case at >= 0 && (!strings.Contains(d.Plan.Left[at].Why, c.left) || len(d.Plan.Left[at].Findings) == 0):
			t.Errorf("%s: left because %q, want %q", c.why, d.Plan.Left[at].Why, c.left)
		}
	}
}

// A plan says which tiles it shows, binds them in its digest, and tells people
// which tile to open.
// spec 2.10, 9.4
func TestStandbyAppsInWords(t *testing.T) {
	t.Parallel()
	s := perRegion(outage())
	d := Standard().Decide(s)
	lines := strings.Join(d.Plan.Lines(), "\n")
	for _, want := range []string{"b-west (lead), in place of b", "tile in the portal: shown", "(kept)"} {
		if !strings.Contains(lines, want) {
			t.Errorf("the plan's lines lack %q:\n%s", want, lines)
		}
	}
	changed := *d.Plan
	changed.Steps = slices.Clone(changed.Steps)
	changed.Steps[0].Tile = TileHidden
	if changed.Check() == nil {
		t.Error("a plan whose tile was turned round is taken for the same")
	}
	if text := strings.Join(UserText(s.Federation, west), "\n"); !strings.Contains(text, `Open the tile "b-west" instead of "b".`) {
		t.Error(text)
	}
	if text := strings.Join(UserText(s.Federation, east), "\n"); !strings.Contains(text, `Open the tile "b", no other.`) {
		t.Error(text)
	}
	s.Federation.Standbys[0].Unhide = false
	byHand := Standard().Decide(s).Plan.Steps[0]
	if !slices.ContainsFunc(byHand.Findings, func(f finding.Finding) bool { return f.Code == finding.TileByHand }) {
		t.Errorf("nobody is told to show the tile: %+v", byHand)
	}
	s.Apps[bWest].App.Hidden = false
	if text := strings.Join(Explain(Standard().Decide(s)), "\n"); !strings.Contains(text, "signs in at us-west-2, through its standby app b-west") {
		t.Error(text)
	}
	back := FromInventory(s.Apps[bOhio].Kept())
	if !back.App.Hidden {
		t.Error("a hidden tile is forgotten with a restart")
	}
}

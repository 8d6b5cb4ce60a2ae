package failover

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

func ask(s Situation, to signin.Region, overrides ...string) Situation {
	s.Request = &Request{To: to, By: "ann", Reason: "ticket 7", Overrides: overrides}
	return s
}

// spec 8.6 spec 8.4 spec 6.1 spec 6.2
func TestRequests(t *testing.T) {
	t.Parallel()
	paused := func(s *Situation) {
		s.Brakes = []Brake{{ID: "p1", Kind: BrakePause, By: "bob", Reason: "freeze", Since: now}}
	}
	sick := func(s *Situation) { s.Verdicts[1] = verdict(west, health.Unhealthy, 3) }
	rows := []struct {
		reason  string
		s       Situation
		outcome Action
		rule    string
		cause   Cause
	}{
		{"a healthy switchover is not held by active-healthy or approval", ask(with(calm(), func(s *Situation) { s.Federation.Policy.Mode = federation.Approve }), west), Move, "", Switchover},
		{"leaving an unhealthy Region is a failover", ask(outage(), west), Move, "", Failover},
		{"going home is a failback", ask(with(calm(), func(s *Situation) { s.Apps = []AppState{appIn("a", west), appIn("b", west)} }), east), Move, "", Failback},
		{"cooldown and budget do not bind", ask(with(outage(), func(s *Situation) {
			s.History = []PastMove{past(1, Controller, Partial), past(2, Controller, Partial), past(3, Controller, Partial)}
		}), west), Move, "", Failover},
		{"one vantage does not bind", ask(with(calm(), func(s *Situation) { s.Vantages = nil }), west), Move, "", Switchover},
		{"a pause binds", ask(with(calm(), paused), west), Hold, Paused, Switchover},
		{"a pause can be overridden", ask(with(calm(), paused), west, Paused), Move, "", Switchover},
		{"a lock on every app binds", ask(with(calm(), func(s *Situation) { s.Brakes = []Brake{lockOn("a"), lockOn("b")} }), west), Hold, Locked, Switchover},
		{"a lock on one app leaves the other", ask(with(calm(), func(s *Situation) { s.Brakes = []Brake{lockOn("a")} }), west), Move, "", Switchover},
		{"a lock can be overridden", ask(with(calm(), func(s *Situation) { s.Brakes = []Brake{lockOn("")} }), west, Locked), Move, "", Switchover},
		{"a lock on apps that are there already binds nothing", ask(with(calm(), func(s *Situation) { s.Brakes = []Brake{lockOn("")} }), east), Hold, NothingToMove, Failback},
		{"an unhealthy target binds", ask(with(calm(), sick), west), Hold, NoCandidate, Switchover},
		{"an unhealthy target can be overridden", ask(with(calm(), sick), west, NoCandidate), Move, "", Switchover},
		{"another override does not help", ask(with(calm(), sick), west, Paused), Hold, NoCandidate, Switchover},
		{"too few ready roles bind", ask(with(calm(), func(s *Situation) { s.Shares = []inventory.Share{share(west, 3, 60)} }), west), Hold, NotReady, Switchover},
		{"too few ready roles can be overridden", ask(with(calm(), func(s *Situation) { s.Shares = []inventory.Share{share(west, 3, 60)} }), west, NotReady), Move, "", Switchover},
		{"age never blocks a person", ask(with(calm(), func(s *Situation) { s.Shares = nil }), west), Move, "", Switchover},
		{"a Region that is not allowed", ask(calm(), ca), Hold, AllowedRegions, Switchover},
		{"no override opens a Region", ask(calm(), ca, NoCandidate, NotReady, Paused), Hold, AllowedRegions, Switchover},
		{"no override opens the fixed rules", ask(calm(), west, AllowedRegions), Hold, BadRequest, Switchover},
		{"an unknown override", ask(calm(), west, "everything"), Hold, BadRequest, Switchover},
		{"no reason", with(ask(calm(), west), func(s *Situation) { s.Request.Reason = " " }), Hold, BadRequest, Switchover},
		{"no Region", ask(calm(), signin.Region{}), Hold, BadRequest, Switchover},
		{"already there", ask(calm(), east), Hold, NothingToMove, Failback},
		{"an open move", ask(with(calm(), func(s *Situation) { s.OpenMove = &OpenMove{ID: "m7", Cause: Failover, To: west, Started: now} }), west), Hold, MoveOpen, Switchover},
		{"unknown apps bind", ask(with(calm(), func(s *Situation) { s.Apps = nil }), west), Hold, ActiveUnknown, Switchover},
		{"unknown apps can be overridden", ask(with(calm(), func(s *Situation) { s.Apps = nil }), west, ActiveUnknown), Move, "", Switchover},
	}
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			t.Parallel()
			d := Standard().Decide(row.s)
			if d.Outcome != row.outcome || d.Rule != row.rule || d.Cause != row.cause {
				t.Fatalf("decided %s by %q as %s, want %s by %q as %s: %s", d.Outcome, d.Rule, d.Cause, row.outcome, row.rule, row.cause, d.Why)
			}
		})
	}
}

// spec 8.6
func TestOverridesAreRecorded(t *testing.T) {
	t.Parallel()
	d := Standard().Decide(ask(with(calm(), func(s *Situation) {
		s.Brakes = []Brake{{ID: "p1", Kind: BrakePause, By: "bob", Reason: "freeze", Since: now}}
	}), west, Paused))
	i := slices.IndexFunc(d.Trail, func(p Passed) bool { return p.Rule == Paused })
	if i < 0 || !d.Trail[i].Overridden || !strings.Contains(d.Trail[i].Note, "ann") || !slices.Contains(d.Plan.Overrides, Paused) {
		t.Errorf("the override is not recorded: %+v %+v", d.Trail, d.Plan)
	}
}

// spec 13.4
func TestDigestBindsThePlan(t *testing.T) {
	t.Parallel()
	base := *Standard().Decide(outage()).Plan
	if err := base.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Situation){
		"another before-value": func(s *Situation) { s.Apps[0].App.RelayState = "" },
		"one app less":         func(s *Situation) { s.Apps = s.Apps[:1] },
		"another config":       func(s *Situation) { s.ConfigDigest = "other" },
		"another target":       func(s *Situation) { s.Verdicts[1].State = health.Unknown },
		"an override":          func(s *Situation) { *s = ask(*s, west, Paused) },
	} {
		if d := Standard().Decide(with(outage(), change)); d.Plan == nil || d.Plan.Digest == base.Digest {
			t.Errorf("%s gives the same digest", name)
		}
	}
	saboteur := base
	saboteur.Steps = slices.Clone(base.Steps)
	saboteur.Steps[0].App.ID = "0oastranger"
	if saboteur.Check() == nil {
		t.Error("a changed plan passes its check")
	}
	saboteur.Steps = nil
	if err := saboteur.Check(); !errors.Is(err, ErrNothingToMove) {
		t.Errorf("an empty plan gives %v", err)
	}
}

// spec 13.7
func TestExplainIsEscaped(t *testing.T) {
	t.Parallel()
	nasty := "\x1b[2Jgone\u202e\r\n" + strings.Repeat("x", 3000)
	s := with(outage(), func(s *Situation) {
		s.Apps[0].App.RelayState = nasty
		s.Brakes = []Brake{{ID: "p1", Kind: BrakePause, By: nasty, Reason: nasty, Since: now}}
	})
	d := Standard().Decide(s)
	for _, line := range append(Explain(d), d.Plan.Lines()...) {
		if strings.ContainsAny(line, "\x1b\r\n\u202e") || len([]rune(line)) > 2100 {
			t.Errorf("unsafe line %q", line)
		}
	}
}

// spec 9.4
func TestUserText(t *testing.T) {
	t.Parallel()
	f := calm().Federation
	f.Accounts = []federation.Account{{ID: "111111111111"}}
	text := strings.Join(UserText(f, west), "\n")
	for _, want := range []string{"tile", "saml2aws", "gimme-aws-creds", "okta-aws-cli", "https://us-west-2.console.aws.amazon.com/switchrole?account=111111111111", "expire"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text for users lacks %q:\n%s", want, text)
		}
	}
}

func TestLevelText(t *testing.T) {
	t.Parallel()
	for l := Unproven; l <= P4; l++ {
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var back Level
		if err := json.Unmarshal(raw, &back); err != nil || back != l {
			t.Errorf("%s came back as %s (%v)", l, back, err)
		}
	}
	if err := json.Unmarshal([]byte(`"P5"`), new(Level)); err == nil {
		t.Error("P5 is taken for a level")
	}
}

package slack

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// long is a name as long as vendors allow, of characters that grow when they are
// escaped.
var long = strings.Repeat("Prod & <Sandbox> ", 12)[:200]

const manyApps = 300

func manyStatus() control.FederationStatus {
	f := control.FederationStatus{Name: "workforce", Mode: "approve", Decision: control.Decision{Outcome: failover.Propose, Rule: failover.Approval, Why: "us-east-1 is down"}}
	for i := range manyApps {
		a := control.AppStatus{App: fmt.Sprint(long, i), Region: signin.MustRegion("us-east-1"), ReadAt: time.Unix(1, 0)}
		if i%100 == 99 {
			a.Region, a.Error = signin.MustRegion("us-west-2"), &finding.Finding{Code: finding.ForeignACS, Subject: "app " + a.App, What: "odd", Remedy: "look"}
		}
		f.Apps = append(f.Apps, a)
	}
	return f
}

func manyResult() control.MoveResult {
	r := control.MoveResult{ID: "m1", Federation: "workforce", To: signin.MustRegion("us-west-2"), UserText: []string{"Open the AWS tile again."}}
	for i := range manyApps {
		app := federation.AppRef{Name: fmt.Sprint(long, i), Tenant: "okta", ID: fmt.Sprint(i)}
		r.Apps = append(r.Apps, failover.AppResult{App: app, Finding: &finding.Finding{Code: finding.ForeignACS, Subject: "app " + app.Name, What: "odd", Remedy: "look"}})
		r.HandSteps = append(r.HandSteps, failover.HandStep{App: app, Field: "sign-in URL", Current: strings.Repeat("c", 200), Target: strings.Repeat("t", 200)})
	}
	return r
}

func manyProposal(state approval.State) approval.Proposal {
	p := approval.Proposal{ID: "prop-12345678", Federation: "workforce", Digest: strings.Repeat("0f", 32), Reason: strings.Repeat("&", 2000), Need: 2, State: state, Move: "m1",
		Plan: &failover.Plan{Federation: "workforce", To: signin.MustRegion("us-west-2")}}
	for i := range manyApps {
		p.Plan.Steps = append(p.Plan.Steps, failover.StepPlan{App: federation.AppRef{Name: fmt.Sprint(long, i)}})
	}
	return p
}

// manyBrakes are pauses with reasons as long as people write them.
func manyBrakes() (out []control.Brake) {
	for i := range manyApps {
		out = append(out, control.Brake{ID: fmt.Sprintf("pause-%d", i), Kind: failover.BrakePause, Federation: "workforce", By: "ada", Reason: strings.Repeat("change & more ", 70)})
	}
	return out
}

// manyMoves is a history of moves that all left every app behind.
func manyMoves() control.History {
	h := control.History{More: 980}
	for i := range 20 {
		r := manyResult()
		m := control.PastMove{Remaining: r.HandSteps}
		m.ID, m.Federation, m.To, m.Reason, m.Result = failover.MoveID(fmt.Sprintf("m%d", i)), "workforce", r.To, strings.Repeat("<why> ", 300), &r
		h.Moves = append(h.Moves, m)
	}
	return h
}

// manyRegions is a federation in every Region that the catalogue has, none of
// whose roles is ready.
func manyRegions() control.Status {
	f := manyStatus()
	for _, e := range signin.Catalogue() {
		r := control.RegionStatus{Region: e.Region, Reason: strings.Repeat("refused & refused ", 30), ScannedAt: time.Unix(1, 0), Roles: manyApps}
		for i := range manyApps {
			r.NotReady = append(r.NotReady, finding.Finding{Code: finding.RoleNotReady, Subject: fmt.Sprint(long, i), What: "no", Remedy: "look"})
		}
		f.Regions = append(f.Regions, r)
	}
	return control.Status{At: time.Unix(100, 0), Federations: []control.FederationStatus{f}}
}

// fits says what Slack would not take of a message, or what it does not tell.
func fits(m message, tells ...string) (wrong []string) {
	all, shown := 0, ""
	for _, b := range m.Blocks {
		if b.Text != nil {
			n := utf8.RuneCountInString(b.Text.Text)
			all, shown = all+n, shown+b.Text.Text+"\n"
			if n == 0 || n > 3000 {
				wrong = append(wrong, fmt.Sprintf("a section of %d characters", n))
			}
		}
		for _, e := range b.Elements {
			all, shown = all+utf8.RuneCountInString(e.Value+e.Text.Text), shown+e.Text.Text+"\n"
			if len(e.Value) > 2000 || len(e.Text.Text) > 75 || e.Confirm != nil && (len(e.Confirm.Title.Text) > 100 || utf8.RuneCountInString(e.Confirm.Text.Text) > 300) {
				wrong = append(wrong, "a button: "+e.Text.Text)
			}
		}
	}
	if len(m.Blocks) > 50 || all > 13000 || m.Text == "" {
		wrong = append(wrong, fmt.Sprintf("%d blocks, %d characters, text %q", len(m.Blocks), all, m.Text))
	}
	for _, t := range tells {
		if !strings.Contains(shown, t) {
			wrong = append(wrong, "it does not tell: "+t)
		}
	}
	return wrong
}

// However many apps there are, and whatever they are called, a message is one
// that Slack takes, and what a person has to know is in it.
func TestMessagesOfManyApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	f, r := manyStatus(), manyResult()
	w.use.status = control.Status{At: time.Unix(100, 0), Federations: []control.FederationStatus{f}}
	j := &job{a: w.app, use: w.use, actor: watcher()}
	done := manyProposal(approval.Done)
	l := &live{head: "Moving workforce", now: map[string]string{}, last: map[string]int{}, news: make(chan struct{}, 1)}
	l.event(control.MoveEvent{Text: "the move has begun"})
	for _, a := range r.Apps {
		l.event(control.MoveEvent{App: a.App.Name, Text: "is written"})
	}
	status, err := statusPage(w.use.status, "")
	if err != nil {
		t.Fatal(err)
	}
	var decision control.Decision
	decision.Why, decision.WouldChange, decision.Plan = "the Region is down", "nothing", done.Plan
	for i := range manyApps {
		decision.Findings = append(decision.Findings, finding.Finding{Code: finding.ForeignACS, Subject: fmt.Sprint(long, i), What: "odd", Remedy: "look"})
	}
	regions, brakes := manyRegions(), manyBrakes()
	decision.Brakes = brakes
	health, err := healthPage(regions, "", "")
	if err != nil {
		t.Fatal(err)
	}
	ready, err := readinessPage(regions, "", "us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	waiting := control.ProposalList{}
	for range manyApps {
		waiting.Proposals = append(waiting.Proposals, manyProposal(approval.Open))
	}
	crowd := control.Status{At: time.Unix(100, 0)}
	for i := range 60 {
		c := manyStatus()
		c.Name, c.Brakes = fmt.Sprint("workforce", i), brakes
		crowd.Federations = append(crowd.Federations, c)
	}
	crowded, err := statusPage(crowd, "")
	if err != nil {
		t.Fatal(err)
	}
	why := control.Explanation{Federation: "workforce", Region: &regions.Federations[0].Regions[0]}
	for range manyApps {
		why.Lines = append(why.Lines, strings.Repeat("<evidence> ", 400))
	}
	const more = "there is more than Slack shows"
	for name, c := range map[string]struct {
		m     message
		tells []string
	}{
		"health":      {health, []string{"what the probes say"}},
		"readiness":   {ready, []string{"us-west-2: 0 of 300 roles are ready", "more; the same command"}},
		"proposals":   {proposalsPage(waiting), []string{"and 2", "Type proposals ID"}},
		"history":     {historyPage(manyMoves(), time.Unix(100, 0)), []string{"m0: ", "reason: ", more}},
		"explanation": {explainPage(why), []string{"workforce: why", more}},
		"pause":       {pausedPage(control.BrakeAnswer{Brake: brakes[0], Moving: []string{"m1"}}), []string{"goes on: m1"}},
		"resume":      {resumedPage(control.ReleaseAnswer{Released: brakes, Left: brakes}), []string{"Released", "still in force:"}},
		"held":        {heldPage(decision), []string{"Nothing was moved", "what would change this: nothing", "pause-0"}},
		"crowd":       {crowded, []string{"workforce0, mode approve", more}},
		"refusal":     {refusal(&control.Failure{Kind: control.Held, Message: strings.Repeat("& ", 9000)}), []string{"held: "}},
		"status":      {status, []string{"297 of 300 apps sign in at us-east-1", "3 of 300 apps sign in at us-west-2", escape.Slack(fmt.Sprint(long, 99)) + " signs in at us-west-2", "propose [approval]: us-east-1 is down"}},
		"proposal":    {proposalPage(manyProposal(approval.Open)), []string{"0 of 2 approvals", "Approve", "Reject", "and 8"}},
		"plan":        {planPage(decision), []string{"what would change this: nothing"}},
		"end":         {j.settled(t.Context(), r, &done), []string{"Open the AWS tile again.", "carried out as move m1", "0 of 2 approvals"}},
		"live":        {l.page(), []string{"the move has begun", "301 apps so far", escape.Slack(fmt.Sprint(long, 299)) + ": ", unfinished}},
	} {
		for _, wrong := range fits(c.m, c.tells...) {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// The saboteurs: a message that tells of every app loses its end, and ones that
// Slack refuses are seen.
func TestTooLongIsSeen(t *testing.T) {
	t.Parallel()
	var p page
	for _, l := range manyProposal(approval.Open).Plan.Lines() {
		p.say(l)
	}
	why := strings.Repeat("why it was rejected ", 20)
	p.say(why)
	section := func(n int) block {
		return block{Type: "section", Text: &text{Type: "mrkdwn", Text: strings.Repeat("x", n)}}
	}
	if len(fits(p.message(), why)) == 0 {
		t.Error("a message that tells of every app passes")
	}
	for name, m := range map[string]message{
		"a section": {Text: "x", Blocks: []block{section(3001)}},
		"all":       {Text: "x", Blocks: []block{section(2900), section(2900), section(2900), section(2900), section(2900)}},
		"a button":  {Text: "x", Blocks: []block{{Type: "actions", Elements: []button{{Value: strings.Repeat("v", 2001)}}}}},
		"no text":   {Blocks: []block{section(1)}},
	} {
		if len(fits(m)) == 0 {
			t.Errorf("%s passes", name)
		}
	}
}

package control

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/signin"
)

var (
	east = signin.MustRegion("us-east-1")
	west = signin.MustRegion("us-west-2")
	ada  = people.Local("ada", people.Socket)
)

// loop plays a federation's controller and remembers what it was asked.
type loop struct {
	status    controller.Status
	situation failover.Situation
	decision  failover.Decision
	result    *failover.Result
	err       error
	events    *Broker
	tell      []move.Event
	asked     []failover.Request
	submitted []failover.Request
	kicked    int
	log       *[]string
}

func (l *loop) Status() controller.Status { return l.status }

func (l *loop) Kick() { l.kicked++ }

func (l *loop) Reread(context.Context) error { l.kicked++; return l.err }

func (l *loop) Consider(_ context.Context, req *failover.Request) (failover.Situation, failover.Decision, error) {
	if req != nil {
		l.asked = append(l.asked, *req)
	}
	return l.situation, l.decision, l.err
}

func (l *loop) Submit(_ context.Context, req failover.Request) (failover.Decision, *failover.Result, error) {
	l.submitted = append(l.submitted, req)
	if l.log != nil {
		*l.log = append(*l.log, "submit")
	}
	for _, e := range l.tell {
		l.events.Publish(e)
	}
	return l.decision, l.result, l.err
}

// recorder keeps what it is told, or fails.
type recorder struct {
	err error
	log *[]string
}

func (r recorder) Record(_ context.Context, actor, action, subject string, detail any) error {
	if r.err != nil {
		return r.err
	}
	raw, err := json.Marshal(detail)
	*r.log = append(*r.log, strings.Join([]string{actor, action, subject, string(raw)}, " | "))
	return err
}

func corp() federation.Federation {
	return federation.Federation{Name: "corp", Partition: east.Partition(), Regions: []signin.Region{east, west}, Lead: "prod",
		Apps:   []federation.AppRef{{Name: "prod", Tenant: "okta", ID: "1"}, {Name: "dev", Tenant: "okta", ID: "2"}},
		Policy: federation.Policy{Mode: federation.Approve}}
}

// newControl has one federation with l as its loop; the slice is the record.
func newControl(l *loop) (*Control, *[]string) {
	log := &[]string{}
	l.events, l.log = &Broker{}, log
	return &Control{Federations: []federation.Federation{corp()}, Loops: map[string]Loop{"corp": l},
		Brakes: kept(), Record: recorder{log: log}, Events: l.events, Info: Info{Vantages: []string{"local"}}}, log
}

// wantFailure checks kind and words of an error.
func wantFailure(t *testing.T, err error, kind Kind, words ...string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Kind != kind {
		t.Errorf("error %v, want one of kind %s", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(f.Message, w) {
			t.Errorf("%q does not say %q", f.Message, w)
		}
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	one, two := corp(), corp()
	two.Name = "labs"
	for _, c := range []struct {
		why  string
		all  []federation.Federation
		name string
		want string
		kind Kind
		says string
	}{
		{"the only one need not be named", []federation.Federation{one}, "", "corp", "", ""},
		{"named", []federation.Federation{one, two}, "labs", "labs", "", ""},
		{"one of two must be named", []federation.Federation{one, two}, "", "", Invalid, "--federation: corp, labs"},
		{"unknown", []federation.Federation{one, two}, "crop", "", NotFound, "corp, labs"},
		{"unknown, though there is only one", []federation.Federation{one}, "labs", "", NotFound, "corp"},
		{"none at all", nil, "", "", NotFound, "people in the config"},
	} {
		got, err := Pick(c.all, c.name)
		if c.kind == "" {
			if err != nil || got.Name != c.want {
				t.Errorf("%s: %q, %v", c.why, got.Name, err)
			}
			continue
		}
		wantFailure(t, err, c.kind, c.says)
	}
}

// Each bad request is refused with the words that help, before anything is
// recorded or asked.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		r    MoveRequest
		kind Kind
		says []string
	}{
		{"no Region", MoveRequest{Reason: "x"}, Invalid, []string{"us-east-1, us-west-2"}},
		{"mistyped Region", MoveRequest{To: "us-wset-2", Reason: "x"}, Invalid, []string{`did you mean "us-west-2"`}},
		{"no Region at all", MoveRequest{To: "https://evil.example/saml", Reason: "x"}, Invalid, []string{"not a Region"}},
		{"another partition", MoveRequest{To: "us-gov-west-1", Reason: "x"}, Invalid, []string{"aws-us-gov", "separate worlds", "us-west-2"}},
		{"no reason", MoveRequest{To: "us-west-2"}, Invalid, []string{"--reason"}},
		{"blank reason", MoveRequest{To: "us-west-2", Reason: " \t\n"}, Invalid, []string{"--reason"}},
		{"reason too long", MoveRequest{To: "us-west-2", Reason: strings.Repeat("ü", maxReason+1)}, Invalid, []string{"1001 characters"}},
		{"unknown rule", MoveRequest{To: "us-west-2", Reason: "x", Overrides: []string{"not-raedy"}}, Invalid, []string{"not-raedy", failover.NotReady, failover.Paused}},
		{"a rule that nobody may put aside", MoveRequest{To: "us-west-2", Reason: "x", Overrides: []string{failover.AllowedRegions}}, Invalid, []string{failover.AllowedRegions}},
		{"unknown federation", MoveRequest{Federation: "labs", To: "us-west-2", Reason: "x"}, NotFound, []string{"corp"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			l := &loop{}
			ctl, log := newControl(l)
			_, err := ctl.Move(t.Context(), ada, c.r, nil)
			wantFailure(t, err, c.kind, c.says...)
			if len(*log)+len(l.submitted)+len(l.asked) > 0 {
				t.Errorf("recorded %v, submitted %v, asked %v", *log, l.submitted, l.asked)
			}
		})
	}
}

// A reason of the greatest length, counted in characters, passes.
func TestLongestReason(t *testing.T) {
	t.Parallel()
	l := &loop{}
	ctl, _ := newControl(l)
	reason := strings.Repeat("ü", maxReason)
	if _, err := ctl.Move(t.Context(), ada, MoveRequest{To: "us-west-2", Reason: reason, Overrides: []string{failover.NotReady}}, nil); err != nil {
		t.Fatal(err)
	}
	want := failover.Request{To: west, By: "ada via socket", Reason: reason, Overrides: []string{failover.NotReady}}
	if len(l.submitted) != 1 || l.submitted[0].By != want.By || l.submitted[0].To != west || l.submitted[0].Reason != reason || !slices.Equal(l.submitted[0].Overrides, want.Overrides) {
		t.Errorf("submitted %+v", l.submitted)
	}
}

// spec 14: the request is recorded before the loop is asked.
func TestMoveRecordsFirst(t *testing.T) {
	t.Parallel()
	l := &loop{decision: failover.Decision{Outcome: failover.Move}, result: &failover.Result{ID: "m1"}}
	l.tell = []move.Event{{Federation: "corp", Text: "one"}, {Federation: "labs", Text: "not ours"}, {Federation: "corp", Text: "two"}}
	ctl, log := newControl(l)
	var heard []string
	got, err := ctl.Move(t.Context(), ada, MoveRequest{To: "us-west-2", Reason: "drill day"}, func(e move.Event) { heard = append(heard, e.Text) })
	if err != nil || got.Result == nil || got.Result.ID != "m1" {
		t.Fatalf("%+v, %v", got, err)
	}
	if len(*log) != 2 || (*log)[1] != "submit" || !strings.HasPrefix((*log)[0], "ada via socket | move.requested | federation corp | ") || !strings.Contains((*log)[0], "drill day") {
		t.Errorf("the record and the loop saw %q", *log)
	}
	if !slices.Equal(heard, []string{"one", "two"}) {
		t.Errorf("heard %v", heard)
	}
}

// spec 14: the saboteur is a recorder that fails; the loop must never be asked.
func TestMoveWithoutRecord(t *testing.T) {
	t.Parallel()
	l := &loop{}
	ctl, _ := newControl(l)
	full := errors.New("disk full")
	ctl.Record = recorder{err: full}
	_, err := ctl.Move(t.Context(), ada, MoveRequest{To: "us-west-2", Reason: "x"}, nil)
	if !errors.Is(err, full) || !strings.Contains(err.Error(), "nothing was written") || len(l.submitted) > 0 {
		t.Errorf("submitted %v, error %v", l.submitted, err)
	}
}

// Plan and dry run ask without acting: nothing is recorded, no reason needed.
func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	l := &loop{decision: failover.Decision{Outcome: failover.Hold, Rule: failover.NotReady}}
	ctl, log := newControl(l)
	d, err := ctl.Plan(t.Context(), ada, MoveRequest{To: "us-west-2"})
	if err != nil || d.Rule != failover.NotReady {
		t.Errorf("%+v, %v", d, err)
	}
	a, err := ctl.Move(t.Context(), ada, MoveRequest{To: "us-west-2", DryRun: true}, nil)
	if err != nil || a.Decision.Rule != failover.NotReady || a.Result != nil {
		t.Errorf("%+v, %v", a, err)
	}
	if len(*log)+len(l.submitted) > 0 || len(l.asked) != 2 || l.asked[0].Reason == "" {
		t.Errorf("recorded %v, submitted %v, asked %+v", *log, l.submitted, l.asked)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	l := &loop{decision: failover.Decision{Outcome: failover.Hold, Rule: failover.ActiveHealthy, Why: "all is\x1b[31m well"},
		situation: failover.Situation{
			Verdicts: []health.Verdict{{Region: west, State: health.Unhealthy, Reason: "refused"}},
			Shares:   []inventory.Share{{Region: west, Total: 10, Ready: 7, TakenAt: time.Unix(1, 0)}},
		}}
	ctl, log := newControl(l)
	got, err := ctl.Explain(t.Context(), ada, "", "")
	if err != nil || got.Region != nil || got.Federation != "corp" || len(got.Rules) != len(failover.Standard()) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, r := range got.Rules {
		if r.Name == "" || r.Doc == "" || r.Example == "" {
			t.Errorf("rule %+v is not explained", r)
		}
	}
	if strings.Contains(strings.Join(got.Lines, "\n"), "\x1b") { // spec 13.7
		t.Errorf("an escape character passes: %q", got.Lines)
	}
	got, err = ctl.Explain(t.Context(), ada, "corp", "us-west-2")
	if err != nil || got.Region == nil || got.Region.State != health.Unhealthy || got.Region.Ready != 7 || got.Region.Roles != 10 || got.Region.Verdict.Reason != "refused" {
		t.Errorf("%+v, %v", got.Region, err)
	}
	if got, err = ctl.Explain(t.Context(), ada, "", "us-east-1"); err != nil || got.Region.State != health.Unknown || got.Region.Reason != "not probed yet" {
		t.Errorf("a Region of which nothing is known: %+v, %v", got.Region, err)
	}
	_, err = ctl.Explain(t.Context(), ada, "", "us-wset-2")
	wantFailure(t, err, Invalid, "us-west-2")
	_, err = ctl.Explain(t.Context(), ada, "", "eu-west-1")
	wantFailure(t, err, NotFound, "us-east-1, us-west-2")
	_, err = ctl.Explain(t.Context(), ada, "labs", "")
	wantFailure(t, err, NotFound)
	l.err = errors.New("journal gone")
	if _, err = ctl.Explain(t.Context(), ada, "", ""); !errors.Is(err, l.err) {
		t.Errorf("error %v", err)
	}
	if len(*log) > 0 {
		t.Errorf("looking was recorded: %v", *log)
	}
}

// spec 7.3: what must be seen with every status.
func TestStatusNotes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why      string
		vantages int
		mode     federation.Mode
		accept   bool
		want     []string
	}{
		{"one vantage", 1, federation.Approve, false, []string{"One vantage only"}},
		{"one vantage that auto acts on", 1, federation.Auto, true, []string{"One vantage only", "accept_fewer_vantages"}},
		{"one vantage, auto that will not act", 1, federation.Auto, false, []string{"One vantage only"}},
		{"two vantages that auto acts on", 2, federation.Auto, true, []string{"accept_fewer_vantages"}},
		{"two vantages", 2, federation.Approve, true, nil},
		{"three vantages", 3, federation.Auto, true, nil},
	} {
		ctl, _ := newControl(&loop{})
		ctl.Federations[0].Policy.Mode, ctl.Federations[0].Policy.AcceptFewerVantages = c.mode, c.accept
		ctl.Info.Vantages = make([]string, c.vantages)
		got := ctl.Status(t.Context(), ada).Federations[0].Notes
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.why, got)
			continue
		}
		for i, w := range c.want {
			if !strings.Contains(got[i], w) {
				t.Errorf("%s: %q does not say %q", c.why, got[i], w)
			}
		}
	}
}

// Every configured app and Region is in the status, read or not.
func TestStatusIsWhole(t *testing.T) {
	t.Parallel()
	acs, err := west.ACS("")
	if err != nil {
		t.Fatal(err)
	}
	st := failover.FromInventory(inventory.AppRead{Ref: corp().Apps[1], ReadAt: time.Now().Add(-time.Minute), Label: "Dev", ACS: acs, ACSText: acs.String(), Movable: true})
	ctl, _ := newControl(&loop{status: controller.Status{Apps: []failover.AppState{st}, Moving: true}})
	got := ctl.Status(t.Context(), ada).Federations[0]
	if len(got.Apps) != 2 || len(got.Regions) != 2 || got.Home != east || !got.Moving {
		t.Fatalf("%+v", got)
	}
	if a := got.Apps[0]; a.App != "prod" || !a.Lead || !a.Region.IsZero() || a.AgeSeconds != 0 {
		t.Errorf("the app that was never read: %+v", a)
	}
	if a := got.Apps[1]; a.App != "dev" || a.Lead || a.Region != west || a.AgeSeconds < 59 || a.ACS != acs.String() {
		t.Errorf("the app that was read a minute ago: %+v", a)
	}
}

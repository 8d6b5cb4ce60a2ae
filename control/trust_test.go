package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// trustFleet plays AWS: each planned edit becomes one write, announced first.
type trustFleet struct {
	log   *[]string
	last  []inventory.Snapshot
	apply error
	plan  fleet.TrustPlan
	stop  context.CancelFunc // ends the caller's context during a scan
}

func (f *trustFleet) Scan(_ context.Context, last inventory.Snapshot) inventory.Snapshot {
	f.last = append(f.last, last)
	*f.log = append(*f.log, "scan")
	if f.stop != nil {
		f.stop()
	}
	return inventory.Snapshot{Federation: "corp"}
}

func (f *trustFleet) Plan(context.Context, inventory.Snapshot) (fleet.TrustPlan, error) {
	f.plan.Federation = "corp"
	return f.plan, nil
}

func (f *trustFleet) Apply(ctx context.Context, p fleet.TrustPlan, o fleet.ApplyOptions) (fleet.Report, error) {
	r := fleet.Report{Counts: map[fleet.State]int{}}
	for _, e := range p.Edits {
		if refused := o.Before(ctx, fleet.Write{Role: e.Role}); refused != nil { // the report says it, as the real fleet does
			r.Counts[fleet.Refused]++
			r.Stopped = &finding.Finding{Code: finding.TrustRefused, Why: refused.Error()}
			break
		}
		*f.log = append(*f.log, "write "+e.Role)
		r.Counts[fleet.Written]++
		if err := o.After(ctx, fleet.Outcome{Role: e.Role}); err != nil {
			return r, err
		}
	}
	if r.Stopped == nil {
		return r, f.apply
	}
	return r, nil
}

func (f *trustFleet) Explain(_ context.Context, _ inventory.Snapshot, role inventory.Role, _ signin.Region) ([]fleet.Explanation, error) {
	return []fleet.Explanation{{Provider: role.ARN}}, nil
}

func (f *trustFleet) Restore(ctx context.Context, writes []fleet.Write, apps []inventory.AppRead, o fleet.ApplyOptions) (fleet.Report, error) {
	*f.log = append(*f.log, fmt.Sprintf("restore with %d apps", len(apps)))
	var p fleet.TrustPlan
	for _, w := range writes {
		p.Edits = append(p.Edits, fleet.RoleEdit{Role: w.Role})
	}
	o.After = func(context.Context, fleet.Outcome) error { return nil }
	return f.Apply(ctx, p, o)
}

// roleKeeper plays the inventory.
type roleKeeper struct {
	log     *[]string
	load    error
	save    error
	partial inventory.Snapshot // what a failed load returns beside its error
}

func (k roleKeeper) LoadRoles(string) (inventory.Snapshot, error) { return k.partial, k.load }

func (k roleKeeper) SaveRoles(inventory.Snapshot) error {
	*k.log = append(*k.log, "save")
	return k.save
}

// runJournal plays the journal of a run.
type runJournal struct {
	lines []string
	full  bool
}

func (j *runJournal) add(l string) error {
	if j.full {
		return errors.New("the journal is full")
	}
	j.lines = append(j.lines, l)
	return nil
}

func (j *runJournal) Begin(_ fleet.TrustPlan, ticket string) error { return j.add("begin " + ticket) }
func (j *runJournal) Intent(w fleet.Write) error                   { return j.add("intent " + w.Role) }
func (j *runJournal) Done(o fleet.Outcome) error                   { return j.add("done " + o.Role) }

// failsAt is a recorder that works until its nth call.
type failsAt struct {
	recorder
	left *int
}

func (r failsAt) Record(ctx context.Context, actor, action, subject string, detail any) error {
	if *r.left--; *r.left < 0 {
		return errors.New("disk full")
	}
	return r.recorder.Record(ctx, actor, action, subject, nil)
}

func newTrust(records int) (Trust, *trustFleet, *[]string) {
	log := &[]string{}
	f := &trustFleet{log: log}
	return Trust{Federation: corp(), Fleet: f, Keeper: roleKeeper{log: log, load: fs.ErrNotExist}, Record: failsAt{recorder{log: log}, &records}, Journal: &runJournal{}, Actor: ada}, f, log
}

func twoEdits() fleet.TrustPlan {
	return fleet.TrustPlan{Federation: "corp", Edits: []fleet.RoleEdit{{Role: "one"}, {Role: "two"}}}
}

// actions drops actor and detail from the recorded lines.
func actions(log []string) []string {
	var out []string
	for _, l := range log {
		if parts := strings.Split(l, " | "); len(parts) == 4 {
			l = parts[1] + " " + parts[2]
		}
		out = append(out, l)
	}
	return out
}

// spec 14: each write is recorded before it is made, and what became of all of
// them afterwards; the kept readiness is that of after.
func TestTrustApplyRecordsFirst(t *testing.T) {
	t.Parallel()
	tr, _, log := newTrust(100)
	report, _, err := tr.Apply(t.Context(), twoEdits(), TrustOrder{})
	if err != nil || report.Counts[fleet.Written] != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	want := []string{"trust-apply corp", "trust-write one", "write one", "trust-write two", "write two", "trust-applied corp", "scan", "save"}
	if got := actions(*log); !slices.Equal(got, want) {
		t.Errorf("it went %q, want %q", got, want)
	}
	for _, l := range *log {
		if strings.Contains(l, " | ") && !strings.HasPrefix(l, "ada via socket | ") {
			t.Errorf("record %q does not name who did it", l)
		}
	}
}

// spec 14: the saboteur recorder fails at its nth call; nothing is written whose
// record is missing.
func TestTrustApplyWithoutRecord(t *testing.T) {
	t.Parallel()
	for n, wantWrites := range []int{0, 0, 1, 2} {
		tr, _, log := newTrust(n)
		report, _, err := tr.Apply(t.Context(), twoEdits(), TrustOrder{})
		if err == nil && !TrustFailed(report) {
			t.Errorf("%d records: no failure is reported", n)
		}
		writes := 0
		for _, l := range *log {
			if strings.HasPrefix(l, "write ") {
				writes++
			}
		}
		if writes != wantWrites {
			t.Errorf("%d records: %d writes, want %d: %q", n, writes, wantWrites, *log)
		}
	}
}

// spec 5.4: a freeze refuses a plan before anything is recorded or written.
func TestTrustApplyFrozen(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		why         string
		from, until time.Duration
		frozen      bool
	}{{"it holds", -time.Hour, time.Hour, true}, {"it is over", -2 * time.Hour, -time.Hour, false}, {"it is to come", time.Hour, 2 * time.Hour, false}} {
		tr, _, log := newTrust(100)
		tr.Freezes = []federation.Freeze{{From: now.Add(c.from), Until: now.Add(c.until), Why: "peak sales"}}
		_, _, err := tr.Apply(t.Context(), twoEdits(), TrustOrder{})
		if !c.frozen {
			if err != nil {
				t.Errorf("%s: %v", c.why, err)
			}
			continue
		}
		wantFailure(t, err, Held, "peak sales", "freeze")
		if len(*log) > 0 {
			t.Errorf("%s: it went %q", c.why, *log)
		}
	}
}

// A run keeps its request, each write before it is made and each outcome, so
// that it can be resumed; without the request nothing is written.
// spec 5.4
func TestTrustApplyKeepsJournal(t *testing.T) {
	t.Parallel()
	tr, _, _ := newTrust(100)
	j := &runJournal{}
	tr.Journal = j
	if _, _, err := tr.Apply(t.Context(), twoEdits(), TrustOrder{Ticket: "CHG-7"}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"begin CHG-7", "intent one", "done one", "intent two", "done two"}; !slices.Equal(j.lines, want) {
		t.Errorf("kept %q, want %q", j.lines, want)
	}
	tr, _, log := newTrust(100)
	tr.Journal = &runJournal{full: true}
	if _, _, err := tr.Apply(t.Context(), twoEdits(), TrustOrder{}); err == nil || slices.Contains(*log, "write one") {
		t.Errorf("without a journal: %v, it went %q", err, *log)
	}
}

func TestTrustApplyRefusesForeignPlan(t *testing.T) {
	t.Parallel()
	tr, _, log := newTrust(100)
	plan := twoEdits()
	plan.Federation = "labs"
	_, _, err := tr.Apply(t.Context(), plan, TrustOrder{})
	wantFailure(t, err, Invalid, "labs", "corp")
	if len(*log) > 0 {
		t.Errorf("it went %q", *log)
	}
}

// A run that fails is on record all the same, and its error reaches the caller.
func TestTrustApplyFails(t *testing.T) {
	t.Parallel()
	tr, f, log := newTrust(100)
	f.apply = errors.New("not our account")
	if _, _, err := tr.Apply(t.Context(), twoEdits(), TrustOrder{}); !errors.Is(err, f.apply) {
		t.Errorf("error %v", err)
	}
	if got := actions(*log); got[len(got)-1] != "trust-applied corp" {
		t.Errorf("it went %q", got)
	}
}

// A last scan that cannot be used never keeps a new one from being made: that is
// the remedy.
func TestTrustScanAfterBadSnapshot(t *testing.T) {
	t.Parallel()
	for _, bad := range []error{fs.ErrNotExist, fmt.Errorf("x: %w", inventory.ErrCorrupt), errors.New("written by another version of this program; scan again")} {
		tr, f, log := newTrust(0)
		tr.Keeper = roleKeeper{log: log, load: bad, partial: inventory.Snapshot{Federation: "half"}}
		if _, err := tr.Scan(t.Context()); err != nil {
			t.Errorf("%v: %v", bad, err)
		}
		if !slices.Equal(*log, []string{"scan", "save"}) || f.last[0].Federation != "" {
			t.Errorf("%v: it went %q, from %+v", bad, *log, f.last)
		}
	}
}

// A scan that was cut off says nothing about the roles: the last one stays.
func TestTrustScanInterrupted(t *testing.T) {
	t.Parallel()
	tr, f, log := newTrust(0)
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	if _, err := tr.Scan(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stays in force") {
		t.Errorf("error %v", err)
	}
	if slices.Contains(*log, "save") {
		t.Errorf("it went %q", *log)
	}
	tr, _, log = newTrust(0)
	full := errors.New("disk full")
	tr.Keeper = roleKeeper{log: log, save: full}
	if _, _, err := tr.Plan(t.Context()); !errors.Is(err, full) {
		t.Errorf("a scan that is not kept: %v", err)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	bad := &finding.Finding{Code: finding.TrustRefused, Subject: "2"}
	got := Problems(inventory.Snapshot{Accounts: []inventory.AccountScan{{ID: "1"}, {ID: "2", Error: bad}}})
	if len(got) != 1 || got[0].Subject != "2" {
		t.Errorf("%+v", got)
	}
}

func TestProviderProblems(t *testing.T) {
	t.Parallel()
	got := ProviderProblems(inventory.Snapshot{Accounts: []inventory.AccountScan{
		{Providers: []inventory.Provider{{ARN: "well"}, {ARN: "ill", Error: &finding.Finding{Code: finding.ProviderUnreadable, Subject: "ill"}}}},
		{Notes: []finding.Finding{{Code: finding.ProviderUnreadable, Subject: "list"}}}}})
	if len(got) != 2 || got[0].Subject != "ill" || got[1].Subject != "list" {
		t.Errorf("%+v", got)
	}
}

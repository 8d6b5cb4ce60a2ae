package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/audit/copies"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// hanging is an audit sink that never answers, whatever the deadline.
type hanging struct{ release chan struct{} }

func (h hanging) Last(context.Context) (audit.Head, error) { <-h.release; return audit.Head{}, nil }
func (h hanging) Put(context.Context, []audit.Record) error {
	<-h.release
	return nil
}

// slowApps are apps whose IdP takes its time; each step records before it writes.
type slowApps struct{ move.Apps }

func (slowApps) AdminURL(federation.AppRef) string { return "" }

func (slowApps) Step(ctx context.Context, app federation.AppRef, to signin.Target, h idp.Hooks) (idp.StepResult, error) {
	<-time.After(50 * time.Millisecond)
	if err := h.Planned(ctx, idp.Document{ID: idp.AppID(app.ID), Raw: []byte("{}")}, []idp.Change{{Pointer: "/acs"}}); err != nil {
		return idp.StepResult{}, err
	}
	<-time.After(150 * time.Millisecond)
	acs, err := to.To.ACS("")
	return idp.StepResult{App: idp.App{ID: idp.AppID(app.ID), ACS: acs}, Sent: true}, err
}

// moveTime is how long a move of ten apps takes in virtual time with these audit
// sinks, and how many records the sinks' owner made.
func moveTime(t *testing.T, sinks ...copies.Sink) (took time.Duration, records int, found []finding.Finding) {
	t.Helper()
	path := filepath.Join(t.TempDir(), AuditFile)
	file, err := openRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	tr := &trail{recorder: file, room: func() {}, log: log}
	var all []*copies.Copier
	for _, s := range sinks {
		all = append(all, &copies.Copier{Name: "s", Path: path, Sink: s, Log: log})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { tr.copyOutside(ctx, all); close(done) }()
	synctest.Wait()

	east, west := signin.MustRegion("us-east-1"), signin.MustRegion("us-west-2")
	f := federation.Federation{Name: "corp", Partition: signin.AWS, Regions: []signin.Region{east, west}, Policy: federation.Policy{Parallel: 2}}
	s := failover.Situation{Now: time.Now(), Request: &failover.Request{To: west, By: "ann", Reason: "test", Overrides: []string{failover.NotReady}},
		Verdicts: []health.Verdict{{Region: west, State: health.Healthy}, {Region: east, State: health.Healthy}}, Vantages: []failover.Vantage{{Name: "here"}}}
	acs, err := east.ACS("")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		ref := federation.AppRef{Name: name, Tenant: "acme", ID: name}
		f.Apps = append(f.Apps, ref)
		s.Apps = append(s.Apps, failover.AppState{Ref: ref, ReadAt: s.Now, App: idp.App{ID: idp.AppID(name), ACS: acs, ACSText: acs.String(), Movable: true}})
	}
	s.Federation = f
	d := failover.Standard().Decide(s)
	if d.Plan == nil {
		t.Fatalf("no plan: %+v", d)
	}
	journal, term := memory.New().Lead()
	m, err := move.New(move.Config{Federation: func(string) (federation.Federation, bool) { return f, true }, Apps: slowApps{}, Journal: journal, Term: term,
		Brakes: journal, Recorder: tr, Log: log, Limits: move.Limits{StepTimeout: time.Minute, CallDeadline: 10 * time.Second, Attempts: 2}})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	res, err := m.Run(t.Context(), *d.Plan, *s.Request)
	if err != nil || res.Moved() != 10 {
		t.Fatalf("%+v, %v", res, err)
	}
	took = time.Since(begun)
	<-time.After(time.Minute)
	synctest.Wait()
	found = tr.outside()
	cancel()
	<-done
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	_, n, err := audit.Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	return took, int(n), found
}

// spec 11.4 spec 14: an outside sink that hangs costs a move nothing, to the
// nanosecond of virtual time, and shows as a finding; one beside it gets all.
func TestHangingSinkCostsAMoveNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		alone, records, none := moveTime(t)
		if alone < time.Second || records < 20 || len(none) != 0 {
			t.Fatalf("without a sink: %s, %d records, %v", alone, records, none)
		}
		release := make(chan struct{})
		copied := filepath.Join(t.TempDir(), "copy.jsonl")
		took, n, found := moveTime(t, hanging{release}, copies.File{Path: copied})
		if took != alone || n != records {
			t.Errorf("with a sink that hangs: %s and %d records, without: %s and %d", took, n, alone, records)
		}
		if len(found) != 1 || found[0].Code != finding.AuditCopy {
			t.Errorf("findings: %v", found)
		}
		if held, err := audit.ReadOutside(copied); err != nil || held.Count != n {
			t.Errorf("the sink beside it has %+v, %v", held, err)
		}
		close(release)
		synctest.Wait()
	})
}

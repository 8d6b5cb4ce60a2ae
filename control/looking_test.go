package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/people"
)

// trailOf is an audit record in memory.
type trailOf struct {
	records []audit.Record
	err     error
}

// Read implements AuditTrail.
func (t trailOf) Read(visit func(AuditRecord) error) error {
	for _, r := range t.records {
		if err := visit(r); err != nil {
			return err
		}
	}
	return t.err
}

// Who sees every federation reads the whole record; anybody else what is about
// theirs, and nothing of what cannot be told.
//
// spec 13.5
func TestAudit(t *testing.T) {
	t.Parallel()
	ctl, _ := newControl(&loop{})
	at := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	rec := func(n int, action, subject, detail string) audit.Record {
		return audit.Record{Seq: uint64(n), Time: at.Add(time.Duration(n) * time.Minute), Action: action, Subject: subject, Detail: json.RawMessage(detail)}
	}
	ctl.Trail = trailOf{records: []audit.Record{
		rec(1, "controller.started", "config x", `{}`), rec(2, "move.requested", "federation corp", `{}`), rec(3, "move.requested", "federation labs", `{}`),
		rec(4, "lock.set", "app okta/1", `{}`), rec(5, "lock.set", "app okta/9", `{}`), rec(6, "move.proposal-approved", "proposal p", `{"federation":"corp"}`),
		rec(7, "move.proposal-approved", "proposal q", `{"federation":"labs"}`), rec(8, "page", "store", `{"federation":"corp"}`),
	}}
	corpOnly := people.Caller{Name: "eve", Way: people.Token, Grants: people.Grants{"corp": people.Viewer}}
	for _, c := range []struct {
		why   string
		actor Actor
		r     AuditRequest
		want  string
		more  int
	}{
		{"everything", ada, AuditRequest{}, "[1 2 3 4 5 6 7 8]", 0},
		{"one who sees one federation", corpOnly, AuditRequest{}, "[2 4 6]", 0},
		{"about one federation", ada, AuditRequest{Federation: "corp"}, "[2 4 6]", 0},
		{"by action", ada, AuditRequest{Action: "move"}, "[2 3 6 7]", 0},
		{"by the whole action", ada, AuditRequest{Action: "lock.set"}, "[4 5]", 0},
		{"not by half a word", ada, AuditRequest{Action: "mov"}, "[]", 0},
		{"since", ada, AuditRequest{Since: at.Add(7 * time.Minute)}, "[7 8]", 0},
		{"the newest", ada, AuditRequest{Limit: 3}, "[6 7 8]", 5},
	} {
		got, err := ctl.Audit(t.Context(), c.actor, c.r)
		seqs := []uint64{}
		for _, r := range got.Records {
			seqs = append(seqs, r.Seq)
		}
		if err != nil || fmt.Sprint(seqs) != c.want || got.More != c.more {
			t.Errorf("%s: %v and %d more, %v; want %s", c.why, seqs, got.More, err, c.want)
		}
	}
	_, err := ctl.Audit(t.Context(), Actor{Name: "nobody"}, AuditRequest{})
	wantFailure(t, err, NotFound, "no federation is known here under your name")
	_, err = ctl.Audit(t.Context(), corpOnly, AuditRequest{Federation: "labs"})
	wantFailure(t, err, NotFound)
	ctl.Trail = trailOf{err: fmt.Errorf("record 3: %w", audit.ErrBroken)}
	_, err = ctl.Audit(t.Context(), ada, AuditRequest{})
	wantFailure(t, err, Failed, "audit verify")
	ctl.Trail = trailOf{err: errors.New("disk")}
	if _, err = ctl.Audit(t.Context(), ada, AuditRequest{}); err == nil {
		t.Error("a record that cannot be read is answered")
	}
	ctl.Trail = nil
	_, err = ctl.Audit(t.Context(), ada, AuditRequest{})
	wantFailure(t, err, NotFound)
}

// scans keeps one scan.
type scans struct{ snap inventory.Snapshot }

// LoadRoles implements RoleKeeper.
func (s scans) LoadRoles(string) (inventory.Snapshot, error) { return s.snap, nil }

// SaveRoles implements RoleKeeper.
func (scans) SaveRoles(inventory.Snapshot) error { return errors.New("looking keeps nothing") }

// Readiness is read from what is kept, by those who may see the federation.
func TestControlReadiness(t *testing.T) {
	t.Parallel()
	ctl, _ := newControl(&loop{})
	ctl.Roles = scans{inventory.Snapshot{Federation: "corp", TakenAt: time.Now(), Accounts: []inventory.AccountScan{{ID: "1", Roles: []inventory.Role{
		{ARN: "a", Regions: []inventory.RegionReadiness{{Region: west, State: inventory.Ready}}}, {ARN: "b", Regions: []inventory.RegionReadiness{{Region: west, State: inventory.NotReady}}}}}}}}
	got, err := ctl.Readiness(t.Context(), ada, ReadinessRequest{Federation: "corp", Region: "us-west-2", Why: "not-ready"})
	if err != nil || len(got.Roles) != 1 || got.Roles[0].Role != "b" || len(got.Regions) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = ctl.Readiness(t.Context(), ada, ReadinessRequest{Why: "tired"})
	wantFailure(t, err, Invalid, "no state of a role")
	_, err = ctl.Readiness(t.Context(), ada, ReadinessRequest{Region: "moon-1"})
	wantFailure(t, err, Invalid)
	_, err = ctl.Readiness(t.Context(), people.Caller{Name: "eve"}, ReadinessRequest{Federation: "corp"})
	wantFailure(t, err, NotFound)
	ctl.Roles = nil
	_, err = ctl.Readiness(t.Context(), ada, ReadinessRequest{})
	wantFailure(t, err, NotFound)
}

// News are of the federations that the actor sees, in order, from 1.
//
// spec 13.5
func TestNews(t *testing.T) {
	t.Parallel()
	f := &Feed{}
	ctl := &Control{Feed: f}
	if n := ctl.News(ada, 0); n.Missed || len(n.Events) != 0 || n.Last != 0 {
		t.Errorf("an empty feed: %+v", n)
	}
	f.Moved(move.Event{Federation: "corp"})
	f.Decided(controller.Event{Federation: "labs"})
	f.Moved(move.Event{Federation: "corp"})
	eve := people.Caller{Grants: people.Grants{"corp": people.Viewer}}
	n := ctl.News(eve, 0)
	if len(n.Events) != 2 || n.Events[0].ID != 1 || n.Events[1].ID != 3 || n.Last != 3 || n.Missed {
		t.Errorf("eve hears %+v", n)
	}
	if n := ctl.News(ada, -1); len(n.Events) != 0 || n.Last != 3 || n.Missed {
		t.Errorf("from now on: %+v", n)
	}
	if n := ctl.News(ada, 7); !n.Missed || len(n.Events) != 3 {
		t.Errorf("an id of another run: %+v", n)
	}
	if n := (&Control{}).News(ada, 0); n.More != nil || n.Events != nil {
		t.Errorf("no feed: %+v", n)
	}
}

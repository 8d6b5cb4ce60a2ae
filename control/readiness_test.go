package control

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// scanned plays an inventory with one kept scan.
type scanned struct{ snap inventory.Snapshot }

func (s scanned) LoadRoles(string) (inventory.Snapshot, error) { return s.snap, nil }
func (s scanned) SaveRoles(inventory.Snapshot) error           { return errors.New("reading saves nothing") }

func lastScan(takenAt time.Time) inventory.Snapshot {
	f := corp()
	row := func(home, standby inventory.Readiness) []inventory.RegionReadiness {
		return []inventory.RegionReadiness{{Region: f.Regions[0], State: home}, {Region: f.Regions[1], State: standby}}
	}
	return inventory.Snapshot{Federation: f.Name, TakenAt: takenAt, Accounts: []inventory.AccountScan{
		{ID: "1", ReadAt: takenAt, Roles: []inventory.Role{{ARN: "arn:a", Name: "a", Regions: row(inventory.Ready, inventory.Ready)},
			{ARN: "arn:b", Name: "b", Regions: row(inventory.Ready, inventory.NotReady)}, {ARN: "arn:c", Name: "same", Regions: row(inventory.Ready, inventory.Conditional)}}},
		{ID: "2", ReadAt: takenAt.Add(-time.Hour), Error: &finding.Finding{Code: finding.AccountUnreadable},
			Roles: []inventory.Role{{ARN: "arn:d", Name: "same", Regions: row(inventory.Ready, inventory.Unknown)}}}}}
}

// spec 6.1, 6.2: a share with names; narrowing the rows narrows no share, and an
// old scan is shown and called old.
func TestReadiness(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tr, f, log := newTrust(0)
	tr.Federation.Policy.InventoryMaxAge = time.Hour
	standby := tr.Federation.Regions[1]
	for _, c := range []struct {
		why  string
		q    ReadinessQuery
		age  time.Duration
		rows []string
		old  bool
	}{
		{"everything", ReadinessQuery{}, time.Minute, []string{"arn:a", "arn:b", "arn:c", "arn:d"}, false},
		{"not ready", ReadinessQuery{Why: inventory.NotReady}, time.Minute, []string{"arn:b"}, false},
		{"unknown, from an account that cannot be read now", ReadinessQuery{Region: standby, Why: inventory.Unknown}, time.Minute, []string{"arn:d"}, false},
		{"nothing is not ready at home", ReadinessQuery{Region: tr.Federation.Regions[0], Why: inventory.NotReady}, time.Minute, nil, false},
		{"an old scan", ReadinessQuery{Why: inventory.Ready}, 2 * time.Hour, []string{"arn:a", "arn:b", "arn:c", "arn:d"}, true},
	} {
		tr.Keeper = scanned{lastScan(now.Add(-c.age))}
		r, err := tr.Readiness(c.q, now)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, role := range r.Roles {
			rows = append(rows, role.Role)
		}
		last := r.Shares[len(r.Shares)-1]
		if len(rows) != len(c.rows) || r.Stale != c.old || last.Total != 4 || c.q.Region == (signin.Region{}) && last.Ready != 1 {
			t.Errorf("%s: rows %v, want %v; old %t; share %+v", c.why, rows, c.rows, r.Stale, last)
		}
		for i := range rows {
			if rows[i] != c.rows[i] {
				t.Errorf("%s: rows %v, want %v", c.why, rows, c.rows)
			}
		}
	}
	if len(f.last) > 0 || len(*log) > 0 {
		t.Errorf("looking did something: %q", *log)
	}
	_, err := tr.Readiness(ReadinessQuery{Region: signin.MustRegion("sa-east-1")}, now)
	wantFailure(t, err, NotFound, "sa-east-1")
	tr.Keeper = roleKeeper{log: log, load: fs.ErrNotExist}
	_, err = tr.Readiness(ReadinessQuery{}, now)
	wantFailure(t, err, NotFound, "trust scan")
}

// us-east-1 takes IAM with it: a federation that is prepared nowhere else is told.
func TestOnlyUSEast1(t *testing.T) {
	t.Parallel()
	f := corp()
	f.Regions = []signin.Region{signin.MustRegion("us-east-1"), signin.MustRegion("us-west-2")}
	scan := func(home string, state inventory.Readiness) inventory.Snapshot {
		return inventory.Snapshot{Accounts: []inventory.AccountScan{{Roles: []inventory.Role{{Regions: []inventory.RegionReadiness{
			{Region: signin.MustRegion(home), State: inventory.Ready}, {Region: signin.MustRegion("us-west-2"), State: state}}}}}}}
	}
	if got := onlyUSEast1(f, scan("us-east-1", inventory.NotReady)); len(got) != 1 || got[0].Code != finding.OnlyUSEast1 {
		t.Errorf("%+v", got)
	}
	if got := onlyUSEast1(f, scan("us-east-1", inventory.Ready)); len(got) != 0 {
		t.Errorf("prepared: %+v", got)
	}
	if got := onlyUSEast1(f, inventory.Snapshot{}); len(got) != 0 {
		t.Errorf("without any role: %+v", got)
	}
	f.Regions[0] = signin.MustRegion("eu-west-1")
	if got := onlyUSEast1(f, scan("eu-west-1", inventory.NotReady)); len(got) != 0 {
		t.Errorf("at home elsewhere: %+v", got)
	}
}

func TestExplainFindsTheRole(t *testing.T) {
	t.Parallel()
	tr, _, _ := newTrust(0)
	tr.Keeper = scanned{lastScan(time.Now())}
	standby := tr.Federation.Regions[1]
	for _, name := range []string{"b", "arn:b"} {
		e, err := tr.Explain(t.Context(), name, standby)
		if err != nil || e.Role != "arn:b" || e.Readiness.State != inventory.NotReady || len(e.Logins) != 1 {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	_, err := tr.Explain(t.Context(), "same", standby)
	wantFailure(t, err, Invalid, "arn:c", "arn:d")
	_, err = tr.Explain(t.Context(), "nobody", standby)
	wantFailure(t, err, NotFound, "nobody")
}

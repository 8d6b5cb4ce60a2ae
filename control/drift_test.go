package control

import (
	"errors"
	"fmt"
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

func statement(audiences ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:saml-provider/Okta"},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":["` +
		strings.Join(audiences, `","`) + `"]}}}]}`
}

// A role that is not as we left it was changed by somebody else, unless our write
// may never have taken place.
// spec 14
func TestForeignChanges(t *testing.T) {
	t.Parallel()
	before, after, other := statement("a"), statement("a", "b"), statement("a", "b", "c")
	for _, c := range []struct {
		why   string
		now   string
		done  bool
		other bool // another role
		want  bool
	}{
		{"as we left it", after, true, false, false},
		{"the same, written otherwise", strings.ReplaceAll(statement("b", "a"), ",", ", "), true, false, false},
		{"somebody added an audience", other, true, false, true},
		{"somebody put it back", before, true, false, true},
		{"our write may never have taken place", before, false, false, false},
		{"whatever became of our write, this is not ours", other, false, false, true},
		{"it is no policy any more", "{", true, false, true},
		{"we never wrote it", other, true, true, false},
	} {
		w := LastWrite{Write: fleet.Write{Role: "arn", Before: before, After: after}, Run: "run-1", At: time.Unix(0, 0), Done: c.done}
		role := inventory.Role{ARN: "arn", Name: "r", Trust: c.now}
		if c.other {
			role.ARN = "another"
		}
		old := finding.Finding{Code: finding.TrustForeign, Subject: "of the scan before"}
		kept := finding.Finding{Code: finding.ProviderStale, Subject: "kept"}
		snap := inventory.Snapshot{Federation: "corp", Accounts: []inventory.AccountScan{{Roles: []inventory.Role{role}, Notes: []finding.Finding{old, kept}}}}
		noteForeign(&snap, func() (map[string]LastWrite, error) { return map[string]LastWrite{"arn": w}, nil })
		got := ForeignChanges(snap)
		if (len(got) == 1) != c.want || len(got) > 1 {
			t.Errorf("%s: %v", c.why, got)
		}
		if c.want && (got[0].Evidence["run"] != "run-1" || got[0].Subject != "arn") {
			t.Errorf("%s: %+v", c.why, got[0])
		}
		if !slices.ContainsFunc(snap.Accounts[0].Notes, func(f finding.Finding) bool { return f.Subject == "kept" }) {
			t.Errorf("%s: other notes are lost", c.why)
		}
	}
}

// What cannot be known is said, and hides nothing that is known.
func TestForeignChangesUnknown(t *testing.T) {
	t.Parallel()
	snap := inventory.Snapshot{Federation: "corp", Accounts: []inventory.AccountScan{{Roles: []inventory.Role{{ARN: "arn", Trust: "x"}}}}}
	noteForeign(&snap, func() (map[string]LastWrite, error) {
		return map[string]LastWrite{"arn": {Write: fleet.Write{After: "y"}}}, errors.New("run-2 is broken")
	})
	if got := ForeignChanges(snap); len(got) != 2 || !strings.Contains(got[1].Why, "run-2") {
		t.Errorf("%v", got)
	}
	noteForeign(&snap, nil)
	empty := inventory.Snapshot{}
	noteForeign(&empty, func() (map[string]LastWrite, error) { return nil, errors.New("x") })
}

// spec 6.2: what became worse is told with names; what was never ready, or
// became better, is not.
func TestDrift(t *testing.T) {
	t.Parallel()
	west, east := signin.MustRegion("us-west-2"), signin.MustRegion("us-east-1")
	scan := func(states ...inventory.Readiness) inventory.Snapshot {
		out := inventory.Snapshot{Federation: "corp", Accounts: make([]inventory.AccountScan, 1)}
		for i, s := range states {
			out.Accounts[0].Roles = append(out.Accounts[0].Roles, inventory.Role{ARN: fmt.Sprint("role-", i),
				Regions: []inventory.RegionReadiness{{Region: east, State: inventory.Ready}, {Region: west, State: s}}})
		}
		return out
	}
	r, n, u := inventory.Ready, inventory.NotReady, inventory.Unknown
	for _, c := range []struct {
		why           string
		before, after inventory.Snapshot
		roles         string
	}{
		{"nothing changed", scan(r, n), scan(r, n), ""},
		{"one lost the standby", scan(r, r, n), scan(r, n, n), "role-1"},
		{"one became ready", scan(n), scan(r), ""},
		{"one that was not known is not ready", scan(u), scan(n), ""},
		{"one cannot be judged any more", scan(r), scan(u), ""},
		{"there was no scan before", inventory.Snapshot{}, scan(n), ""},
		{"a new role", scan(r), scan(r, n), ""},
	} {
		got := Drift(c.before, c.after)
		if (c.roles == "") != (len(got) == 0) || c.roles != "" && (got[0].Evidence["roles"] != c.roles || got[0].Evidence["region"] != "us-west-2") {
			t.Errorf("%s: %v", c.why, got)
		}
	}
	many := make([]inventory.Readiness, 50)
	for i := range many {
		many[i] = r
	}
	before := scan(many...)
	for i := range many {
		many[i] = n
	}
	if got := Drift(before, scan(many...)); len(got) != 1 || !strings.HasSuffix(got[0].Evidence["roles"], "role-19 and 30 more") || !strings.Contains(got[0].What, "50 roles") {
		t.Errorf("%v", got)
	}
}

// A round of report writes nothing; one of enforce writes the additions, each
// recorded first; a freeze holds it and the round says so.
// spec 5.1, 5.4, 5.8
func TestWatch(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		why    string
		mode   WatchMode
		frozen bool
		writes int
		held   bool
	}{
		{"report only looks", WatchReport, false, 0, false},
		{"enforce adds", WatchEnforce, false, 2, false},
		{"a freeze holds", WatchEnforce, true, 0, true},
	} {
		tr, f, log := newTrust(100)
		f.plan = twoEdits()
		f.plan.Denies = []fleet.RoleEdit{{Role: "guarded"}}
		f.plan.Totals.Roles = 9
		if c.frozen {
			tr.Freezes = []federation.Freeze{{From: now.Add(-time.Hour), Until: now.Add(time.Hour), Why: "peak sales"}}
		}
		round, err := tr.Watch(t.Context(), c.mode, TrustOrder{})
		if err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		writes := 0
		for _, l := range *log {
			if strings.HasPrefix(l, "write ") {
				writes++
			}
			if strings.Contains(l, "guarded") {
				t.Errorf("%s: the Deny was touched: %s", c.why, l)
			}
		}
		if writes != c.writes || (round.Held != "") != c.held || (round.Report != nil) != (c.writes > 0) {
			t.Errorf("%s: %d writes, held %q, %+v", c.why, writes, round.Held, round.Report)
		}
		if round.Lacking != 3 || round.Roles != 9 || len(round.Findings) != 1 || round.Findings[0].Code != finding.TrustDrift || !strings.Contains(round.Findings[0].Evidence["roles"], "guarded") {
			t.Errorf("%s: %+v", c.why, round)
		}
	}
}

package inventory

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

var west = signin.MustRegion("us-west-2")

// scanOf is a scan of accounts with roles of these states for west: r ready, n
// not ready, u unknown.
func scanOf(accounts map[string]string) Snapshot {
	s := Snapshot{Federation: "corp", TakenAt: at}
	for _, id := range []string{"111111111111", "222222222222", "333333333333"} {
		states, ok := accounts[id]
		if !ok {
			continue
		}
		a := AccountScan{ID: id, ReadAt: at}
		for i, c := range states {
			role := Role{Account: id, ARN: "arn:aws:iam::" + id + ":role/" + string(rune('a'+i))}
			rr := RegionReadiness{Region: west, State: map[rune]Readiness{'r': Ready, 'n': NotReady, 'u': Unknown}[c]}
			if c != 'r' {
				rr.Finding = &finding.Finding{Code: finding.RoleNotReady, Subject: role.ARN, What: "no"}
			}
			role.Regions = []RegionReadiness{rr}
			a.Roles = append(a.Roles, role)
		}
		s.Accounts = append(s.Accounts, a)
	}
	return s
}

func fed(p federation.Policy) federation.Federation {
	return federation.Federation{Name: "corp", Regions: []signin.Region{west}, Policy: p}
}

// spec 6.1: the account with the lowest share counts, however many new roles
// another one gets; or the roles of the operator's list, of which a missing one
// is not ready.
func TestShares(t *testing.T) {
	t.Parallel()
	snap := scanOf(map[string]string{"111111111111": strings.Repeat("r", 20), "222222222222": "rn"})
	sh := Shares(snap, fed(federation.Policy{}), at)[0]
	if sh.Total != 22 || sh.Ready != 21 || sh.Lowest != (Tally{Account: "222222222222", Total: 2, Ready: 1}) || sh.Over != nil || len(sh.NotReady) != 1 {
		t.Errorf("%+v", sh)
	}
	listed := []string{"arn:aws:iam::222222222222:role/b", "arn:aws:iam::222222222222:role/a", "arn:aws:iam::222222222222:role/gone"}
	sh = Shares(snap, fed(federation.Policy{ShareOver: listed, MustBeReady: []string{"arn:aws:iam::111111111111:role/never"}}), at)[0]
	if *sh.Over != (Tally{Total: 3, Ready: 1}) || !slices.Equal(sh.Missing, []string{listed[2], "arn:aws:iam::111111111111:role/never"}) {
		t.Errorf("%+v", sh)
	}
}

// spec 6.2: an account that could not be read for long is named, whatever it said.
func TestSharesOfOldAccounts(t *testing.T) {
	t.Parallel()
	snap := scanOf(map[string]string{"111111111111": "rr", "222222222222": "rr", "333333333333": ""})
	snap.Accounts[1].ReadAt, snap.Accounts[2].ReadAt = at.Add(-25*time.Hour), time.Time{}
	p := federation.Policy{InventoryMaxAge: 24 * time.Hour, ShareOver: []string{"arn:aws:iam::111111111111:role/a", "arn:aws:iam::222222222222:role/a"}}
	sh := Shares(snap, fed(p), at)[0]
	if !slices.Equal(sh.Stale, []string{"222222222222"}) || *sh.Over != (Tally{Total: 2, Ready: 2, Stale: 1}) || sh.Ready != 4 {
		t.Errorf("%+v", sh)
	}
}

// spec 5.6: an exception is in neither number; one that is about a role comes
// before its account's; the scan itself is not touched; the last day counts.
func TestExceptions(t *testing.T) {
	t.Parallel()
	snap := scanOf(map[string]string{"111111111111": "rn", "222222222222": "nn"})
	end := at.Add(time.Hour)
	p := federation.Policy{Exceptions: []federation.Exception{
		{Account: "222222222222", Regions: []signin.Region{west}, Owner: "legal", Reason: "residency", Expires: end},
		{Role: "arn:aws:iam::222222222222:role/a", Account: "222222222222", Regions: []signin.Region{west}, Owner: "payroll", Reason: "contract", Expires: end},
		{Account: "111111111111", Regions: []signin.Region{signin.MustRegion("us-east-2")}, Expires: end},
	}}
	sh := Shares(snap, fed(p), at)[0]
	if sh.Total != 2 || sh.Ready != 1 || sh.Excepted != 2 || sh.Lowest.Account != "111111111111" || len(sh.NotReady) != 1 {
		t.Errorf("%+v", sh)
	}
	got := snap.Excepting(p, at).Accounts[1].Roles
	if a, b := got[0].In(west), got[1].In(west); a.State != Excepted || !strings.Contains(a.Finding.Why, "payroll") || !strings.Contains(b.Finding.Why, "legal") || a.Finding.Code != finding.RoleExcepted {
		t.Errorf("%+v %+v", a, b)
	}
	if snap.Accounts[1].Roles[0].In(west).State != NotReady {
		t.Error("the scan was changed")
	}
	if sh := Shares(snap, fed(p), end)[0]; sh.Total != 4 || sh.Excepted != 0 || len(sh.NotReady) != 3 {
		t.Errorf("after the end: %+v", sh)
	}
	if p.NextExpiry(at) != end || !p.NextExpiry(end).IsZero() {
		t.Error("the next end is wrong")
	}
	for when, want := range map[time.Time]finding.Code{at: finding.ExceptionEnding, end: finding.ExceptionExpired} {
		for _, f := range EndingExceptions(fed(p), when) {
			if f.Code != want || f.Remedy == "" {
				t.Errorf("%s: %+v", when, f)
			}
		}
	}
	if n := len(EndingExceptions(fed(p), at.Add(-31*24*time.Hour))); n != 0 {
		t.Errorf("%d end soon a month before", n)
	}
}

// spec 6.2: a sudden drop pages; the best share of the last day is what counts,
// so that two halves of a drop, or a scan in between, hide nothing. Slow change
// and a drop of long ago do not.
func TestSuddenDropPages(t *testing.T) {
	t.Parallel()
	f := fed(federation.Policy{})
	var last Snapshot
	for i, c := range []struct {
		why    string
		states string
		after  time.Duration
		drop   bool
	}{
		{"the first scan", strings.Repeat("r", 40), 0, false},
		{"one of forty", strings.Repeat("r", 39) + "n", time.Hour, false},
		{"and another: five in a hundred within a day", strings.Repeat("r", 38) + "nn", 2 * time.Hour, true},
		{"still so", strings.Repeat("r", 38) + "nn", 3 * time.Hour, true},
		{"mended", strings.Repeat("r", 40), 4 * time.Hour, false},
		{"unready roles came", strings.Repeat("r", 40) + "nnn", 5 * time.Hour, true},
		{"a day later that is how it is", strings.Repeat("r", 40) + "nnn", 29 * time.Hour, false},
	} {
		s := scanOf(map[string]string{"111111111111": c.states})
		s.TakenAt = at.Add(c.after)
		s.Was = Best(last, f, s.TakenAt)
		sh := Shares(s, f, s.TakenAt)[0]
		if (sh.Dropped != nil) != c.drop {
			t.Errorf("%d, %s: %+v, was %+v", i, c.why, sh.Dropped, s.Was)
		}
		if sh.Dropped != nil && (sh.Dropped.Severity() != finding.Page || sh.Dropped.Remedy == "") {
			t.Errorf("%s: %+v", c.why, sh.Dropped)
		}
		last = s
	}
}

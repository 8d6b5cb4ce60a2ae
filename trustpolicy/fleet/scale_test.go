package fleet_test

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// What the large world is like.
const (
	latency   = 20 * time.Millisecond
	allowed   = 10.0 // needed a second that IAM takes in one account
	ourPace   = 8.0  // needed a second that we make
	atOnce    = 8    // accounts
	callsRead = 3    // a scan's calls of an account besides ListRoles: the summary, the providers and one of them
)

// sizes are the accounts' roles: 19,984 in 100 accounts, or a tenth of it where
// the race detector slows everything down.
func sizes() []int {
	out := []int{5000, 2001, 2001, 2001, 2001, 1000, 1000, 1000, 1000, 1000}
	small := 90
	if slowed {
		out, small = []int{2001, 1000}, 10
	}
	for range small {
		out = append(out, 22)
	}
	return out
}

// large is the large world and the product's own way into it.
type large struct {
	*sandbox.World
	seed.Fleet
	fed  federation.Federation
	open fleet.Opener
}

func newLarge(t *testing.T) *large {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	demo := w.Demo()
	metadata, err := w.Metadata(demo.Apps[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	planted, err := demo.PlantFleet(w.Cloud(), metadata, sizes())
	if err != nil {
		t.Fatal(err)
	}
	l := &large{World: w, Fleet: planted, fed: federation.Federation{Name: "large", Partition: signin.AWS, Regions: demo.Regions}}
	for _, a := range planted.Accounts {
		l.fed.Accounts = append(l.fed.Accounts, federation.Account{ID: a.ID, Name: a.Name, Providers: []string{a.Provider}, ScanRole: a.ScanRole, EnforceRole: a.EnforceRole})
		account, _ := w.Cloud().Account(signin.AWS, a.ID)
		account.SetThrottle(allowed, int(allowed))
	}
	if _, err := w.Fault(fault.Fault{Target: "iam", Effect: fault.Effect{Kind: fault.Latency, Duration: latency}}); err != nil {
		t.Fatal(err)
	}
	network, err := outbound.New(outbound.Settings{RoundTripper: w.RoundTripper()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	access, err := awsaccess.New(awsaccess.Settings{Region: "us-west-2", AccessKeyID: demo.Controller.AccessKeyID,
		SecretAccessKey: secret.New(demo.Controller.SecretKey), Network: network})
	if err != nil {
		t.Fatal(err)
	}
	l.open = func(ctx context.Context, a federation.Account, purpose fleet.Purpose) (fleet.IAM, error) {
		role := awsaccess.RoleToAssume{RoleARN: a.ScanRole}
		if purpose == fleet.ToWrite {
			role.RoleARN = a.EnforceRole
		}
		return access.IAM(ctx, role)
	}
	return l
}

func (l *large) fleet(t *testing.T, pace float64) *fleet.Fleet {
	t.Helper()
	f, err := fleet.New(fleet.Options{Federation: l.fed, Open: l.open, Pace: pace, Parallel: atOnce})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// tallies are what IAM was asked for since the world was made, by account.
func (l *large) tallies() map[string]tally {
	out := map[string]tally{}
	for _, a := range l.Cloud().Accounts() {
		n := a.Tally()
		out[a.ID()] = tally{lists: n.Calls["ListRoles"], throttled: n.Throttled, writes: n.Writes}
	}
	return out
}

type tally struct {
	lists, throttled int
	writes           map[string]int
}

// wants fails unless every account was listed in as few calls as can be, times
// times, no call was throttled, and each of the roles was written exactly once.
func (l *large) wants(t *testing.T, times int, drifted []string) {
	t.Helper()
	counted := l.tallies()
	written := map[string]bool{}
	for i, size := range sizes() {
		a := l.Accounts[i]
		n := counted[a.ID]
		if want := times * int(math.Ceil(float64(size)/1000)); n.lists != want || n.throttled != 0 {
			t.Errorf("account %s of %d roles: %d ListRoles, want %d; %d calls throttled", a.ID, size, n.lists, want, n.throttled)
		}
		for role, writes := range n.writes {
			written["arn:aws:iam::"+a.ID+":role/teams/"+role] = true
			if writes != 1 {
				t.Errorf("role %s of %s was written %d times", role, a.ID, writes)
			}
		}
	}
	if got := slices.Sorted(maps.Keys(written)); !slices.Equal(got, sorted(slices.Clone(drifted))) {
		t.Errorf("%d roles were written, want %d", len(got), len(drifted))
	}
}

// during runs something and fails if it took longer, in virtual time, than it may.
func during(t *testing.T, what string, limit time.Duration, run func()) {
	t.Helper()
	began := time.Now()
	run()
	took := time.Since(began)
	limit += limit / 10
	t.Logf("%s: %.1f s of at most %.1f s", what, took.Seconds(), limit.Seconds())
	if took > limit {
		t.Errorf("%s took %s, want at most %s", what, took, limit)
	}
}

// needed is how long so many calls in a row take in one account: as many as a
// second allows may come as fast as they are answered, then the pace counts.
func needed(n int) time.Duration {
	return max(time.Duration(n)*latency, time.Duration(float64(n-int(ourPace))/ourPace*float64(time.Second)))
}

// A fleet of 20,000 roles in 100 accounts: as few reads as can be, never faster
// than IAM allows, every drifted role written once, in a time that the pace
// decides.
// spec 5.4, 6.1
func TestScale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLarge(t)
		f := l.fleet(t, ourPace)
		per := map[string]int{} // drifted roles by account
		for _, arn := range l.Drifted {
			per[strings.Split(arn, ":")[4]]++
		}
		first, second := per[l.Accounts[0].ID], per[l.Accounts[1].ID] // the largest ones
		t.Logf("%d federated roles in %d accounts, %d drifted, up to %d in one account", l.Roles, len(l.Accounts), len(l.Drifted), first)
		// The accounts come in rounds, several at once; most are small. A tenth of
		// the time is for what the arithmetic leaves out, such as assuming a role.
		rounds := time.Duration(len(l.Accounts)/atOnce + 1)
		pages := sizes()[0]/1000 + 1
		var snap inventory.Snapshot
		during(t, "scan", needed(callsRead+pages)+rounds*needed(callsRead+1), func() { snap = f.Scan(t.Context(), inventory.Snapshot{}) })
		l.wants(t, 1, nil)
		if got := named(snap, l.fed.Regions[1]); !slices.Equal(got, sorted(slices.Clone(l.Drifted))) {
			t.Fatalf("%d roles are not ready, want %d", len(got), len(l.Drifted))
		}
		var plan fleet.TrustPlan
		var err error
		during(t, "plan", needed(first)+rounds*needed(1), func() { plan, err = f.Plan(t.Context(), snap) })
		if err != nil || len(plan.Edits) != len(l.Drifted) {
			t.Fatalf("%d edits: %v", len(plan.Edits), err)
		}
		var report fleet.Report
		// Three calls a role, one role of an account after the other: all of the
		// first account, then a tenth of all roles, then the rest.
		during(t, "apply", needed(3*first)+2*needed(3*second)+2*rounds*needed(4), func() {
			report, err = f.Apply(t.Context(), plan, fleet.ApplyOptions{})
		})
		if err != nil || report.Counts[fleet.Written] != len(l.Drifted) {
			t.Fatalf("%v: %v", err, report.Counts)
		}
		l.wants(t, 1, l.Drifted)
		if got := named(f.Scan(t.Context(), snap), l.fed.Regions[1]); len(got) > 0 {
			t.Errorf("%d roles are still not ready", len(got))
		}
		l.wants(t, 2, l.Drifted)
	})
}

// One account that fails entirely hides no other one. Saboteur: without a pace
// of our own IAM has to slow us down, which the count of throttled calls shows.
func TestScaleWithAFailingAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLarge(t)
		broken := l.fed.Accounts[1]
		l.fed.Accounts[1].ScanRole, l.fed.Accounts[1].EnforceRole = broken.ScanRole+"-gone", broken.EnforceRole+"-gone"
		f := l.fleet(t, 0)
		snap := f.Scan(t.Context(), inventory.Snapshot{})
		var rest []string
		for _, arn := range l.Drifted {
			if !strings.Contains(arn, broken.ID) {
				rest = append(rest, arn)
			}
		}
		if got := named(snap, l.fed.Regions[1]); !slices.Equal(got, sorted(slices.Clone(rest))) {
			t.Fatalf("%d roles are not ready, want %d", len(got), len(rest))
		}
		if snap.Accounts[1].Error == nil || snap.Accounts[1].Calls != 0 {
			t.Errorf("the broken account: %+v", snap.Accounts[1].Error)
		}
		plan, err := f.Plan(t.Context(), snap)
		if err != nil || len(plan.Edits) != len(rest) || len(plan.Refused) != 1 {
			t.Fatalf("%d edits, %d refused: %v", len(plan.Edits), len(plan.Refused), err)
		}
		throttled := 0
		for _, n := range l.tallies() {
			throttled += n.throttled
		}
		if throttled == 0 {
			t.Error("no call was throttled: the other test shows nothing about the pace")
		}
	})
}

package control

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// past plays the audit chains of earlier runs.
type past struct {
	writes []fleet.Write
	err    error
}

func (p past) OfRun(string) ([]fleet.Write, error) { return p.writes, p.err }

func (p past) OfRole(string) (fleet.Write, bool, error) {
	if len(p.writes) == 0 {
		return fleet.Write{}, false, p.err
	}
	return p.writes[0], true, p.err
}

// spec 4.3, 14: what is taken back comes from the audit chain, is recorded first
// under a name of its own, and a freeze does not keep a mistake in place.
func TestTrustRestore(t *testing.T) {
	t.Parallel()
	tr, _, log := newTrust(100)
	tr.Freezes = []federation.Freeze{{Until: time.Now().Add(time.Hour), Why: "peak sales"}}
	tr.AppsNow = func(context.Context) []inventory.AppRead { return make([]inventory.AppRead, 2) }
	tr.Past = past{writes: []fleet.Write{{Role: "one"}}}
	writes, err := tr.ToRestore("run", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tr.Restore(t.Context(), writes, TrustOrder{}); err != nil {
		t.Fatal(err)
	}
	want := []string{"trust-restore corp", "restore with 2 apps", "trust-restore-write one", "write one", "trust-restored corp", "scan", "save"}
	if got := actions(*log); !slices.Equal(got, want) {
		t.Errorf("it went %q, want %q", got, want)
	}
	for n, wantWrites := range []int{0, 0, 1} { // the recorder fails at its nth call
		tr, _, log := newTrust(n)
		tr.AppsNow = func(context.Context) []inventory.AppRead { return nil }
		report, _, err := tr.Restore(t.Context(), writes, TrustOrder{})
		if err == nil && !TrustFailed(report) || wantWrites != len(*log)-len(slices.DeleteFunc(slices.Clone(*log), func(l string) bool { return l == "write one" })) {
			t.Errorf("%d records: %v, %q", n, err, *log)
		}
	}
}

func TestToRestore(t *testing.T) {
	t.Parallel()
	arn := "arn:aws:iam::111122223333:role/a"
	broken := errors.New("the audit chain is broken")
	for _, c := range []struct {
		why, run, role string
		past           past
		kind           Kind
	}{
		{"a run that wrote nothing", "r", "", past{}, NotFound},
		{"a role that was never written", "", arn, past{}, NotFound},
		{"not a role", "", "admin", past{}, Invalid},
	} {
		tr, _, _ := newTrust(0)
		tr.Past = c.past
		_, err := tr.ToRestore(c.run, c.role)
		wantFailure(t, err, c.kind)
	}
	for _, c := range [][2]string{{"r", ""}, {"", arn}} {
		tr, _, _ := newTrust(0)
		tr.Past = past{writes: []fleet.Write{{Role: arn}}, err: broken}
		if _, err := tr.ToRestore(c[0], c[1]); !errors.Is(err, broken) {
			t.Errorf("a broken chain: %v", err)
		}
	}
}

package fleet_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// rough runs a test over a world that is less kind than the demo's, in virtual
// time.
func rough(t *testing.T, o sandbox.Options, test func(t *testing.T, w *sandbox.World, f *fleet.Fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := sandbox.New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		f, err := fleet.New(fleet.Options{Federation: demoFederation(w), Open: opener(w), Pace: 8})
		if err != nil {
			t.Fatal(err)
		}
		test(t, w, f)
	})
}

func planned(t *testing.T, f *fleet.Fleet) (inventory.Snapshot, fleet.TrustPlan) {
	t.Helper()
	snap := f.Scan(t.Context(), inventory.Snapshot{})
	plan, err := f.Plan(t.Context(), snap)
	if err != nil {
		t.Fatal(err)
	}
	return snap, plan
}

// calls counts an action of IAM.
func calls(w *sandbox.World, action string) int {
	return w.Requests().Count(0, func(e reqlog.Entry) bool { return e.Service == "iam" && e.Note == action })
}

// Writes that take 20 s to show are waited for and not made again, and what the
// run leaves behind is ready. Where they take longer than that is waited for, the
// run stops at the first one, with nothing but that written.
// spec 5.4
func TestSlowIAM(t *testing.T) {
	t.Parallel()
	rough(t, sandbox.Options{WriteDelay: 20 * time.Second}, func(t *testing.T, w *sandbox.World, f *fleet.Fleet) {
		snap, plan := planned(t, f)
		report, err := f.Apply(t.Context(), plan, fleet.ApplyOptions{})
		if err != nil || report.Stopped != nil || report.Counts[fleet.Written] != len(plan.Edits) || len(plan.Edits) != 4 {
			t.Fatalf("%+v %v", report, err)
		}
		if n := calls(w, "UpdateAssumeRolePolicy"); n != len(plan.Edits) {
			t.Errorf("%d writes of %d roles", n, len(plan.Edits))
		}
		if left := named(f.Scan(t.Context(), snap), signin.MustRegion("us-west-2")); len(left) != 3 {
			t.Errorf("not ready: %v", left)
		}
	})
	rough(t, sandbox.Options{WriteDelay: 2 * time.Minute}, func(t *testing.T, w *sandbox.World, f *fleet.Fleet) {
		_, plan := planned(t, f)
		report, err := f.Apply(t.Context(), plan, fleet.ApplyOptions{})
		if err != nil || report.Stopped == nil || report.Counts[fleet.Mismatch] != 1 || report.Counts[fleet.NotStarted] != len(plan.Edits)-1 {
			t.Fatalf("%+v %v", report, err)
		}
		if n := calls(w, "UpdateAssumeRolePolicy"); n != 1 {
			t.Errorf("%d writes", n)
		}
		<-time.After(2 * time.Minute) // virtual: rough is a bubble
		if again, err := f.Apply(t.Context(), plan, fleet.ApplyOptions{}); err != nil || again.Counts[fleet.Already] != 1 {
			t.Errorf("once it shows: %+v %v", again.Counts, err)
		}
	})
}

// While IAM shows nobody a role's tags, nobody knows who owns it, so nothing is
// planned and nothing written, also not by a plan from before.
// spec 5.5
func TestTagsDenied(t *testing.T) {
	t.Parallel()
	rough(t, sandbox.Options{}, func(t *testing.T, w *sandbox.World, f *fleet.Fleet) {
		_, before := planned(t, f)
		for _, a := range w.Cloud().Accounts() {
			a.SetTagsDenied(true)
		}
		snap, plan := planned(t, f)
		if len(before.Edits) != 4 || len(plan.Edits) != 0 || snap.Share(signin.MustRegion("us-west-2")).Ready != 71 {
			t.Fatalf("%d edits, then %d", len(before.Edits), len(plan.Edits))
		}
		for _, e := range before.Edits {
			i := slices.IndexFunc(plan.Refused, func(r finding.Finding) bool { return r.Subject == e.Role })
			if i < 0 || plan.Refused[i].Code != finding.TrustOwned || !strings.Contains(plan.Refused[i].Why, "AccessDenied") {
				t.Errorf("%s is not refused for its tags: %+v", e.Role, plan.Refused)
			}
		}
		report, err := f.Apply(t.Context(), before, fleet.ApplyOptions{})
		if err != nil || report.Counts[fleet.Refused] != len(before.Edits) || calls(w, "UpdateAssumeRolePolicy") != 0 {
			t.Errorf("%+v %v", report, err)
		}
	})
}

// A role whose policy names a role that is deleted later is refused when it is
// planned, and by a plan from before: IAM would take no rewrite of it.
// spec 5.5
func TestOrphanedPrincipal(t *testing.T) {
	t.Parallel()
	rough(t, sandbox.Options{}, func(t *testing.T, w *sandbox.World, f *fleet.Fleet) {
		victim := w.Demo().NotReady()[0].ARN
		account, role, _ := w.Cloud().RoleByARN(victim)
		if err := account.PutRole(aws.Role{Name: "pipeline", Trust: strings.ReplaceAll(role.Trust, ":saml-provider/", ":oidc-provider/")}); err != nil {
			t.Fatal(err)
		}
		pipeline, _ := account.Role("pipeline")
		account.ChangeRole(role.Name, func(r *aws.Role) {
			r.Trust = strings.Replace(r.Trust, `"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"AWS":"`+pipeline.ARN()+`"},"Action":"sts:AssumeRole"},`, 1)
		})
		_, before := planned(t, f)
		account.DeleteRole("pipeline")
		_, after := planned(t, f)
		of := func(p fleet.TrustPlan) bool {
			return slices.ContainsFunc(p.Edits, func(e fleet.RoleEdit) bool { return e.Role == victim })
		}
		why := slices.IndexFunc(after.Refused, func(r finding.Finding) bool { return r.Subject == victim })
		if !of(before) || of(after) || why < 0 || after.Refused[why].Code != finding.TrustDeletedRef || !strings.Contains(after.Refused[why].Why, pipeline.ID) {
			t.Fatalf("planned before %t, after %t; %+v", of(before), of(after), after.Refused)
		}
		report, err := f.Apply(t.Context(), before, fleet.ApplyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range report.Outcomes {
			if got := o.Role == victim; got != (o.State == fleet.Refused) || got && o.Finding.Code != finding.TrustDeletedRef {
				t.Errorf("%+v", o)
			}
		}
		if n := calls(w, "UpdateAssumeRolePolicy"); n != len(before.Edits)-1 {
			t.Errorf("%d writes", n)
		}
	})
}

// crowd adds roles that lack the standby Region to an account of the demo.
func crowd(t *testing.T, w *sandbox.World, n int) {
	t.Helper()
	account, role, _ := w.Cloud().RoleByARN(w.Demo().NotReady()[0].ARN)
	for i := range n {
		if err := account.PutRole(aws.Role{Name: "crowd-" + string(rune('a'+i/26)) + string(rune('a'+i%26)), Trust: role.Trust}); err != nil {
			t.Fatal(err)
		}
	}
}

// Another administrator edits roles at random while a plan is made and carried
// out. No edit of hers is ever lost, whatever the run says of it; where hers came
// between our reading and our write the role is left alone and named, or computed
// anew. Several rates and seeds.
// spec 5.3, 5.4
func TestAnotherAdministrator(t *testing.T) {
	t.Parallel()
	met := map[string]int{}
	for seed := range uint64(3) {
		rough(t, sandbox.Options{Meddling: []time.Duration{150 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second}[seed], Draws: seed}, func(t *testing.T, w *sandbox.World, f *fleet.Fleet) {
			crowd(t, w, 100)
			_, plan := planned(t, f)
			for _, a := range w.Cloud().Accounts() {
				a.SetThrottle(6, 6) // below our pace: writes are put off
			}
			ctx, stop := context.WithCancel(t.Context())
			var her sync.WaitGroup
			her.Go(func() { w.Meddle(ctx) })
			for range 20 { // a mismatch stops a run; the next one goes on
				report, err := f.Apply(t.Context(), plan, fleet.ApplyOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range report.Outcomes {
					if o.Moved && o.State == fleet.Written {
						met["computed anew"]++
					}
					if o.Finding != nil {
						met[string(o.Finding.Code)]++
					}
				}
				if report.Stopped == nil {
					break
				}
			}
			stop()
			her.Wait()
			last := map[string]string{} // her last mark by role
			for _, e := range w.Meddled() {
				last[e.ARN] = e.Mark
			}
			for arn, mark := range last {
				if _, r, _ := w.Cloud().RoleByARN(arn); !strings.Contains(r.Trust, mark) {
					t.Errorf("seed %d: her edit %s of %s is lost: %s", seed, mark, arn, r.Trust)
				}
			}
			if len(last) < 5 {
				t.Errorf("seed %d: only %d roles were edited", seed, len(last))
			}
		})
	}
	if met["computed anew"] == 0 {
		t.Errorf("nothing of interest happened: %v", met)
	}
	t.Logf("met: %v", met)
}

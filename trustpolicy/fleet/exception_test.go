package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// spec 5.6: what is excepted is neither planned nor written, by whatever plan, and
// counted apart; when the exception has ended it is, and that is said. A saboteur
// plan that names the role all the same writes nothing.
func TestExceptionsAreNeverWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		west := signin.MustRegion("us-west-2")
		fx := setUp(t, nil)
		for _, name := range []string{"a", "b"} {
			fx.prod.add("/", name, trust(prod, home))
		}
		fx.shared.add("/", "s", trust(shared, home))
		unbound := fx.plan(t) // made before the exceptions came
		end := time.Now().Add(48 * time.Hour)
		fx.Federation.Policy.Exceptions = []federation.Exception{
			{Role: fx.prod.arn("a"), Account: prod, Regions: []signin.Region{west}, Owner: "payroll", Reason: "data residency", Expires: end},
			{Account: shared, Regions: []signin.Region{west}, Owner: "legal", Reason: "data residency", Expires: end},
		}
		p := fx.plan(t)
		if len(p.Edits) != 1 || p.Edits[0].Role != fx.prod.arn("b") || p.Totals.Excepted != 2 || p.Totals.Refused != 0 || len(p.Notes) != 2 || p.Notes[0].Code != finding.ExceptionEnding {
			t.Errorf("planned: %+v", p)
		}
		if r := fx.apply(t, unbound, ApplyOptions{}); r.Counts[Written] != 1 || r.Counts[Already] != 2 || fx.prod.admits(t, "a", standby) || fx.shared.admits(t, "s", standby) {
			t.Errorf("an older plan: %+v", r)
		}
		sh := inventory.Shares(fx.Scan(t.Context(), inventory.Snapshot{}), fx.Federation, time.Now())[1]
		if sh.Total != 1 || sh.Ready != 1 || sh.Excepted != 2 || len(sh.NotReady) != 0 {
			t.Errorf("counted %+v", sh)
		}
		time.Sleep(48 * time.Hour)
		p = fx.plan(t)
		if len(p.Edits) != 2 || p.Totals.Excepted != 0 || p.Notes[0].Code != finding.ExceptionExpired {
			t.Errorf("after the end: %+v", p)
		}
	})
}

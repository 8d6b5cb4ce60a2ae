package failover

import (
	"fmt"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
)

// BenchmarkDecide is one decision for each of 100 federations of 20 apps, each
// with 50 past moves, in an outage: all rules, and the plan.
func BenchmarkDecide(b *testing.B) {
	var all []Situation
	for i := range 100 {
		s := outage()
		s.Federation.Name = fmt.Sprintf("f%d", i)
		s.Federation.Apps, s.Apps, s.Federation.Lead = nil, nil, "a0"
		for j := range 20 {
			name := fmt.Sprintf("a%d", j)
			s.Federation.Apps = append(s.Federation.Apps, federation.AppRef{Name: name, Tenant: "okta", ID: "0oa" + name})
			s.Apps = append(s.Apps, appIn(name, east))
		}
		s.Shares = []inventory.Share{share(east, 200, 200), share(west, 195, 200), share(ohio, 200, 200)}
		for m := range 50 {
			ended := now.Add(-time.Duration(m+48) * time.Hour)
			s.History = append(s.History, PastMove{ID: MoveID(fmt.Sprint(m)), Cause: Switchover, By: "ann", To: west, Started: ended.Add(-time.Second), Finished: ended, Status: Verified})
		}
		all = append(all, s)
	}
	rules := Standard()
	for b.Loop() {
		for _, s := range all {
			if d := rules.Decide(s); d.Outcome != Move {
				b.Fatalf("%s by rule %s: %s", d.Outcome, d.Rule, d.Why)
			}
		}
	}
}

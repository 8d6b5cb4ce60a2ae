package failover

import (
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

var (
	now   = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	east  = signin.MustRegion("us-east-1")
	west  = signin.MustRegion("us-west-2")
	ohio  = signin.MustRegion("us-east-2")
	ca    = signin.MustRegion("ca-central-1")
	three = []Vantage{{"a", "net-1"}, {"b", "net-1"}, {"c", "net-2"}}
)

// ref names the test app n.
func ref(n string) federation.AppRef {
	return federation.AppRef{Name: n, Tenant: "okta", ID: "0oa" + n}
}

// appIn is an app that was just read in r.
func appIn(n string, r signin.Region) AppState {
	acs, err := r.ACS("")
	if err != nil {
		panic(err)
	}
	return AppState{Ref: ref(n), ReadAt: now.Add(-time.Minute), App: idp.App{ID: idp.AppID("0oa" + n), Label: n, Kind: "okta:custom-saml", Status: "ACTIVE",
		ACS: acs, ACSText: acs.String(), RelayState: "https://" + r.String() + ".console.aws.amazon.com/ec2?region=" + r.String(), Movable: true}}
}

// verdict is what three vantages say of r; since is minutes ago.
func verdict(r signin.Region, st health.State, since int) health.Verdict {
	v := health.Verdict{Region: r, State: st, Since: now.Add(-time.Duration(since) * time.Minute), Configured: 3, Reason: string(st) + " in the test"}
	switch st {
	case health.Healthy:
		v.For = 3
	case health.Unhealthy:
		v.Against = 3
	}
	return v
}

func share(r signin.Region, ready, total int) inventory.Share {
	s := inventory.Share{Region: r, Ready: ready, Total: total, TakenAt: now.Add(-time.Hour)}
	for range total - ready {
		s.NotReady = append(s.NotReady, finding.Finding{Code: finding.RoleNotReady, Subject: "arn:aws:iam::111111111111:role/admin", What: "SAML:aud lacks " + r.String()})
	}
	return s
}

// calm is a federation at home in us-east-1 with everything in order, in mode
// auto.
func calm() Situation {
	return Situation{
		Now: now,
		Federation: federation.Federation{Name: "corp", Partition: signin.AWS, Regions: []signin.Region{east, west, ohio},
			Apps: []federation.AppRef{ref("a"), ref("b")}, Lead: "b",
			Policy: federation.Policy{Mode: federation.Auto, MinReadyShare: 0.95, InventoryMaxAge: 24 * time.Hour, Cooldown: 30 * time.Minute, Budget: 2, Prefer: federation.PreferOrder}},
		ConfigDigest: "c0ffee",
		Apps:         []AppState{appIn("a", east), appIn("b", east)},
		Verdicts:     []health.Verdict{verdict(east, health.Healthy, 600), verdict(west, health.Healthy, 600), verdict(ohio, health.Healthy, 600)},
		Shares:       []inventory.Share{share(east, 60, 60), share(west, 58, 60), share(ohio, 60, 60)},
		Vantages:     three,
	}
}

// outage is calm with us-east-1 unhealthy for two minutes: everything says move.
func outage() Situation {
	s := calm()
	s.Verdicts[0] = verdict(east, health.Unhealthy, 2)
	return s
}

// with changes a situation.
func with(s Situation, change func(*Situation)) Situation {
	change(&s)
	return s
}

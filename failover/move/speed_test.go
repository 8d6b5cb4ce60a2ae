package move_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	simokta "github.com/samlfailover/samlfailover/sandbox/okta"
	simonelogin "github.com/samlfailover/samlfailover/sandbox/onelogin"
	simpingone "github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	manyApps = 50
	latency  = 50 * time.Millisecond
	noLimit  = 1_000_000 // calls a second or an hour: nobody limits the rate
)

// simKey is one signing key for all simulated apps.
var simKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// vendorsWorld is three tenants with their adapters on one simulated network,
// with TLS, in virtual time. Each adapter makes pace calls a second; 0 = as many
// as by default.
type vendorsWorld struct {
	vendors move.Vendors
	log     *reqlog.Log
	fed     federation.Federation
}

func newVendorsWorld(t *testing.T, pace float64) *vendorsWorld {
	t.Helper()
	w := &vendorsWorld{log: reqlog.New(0), fed: federation.Federation{Name: "corp", Partition: signin.AWS, Regions: []signin.Region{east, west},
		Accounts: []federation.Account{{ID: "111111111111"}}}}
	const client, pass = "7c1f7a5e-1d0a-4a7b-8f5e-2f3b1c0d9e8f", "a secret of the sandbox"
	env := simpingone.EnvironmentID("Production")
	org, err := simokta.New(simokta.Options{Host: "acme.okta.com", APIToken: pass, Tenant: "okta", RatePerMinute: noLimit, NewKey: simKey})
	orDie(t, err)
	ping, err := simpingone.New(simpingone.Options{Tenant: "ping", Environments: []string{"Production"}, RatePerMinute: noLimit, NewKey: simKey,
		Workers: []simpingone.Worker{{Environment: env, ClientID: client, Secret: pass,
			Roles: []simpingone.Role{{Name: simpingone.ClientApplicationDeveloper, Environment: env}}}}})
	orDie(t, err)
	one, err := simonelogin.New(simonelogin.Options{Subdomain: "acme", Tenant: "onelogin", RatePerHour: noLimit, NewKey: simKey,
		Credentials: []simonelogin.Credential{{ClientID: client, Secret: pass, Scope: simonelogin.ManageAll}}})
	orDie(t, err)

	const acs, relay = "https://signin.aws.amazon.com/saml", "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"
	for i := range manyApps {
		name := fmt.Sprintf("AWS %d", i)
		var id, tenant string
		switch i % 3 {
		case 0:
			tenant = "okta"
			id, err = org.AddSAMLApp(name, simokta.AppSettings{ACS: acs, RelayState: relay})
		case 1:
			tenant = "ping"
			id, err = ping.AddSAMLApp(env, name, simpingone.AppSettings{ACS: []string{acs}, RelayState: relay, EntityID: "urn:amazon:webservices:" + fmt.Sprint(i)})
		case 2:
			tenant = "onelogin"
			id, err = one.AddSAMLApp(name, simonelogin.AppSettings{ACS: acs, RelayState: relay})
		}
		orDie(t, err)
		w.fed.Apps = append(w.fed.Apps, federation.AppRef{Name: name, Tenant: tenant, ID: id})
	}
	w.fed.Lead = w.fed.Apps[0].Name

	network, err := proxy.New(proxy.Options{Sites: append(append(org.Sites(), ping.Sites()...), one.Sites()...), Log: w.log, Logger: slog.New(slog.DiscardHandler)})
	orDie(t, err)
	t.Cleanup(network.Close)
	for _, tenant := range []string{"okta", "ping", "onelogin"} {
		_, err := network.Faults().Set(fault.Fault{Target: tenant, Effect: fault.Effect{Kind: fault.Latency, Duration: latency}}, time.Now())
		orDie(t, err)
	}
	out := w.outbound(t, network)
	o, err := okta.New(okta.Options{Network: out, Name: "okta", URL: "https://acme.okta.com", Token: secret.New(pass), RatePerSecond: pace, Burst: int(pace)})
	orDie(t, err)
	p, err := pingone.New(pingone.Options{Network: out, Name: "ping", TLD: "com", Environment: env, ClientID: client, ClientSecret: secret.New(pass),
		RatePerSecond: pace, Burst: int(pace)})
	orDie(t, err)
	l, err := onelogin.New(onelogin.Options{Network: out, Name: "onelogin", URL: "https://acme.onelogin.com", ClientID: client, ClientSecret: secret.New(pass),
		RatePerSecond: pace, Burst: int(pace)})
	orDie(t, err)
	w.vendors = move.Vendors{"okta": {Tenant: o, Codec: okta.Codec{}}, "ping": {Tenant: p, Codec: pingone.Codec{}}, "onelogin": {Tenant: l, Codec: onelogin.Codec{}}}
	return w
}

// outbound is the product's own network over connections of the simulated one.
func (w *vendorsWorld) outbound(t *testing.T, network *proxy.Proxy) *outbound.Network {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	orDie(t, os.WriteFile(ca, network.Authority().PEM(), 0o600))
	out, err := outbound.New(outbound.Settings{Proxy: "direct", CAFile: ca, DialContext: network.DialContext})
	orDie(t, err)
	t.Cleanup(out.Close)
	return out
}

func orDie(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// warm reads every app, several at once, so that connections are open and
// tokens at hand, and returns what it has read.
func (w *vendorsWorld) warm(t *testing.T) []failover.AppState {
	t.Helper()
	out := make([]failover.AppState, len(w.fed.Apps))
	var all sync.WaitGroup
	for i, ref := range w.fed.Apps {
		all.Go(func() {
			app, at, err := w.vendors.Read(t.Context(), ref)
			if err != nil {
				t.Error(err)
			}
			out[i] = failover.AppState{Ref: ref, App: app, ReadAt: at}
		})
	}
	all.Wait()
	return out
}

// recorder records nothing.
type recorder struct{}

func (recorder) Record(context.Context, string, string, string, any) error { return nil }

// longest is how long a move may take: the lead app, then the others in rounds,
// four calls each, and three tenths on top.
func longest(apps, parallel int) time.Duration {
	rounds := 1 + (apps-1+parallel-1)/parallel
	return 13 * 4 * latency * time.Duration(rounds) / 10
}

// A move of 50 apps in three tenants takes at most four calls per app, and no
// longer than those calls take in rounds: nothing waits for anything else.
// Proofs and pace are left out, connections and tokens are warm.
//
// spec 2.3
func TestSpeed(t *testing.T) {
	t.Parallel()
	const perTenant = 4 // the default of Limits.Parallel, for each tenant
	took, calls := manyMove(t, perTenant, noLimit)
	limit := longest(manyApps, 3*perTenant)
	t.Logf("%d apps in 3 tenants, %d at once in each, %v a call: %v (limit %v), at most %d calls per app", manyApps, perTenant, latency, took, limit, calls)
	if took > limit || calls > 4 {
		t.Errorf("took %v of %v, up to %d calls per app", took, limit, calls)
	}
	paced, _ := manyMove(t, perTenant, 0)
	t.Logf("with the default pace: %v", paced)
	// The saboteur: one app after another in each tenant.
	if took, _ := manyMove(t, 1, noLimit); took <= limit {
		t.Errorf("a move of one app at a time takes %v, which the limit of %v lets pass", took, limit)
	}
}

// manyMove moves 50 apps and returns how long that took and the most calls that
// one app needed, as the simulated network counts them.
func manyMove(t *testing.T, parallel int, pace float64) (took time.Duration, calls int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newVendorsWorld(t, pace)
		plan := planOf(t, w.fed, w.warm(t), nil)
		j, term := memory.New().Lead()
		m := newMover(t, move.Config{Federation: func(string) (federation.Federation, bool) { return w.fed, true }, Apps: w.vendors,
			Journal: j, Term: term, Recorder: recorder{}, Limits: move.Limits{Parallel: parallel}, Log: slog.New(slog.DiscardHandler)})
		before, begun := w.log.Last(), time.Now()
		if res := mustRun(t, m, plan); len(res.Apps) != manyApps || res.Status != failover.Partial {
			t.Fatalf("not everything was moved: %+v", res)
		}
		took = time.Since(begun)
		total := w.log.Count(before, func(e reqlog.Entry) bool { return true })
		ofApps := 0
		for _, a := range w.fed.Apps {
			n := w.log.Count(before, func(e reqlog.Entry) bool { return e.Kind == reqlog.Request && strings.HasSuffix(e.Path, "/"+a.ID) })
			ofApps, calls = ofApps+n, max(calls, n)
		}
		if total != ofApps {
			t.Errorf("%d calls and connections were made, %d of them for apps: tokens and connections were to be warm", total, ofApps)
		}
	})
	return took, calls
}

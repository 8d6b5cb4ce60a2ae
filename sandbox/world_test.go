package sandbox_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/signin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sharedKeys makes a few keys once: apps of one world need different ones.
var sharedKeys = sync.OnceValues(func() (keys [6]*rsa.PrivateKey, err error) {
	for i := range keys {
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return keys, err
		}
	}
	return keys, nil
})

// newWorld makes a demo world; closed at the end of the test.
func newWorld(t testing.TB) *sandbox.World {
	t.Helper()
	return newWorldIn(t, signin.AWS)
}

// newWorldIn makes the demo world of a partition.
func newWorldIn(t testing.TB, partition signin.Partition) *sandbox.World {
	t.Helper()
	var mu sync.Mutex
	n := 0
	w, err := sandbox.New(sandbox.Options{Seed: seed.Options{Partition: partition, NewKey: func() (*rsa.PrivateKey, error) {
		mu.Lock()
		defer mu.Unlock()
		keys, err := sharedKeys()
		n++
		return keys[n%len(keys)], err
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func breaks(t testing.TB, w *sandbox.World, target string, kind fault.Kind) {
	t.Helper()
	if _, err := w.Fault(fault.Fault{Target: target, Effect: fault.Effect{Kind: kind}}); err != nil {
		t.Fatal(err)
	}
}

// tell says what came of a login, without its assertion.
func tell(r login.Result) string {
	return fmt.Sprintf("%s at %s: ok %v, Region %s, landing %s, reason %q", r.User, r.App, r.OK, r.Region, r.Landing, r.Reason)
}

func TestEverybodySignsInToEveryApp(t *testing.T) {
	t.Parallel()
	for _, partition := range []signin.Partition{signin.AWS, signin.GovCloud} {
		t.Run(string(partition), func(t *testing.T) {
			t.Parallel()
			everybodySignsIn(t, newWorldIn(t, partition))
		})
	}
}

func everybodySignsIn(t *testing.T, w *sandbox.World) {
	t.Helper()
	home := w.Demo().Home()
	e, _ := home.Endpoint()
	for _, u := range w.Demo().Users {
		for label, roles := range u.Roles {
			for _, role := range roles {
				res := w.LoginRole(t.Context(), label, u.Login, role)
				if !res.OK || res.Region != home.String() || !strings.HasPrefix(res.Landing, "https://"+e.ConsoleHost+"/") {
					t.Errorf("%s, %s, %s: %s", u.Login, label, role, tell(res))
				}
			}
		}
	}
	if res := w.Login(t.Context(), "", ""); !res.OK || res.App != "AWS Production" || res.User != "ada@acme.example" {
		t.Errorf("the default login: %s", tell(res))
	}
	for name, res := range map[string]struct{ app, user string }{
		"a stranger": {"AWS Production", "mallory@acme.example"}, "an unknown app": {"Payroll", "ada@acme.example"}, "an app of others": {"AWS Shared Services", "alan@acme.example"},
		"a stranger in PingOne": {"AWS Retail", "alan@acme.example"}, "a stranger in OneLogin": {"AWS Partners", "katherine@acme.example"},
		"the other environment's app": {"AWS Retail Test", "katherine@acme.example"},
	} {
		if got := w.Login(t.Context(), res.app, res.user); got.OK || got.Reason == "" {
			t.Errorf("%s signs in: %s", name, tell(got))
		}
	}
}

// A world in GovCloud has nothing of partition aws in it, and uses the host
// without a Region code for its home.
func TestGovCloud(t *testing.T) {
	t.Parallel()
	w := newWorldIn(t, signin.GovCloud)
	d := w.Demo()
	if d.Home().String() != "us-gov-west-1" || d.Standby().String() != "us-gov-east-1" || d.Apps[0].ACS.String() != "https://signin.amazonaws-us-gov.com/saml" {
		t.Errorf("home %s, standby %s, first app at %s", d.Home(), d.Standby(), d.Apps[0].ACS)
	}
	for _, r := range d.Roles {
		_, role, _ := w.Cloud().RoleByARN(r.ARN)
		if !strings.HasPrefix(r.ARN, "arn:aws-us-gov:") || strings.Contains(role.Trust, "arn:aws:") || strings.Contains(role.Trust, "aws.amazon.com") {
			t.Errorf("%s: %s", r.ARN, role.Trust)
		}
	}
	for _, a := range d.Apps {
		if doc, _ := w.AppJSON(a.ID); !strings.Contains(string(doc), "amazonaws-us-gov.com") || strings.Contains(string(doc), "signin.aws.amazon.com") {
			t.Errorf("%s: %s", a.Label, doc)
		}
	}
	breaks(t, w, d.Home().String(), fault.Down)
	wantDead(t, w, map[string]bool{
		"signin.amazonaws-us-gov.com": true, "us-gov-west-1.console.amazonaws-us-gov.com": true, "sts.us-gov-west-1.amazonaws.com": true,
		"iam.us-gov.amazonaws.com": true, "organizations.us-gov-west-1.amazonaws.com": true,
		"us-gov-east-1.signin.amazonaws-us-gov.com": false, "sts.us-gov-east-1.amazonaws.com": false, "acme.okta.com": false,
	})
}

// wantDead asks each host once and wants it refused or not.
func wantDead(t *testing.T, w *sandbox.World, hosts map[string]bool) {
	t.Helper()
	for host, dead := range hosts {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
		resp, err := w.RoundTripper().RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		if got := errors.Is(err, syscall.ECONNREFUSED); got != dead {
			t.Errorf("%s: %v, want dead = %v", host, err, dead)
		}
	}
}

func TestARegionDiesWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	breaks(t, w, "us-east-1", fault.Down)
	wantDead(t, w, map[string]bool{
		"signin.aws.amazon.com": true, "us-east-1.signin.aws.amazon.com": true, "us-east-1.console.aws.amazon.com": true,
		"sts.us-east-1.amazonaws.com": true, "sts.amazonaws.com": true, "iam.amazonaws.com": true,
		"organizations.us-east-1.amazonaws.com": true, "account.us-east-1.amazonaws.com": true,
		"us-west-2.signin.aws.amazon.com": false, "sts.us-west-2.amazonaws.com": false, "us-west-2.console.aws.amazon.com": false,
		// No identity provider goes with it.
		"acme.okta.com": false, "api.pingone.com": false, "auth.pingone.com": false, "acme.onelogin.com": false,
	})
	forbidden := w.Requests().Count(0, func(e reqlog.Entry) bool {
		return e.Service == "iam" || e.Service == "sts-global" || e.Service == "organizations" || e.Service == "account"
	})
	if forbidden != 4 {
		t.Errorf("%d forbidden calls are on record, want 4", forbidden)
	}
	if res := w.Login(t.Context(), "", ""); res.OK {
		t.Errorf("a login works without its Region: %s", tell(res))
	}
	if healed, err := w.Heal("us-east-1"); err != nil || len(healed) != 1 {
		t.Errorf("heal: %v, %v", healed, err)
	}
	if res := w.Login(t.Context(), "", ""); !res.OK {
		t.Errorf("after the Region is back: %s", tell(res))
	}
}

func TestLoginInABubble(t *testing.T) {
	t.Parallel()
	if _, err := sharedKeys(); err != nil { // outside: the bubble's clock need not wait for it
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.Fault(fault.Fault{Target: "okta", Effect: fault.Effect{Kind: fault.Latency, Duration: time.Second}}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if res := w.Login(t.Context(), "", ""); !res.OK || time.Since(begin) < 3*time.Second {
			t.Errorf("after %s: %s", time.Since(begin), tell(res))
		}
	})
}

func TestTheWorldIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.Info()
	if len(i.Hosts) < 100 || i.Proxy != "" || len(i.Apps) != 6 || len(i.Portals) != 4 || len(i.Users) < 3 {
		t.Errorf("%+v", i)
	}
	if err := w.WriteDir(t.TempDir()); err == nil {
		t.Error("a folder is written for a proxy without an address")
	}
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	if addr := w.Addr(); w.Listen() != nil || w.Addr() != addr || w.ProxyURL() != "http://"+addr {
		t.Errorf("the address changed: %s, then %s", addr, w.Addr())
	}
}

func TestListenBeyondLoopbackIsRefused(t *testing.T) {
	t.Parallel()
	w, err := sandbox.New(sandbox.Options{Listen: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "loopback only") {
		t.Errorf("got %v", err)
	}
}

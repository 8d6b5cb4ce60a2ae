package fleet

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox/portal"
	"github.com/samlfailover/samlfailover/signin"
)

// signedBy is the metadata of an IdP that signs with this certificate.
func signedBy(issuer string, der []byte) string {
	return strings.Replace(metadata(issuer), base64.StdEncoding.EncodeToString(certificate()), base64.StdEncoding.EncodeToString(der), 1)
}

func newCertificate(t *testing.T) []byte {
	t.Helper()
	k, err := portal.NewKey("another", nil)
	if err != nil {
		t.Fatal(err)
	}
	return k.Certificate.Raw
}

// spec 6.3: a provider that lets nobody in makes its roles not ready in every
// Region, with the reason and the next step of its own, whatever the trust
// policies say; no edit is planned for that, and no role is refused for it.
func TestReadinessOfProviders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why   string
		state inventory.Readiness
		code  finding.Code
		iam   func(*testing.T, *fakeIAM)
		app   func(*testing.T, *inventory.AppRead)
		note  finding.Code // beside the roles
		says  string
	}{
		{"the app's certificate is the provider's", inventory.Ready, "", nil, nil, "", ""},
		{"the app signs with two, one of which is known", inventory.Ready, "", nil, func(t *testing.T, a *inventory.AppRead) {
			a.Certificates = append([][]byte{newCertificate(t)}, a.Certificates...)
		}, "", ""},
		{"the app's key was changed", inventory.NotReady, finding.ProviderStale, nil, func(t *testing.T, a *inventory.AppRead) { a.Certificates = [][]byte{newCertificate(t)} }, finding.ProviderStale, "update the provider"},
		{"the provider has another app's metadata", inventory.NotReady, finding.ProviderStale, func(t *testing.T, f *fakeIAM) { f.documents[provider(prod)] = signedBy("urn:okta", newCertificate(t)) }, nil, finding.ProviderStale, "update the provider"},
		{"another issuer altogether says nothing of this provider", inventory.Ready, "", nil, func(_ *testing.T, a *inventory.AppRead) { a.Issuer = "urn:other" }, "", ""},
		{"who the app is could not be read", inventory.Ready, "", nil, func(_ *testing.T, a *inventory.AppRead) { a.Issuer, a.Certificates = "", nil }, finding.AppIdentityUnknown, ""},
		{"the metadata has ended", inventory.NotReady, finding.ProviderExpiring, func(_ *testing.T, f *fakeIAM) { f.ended = map[string]bool{provider(prod): true} }, nil, "", "renew"},
		{"the provider requires encryption, the app's endpoint is the plain one", inventory.NotReady, finding.EncryptionRequired, func(_ *testing.T, f *fakeIAM) { f.encrypted = true }, nil, finding.EncryptionRequired, "AssertionEncryptionMode"},
		{"the IdP would refuse the standby endpoint", inventory.Ready, "", nil, func(_ *testing.T, a *inventory.AppRead) {
			a.Findings = []finding.Finding{{Code: finding.ACSValidator, Subject: "app console", What: "no"}}
		}, finding.ACSValidator, ""},
	} {
		apps := pointing(t, "us-east-1")
		apps[0].Issuer, apps[0].Certificates = "urn:okta", [][]byte{certificate()}
		if c.app != nil {
			c.app(t, &apps[0])
		}
		fx := setUp(t, func(o *Options) {
			o.Federation.Apps = []federation.AppRef{console}
			o.Federation.Accounts = o.Federation.Accounts[:1]
			o.Apps = func(context.Context) []inventory.AppRead { return apps }
		})
		fx.prod.trusts(provider(prod), metadata("urn:okta"))
		fx.prod.add("/", "a", trust(prod, home, standby))
		if c.iam != nil {
			c.iam(t, fx.prod)
		}
		snap := fx.Scan(t.Context(), inventory.Snapshot{})
		for _, r := range fx.Federation.Regions {
			got := snap.Accounts[0].Roles[0].In(r)
			if got.State != c.state || c.code != "" && (got.Finding.Code != c.code || got.Finding.Subject != fx.prod.arn("a") || !strings.Contains(got.Finding.Remedy, c.says) || !strings.Contains(got.Finding.Why, provider(prod))) {
				t.Errorf("%s: %s is %s, %v", c.why, r, got.State, got.Finding)
			}
		}
		notes := snap.Accounts[0].Notes
		if c.note == "" && len(notes) != 0 || c.note != "" && (len(notes) != 1 || notes[0].Code != c.note) {
			t.Errorf("%s: notes %v", c.why, notes)
		}
		if p, err := fx.Plan(t.Context(), snap); err != nil || len(p.Edits)+len(p.Refused) != 0 || p.Totals.Complete != 1 {
			t.Errorf("%s: planned %+v, %v", c.why, p, err)
		}
	}
}

// An audience that is missing as well is what the plan can mend, so it comes first.
func TestReadinessNamesTheMissingAudienceFirst(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.trusts(provider(prod), metadata("urn:okta"))
	fx.prod.ended = map[string]bool{provider(prod): true}
	fx.prod.add("/", "a", trust(prod, home))
	got := fx.Scan(t.Context(), inventory.Snapshot{}).Accounts[0].Roles[0]
	if a, b := got.In(signin.MustRegion("us-east-1")), got.In(signin.MustRegion("us-west-2")); a.Finding.Code != finding.ProviderExpiring || b.Finding.Code != finding.RoleNotReady {
		t.Errorf("%v %v", a.Finding, b.Finding)
	}
	if p := fx.plan(t); len(p.Edits) != 1 {
		t.Errorf("%+v", p)
	}
}

// spec 6.3: of the certificates the last one to end counts, and from then on.
func TestReadinessAfterTheLastCertificate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		der := newCertificate(t)
		fx.prod.trusts(provider(prod), signedBy("urn:okta", der))
		fx.prod.add("/", "a", trust(prod, home, standby))
		state := func() inventory.Readiness {
			return fx.Scan(t.Context(), inventory.Snapshot{}).Accounts[0].Roles[0].In(signin.MustRegion("us-west-2")).State
		}
		if got := state(); got != inventory.Ready {
			t.Errorf("before its end: %s", got)
		}
		time.Sleep(time.Until(lastEnd([][]byte{der})))
		if got := state(); got != inventory.NotReady {
			t.Errorf("after its end: %s", got)
		}
	})
}

// spec 6.3: at a provider's own endpoint encrypted assertions are taken.
func TestEncryptionAtTheProvidersOwnEndpoint(t *testing.T) {
	t.Parallel()
	fx := perProvider(t, []string{home, standby}, providerID, "")
	fx.prod.encrypted = true
	fx.apply(t, fx.plan(t), ApplyOptions{})
	snap := fx.Scan(t.Context(), inventory.Snapshot{})
	role := snap.Accounts[0].Roles[0]
	if got := role.In(signin.MustRegion("us-west-2")); got.State != inventory.Ready {
		t.Errorf("%s %v", got.State, got.Finding)
	}
	if slices.ContainsFunc(snap.Accounts[0].Notes, func(f finding.Finding) bool { return f.Code == finding.EncryptionRequired }) {
		t.Errorf("%v", snap.Accounts[0].Notes)
	}
}

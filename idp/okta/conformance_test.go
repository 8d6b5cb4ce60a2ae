package okta_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/okta"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/signin"
)

// kinds are the apps and credentials that the suite runs with: each way to keep
// an endpoint, each way to sign a call.
func kinds() map[string]func(*testing.T) idptest.Harness {
	return map[string]func(*testing.T) idptest.Harness{
		"custom app, API token":          customHarness,
		"account app, ACS field, DPoP":   fieldHarness,
		"account app, overrides, bearer": overridesHarness,
	}
}

// spec 1.3, 1.4, 2.1, 2.2, 2.3, 2.6, 2.7, 4.1
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, harness := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idptest.Run(t, harness)
		})
	}
}

func TestSuiteCatchesSaboteurs(t *testing.T) {
	t.Parallel()
	for name, harness := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idptest.RunSaboteurs(t, harness)
		})
	}
}

func customHarness(t *testing.T) idptest.Harness {
	h := newWorld(t).harness(t)
	h.ACS = []idp.Pointer{"/settings/signOn/ssoAcsUrl", "/settings/signOn/recipient", "/settings/signOn/destination"}
	h.Bystander = "/settings/signOn/subjectNameIdTemplate"
	h.Objects = append(h.Objects, "/settings/signOn/assertionEncryption")
	return h
}

const (
	field  idp.Pointer = "/settings/app/overrideAcsURL"
	signOn idp.Pointer = "/settings/signOn"
)

func trio() []idp.Pointer {
	return []idp.Pointer{signOn + "/ssoAcsUrlOverride", signOn + "/recipientOverride", signOn + "/destinationOverride"}
}

func fieldHarness(t *testing.T) idptest.Harness {
	w := emptyWorld(t)
	w.app = w.addAccountApp(t, sim.AccountSettings{OverrideACS: east})
	return w.serviceHarness(t, true, field)
}

func overridesHarness(t *testing.T) idptest.Harness {
	w := emptyWorld(t)
	w.app = w.addAccountApp(t, sim.AccountSettings{Overrides: east})
	return w.serviceHarness(t, false, trio()...)
}

// serviceHarness is the world with a catalogue app, reached as a service app.
func (w *world) serviceHarness(t *testing.T, dpop bool, acs ...idp.Pointer) idptest.Harness {
	w.useService(t, dpop)
	h := w.harness(t)
	h.Codec = proven()
	h.ACS, h.Bystander = acs, "/settings/app/groupFilter"
	h.ExpireToken = w.org.RevokeTokens
	h.Secret = keyPEM(t, rsaKey(t)).Reveal()
	h.SetRights = func(on bool) {
		app := serviceApp(t, dpop)
		app.NoRole = !on
		if err := w.org.PutServiceApp(app); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// proven is the codec of a tenant in which a person has tried the kind.
func proven() okta.Codec { return okta.Codec{Proven: []string{okta.AccountKind}} }

// useService connects as a service app, with a token at hand and no call noted.
func (w *world) useService(t *testing.T, dpop bool) {
	t.Helper()
	if err := w.org.PutServiceApp(serviceApp(t, dpop)); err != nil {
		t.Fatal(err)
	}
	tenant, err := w.connect(t, okta.Options{OAuth: &okta.OAuth{ClientID: clientID, Key: keyPEM(t, rsaKey(t)), KeyID: "k1", DPoP: dpop}})
	if err != nil {
		t.Fatal(err)
	}
	w.tenant = tenant
	if err := tenant.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Forget()
}

// harness is the world as the conformance suite wants it.
func (w *world) harness(t *testing.T) idptest.Harness {
	return idptest.Harness{
		Tenant: w.tenant, Codec: okta.Codec{}, App: w.app,
		From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2"),
		RelayState: "/settings/signOn/defaultRelayState",
		Objects: []idp.Pointer{"", "/accessibility", "/visibility", "/visibility/hide", "/credentials", "/credentials/userNameTemplate",
			"/settings", "/settings/app", "/settings/notes", "/settings/notifications/vpn/network", "/settings/signOn"},
		Secret: token, Sim: w.org, Wire: w.Wire,
		SetReadOnly: w.org.SetReadOnly,
		SetRights:   w.org.SetAdmin,
	}
}

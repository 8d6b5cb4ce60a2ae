package fleet

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox/portal"
)

// oneCertificate is made at start and not when first asked for: a test of
// virtual time asking first would have it end in 2010 for all the others.
var oneCertificate = func() []byte {
	k, err := portal.NewKey("okta", nil)
	if err != nil {
		panic(err)
	}
	return k.Certificate.Raw
}()

// certificate is one for all metadata of these tests.
func certificate() []byte { return oneCertificate }

func metadata(issuer string) string {
	return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%s"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>%s</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>`,
		issuer, base64.StdEncoding.EncodeToString(certificate()))
}

func other(name string) string { return "arn:aws:iam::" + prod + ":saml-provider/" + name }

// A normal scan names every provider and reads the federation's own; the calls
// are counted apart from those for roles.
func TestScanReadsTheFederationsProviders(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.add("/", "a", trust(prod, home))
	fx.prod.trusts(other("Bystander"), metadata("urn:bystander"))
	fx.prod.trusts(provider(prod), metadata("urn:okta"))
	snap := fx.Scan(context.Background(), inventory.Snapshot{})
	a := snap.Accounts[0]
	if a.Error != nil || len(a.Notes) != 0 || a.Calls != 2 || a.ProviderCalls != 2 || fx.prod.calls["ListRoles"] != 1 || fx.prod.calls["GetSAMLProvider"] != 1 {
		t.Errorf("%+v, calls %v", a, fx.prod.calls)
	}
	if len(a.Providers) != 2 {
		t.Fatalf("providers: %+v", a.Providers)
	}
	by, own := a.Providers[0], a.Providers[1]
	if by.ARN != other("Bystander") || by.Issuer != "" || by.Certificates != nil || by.ValidUntil != ends || by.Error != nil {
		t.Errorf("a provider that is no business of the federation: %+v", by)
	}
	if own.ARN != provider(prod) || own.Issuer != "urn:okta" || len(own.Certificates) != 1 || string(own.Certificates[0]) != string(certificate()) ||
		own.UUID != "SAMLSPABCDEFGHIJKLMNOPQ" || own.Encryption != "Allowed" || own.ValidUntil != ends || own.Error != nil {
		t.Errorf("the federation's own provider: %+v", own)
	}
}

// Whatever happens to the providers, the roles stay and no provider hides
// another.
func TestProviderTrouble(t *testing.T) {
	t.Parallel()
	denied := errors.New("AccessDenied: not iam:ListSAMLProviders")
	for _, c := range []struct {
		why     string
		trouble func(*fakeIAM)
		code    finding.Code // of the federation's provider; "" = it was read
		notes   int
		says    string
	}{
		{"all is well", func(*fakeIAM) {}, "", 0, ""},
		{"the list is denied, the provider is still read", func(f *fakeIAM) { f.fail["ListSAMLProviders"] = denied }, "", 1, "iam:ListSAMLProviders"},
		{"this provider is denied", func(f *fakeIAM) { f.denied[provider(prod)] = denied }, finding.ProviderUnreadable, 0, "iam:GetSAMLProvider"},
		{"both are denied", func(f *fakeIAM) { f.fail["ListSAMLProviders"], f.fail["GetSAMLProvider"] = denied, denied }, finding.ProviderUnreadable, 1, "iam:GetSAMLProvider"},
		{"its document is no metadata", func(f *fakeIAM) { f.documents[provider(prod)] = "<html/>" }, finding.ProviderUnreadable, 0, "download the metadata"},
		{"its document has a DTD", func(f *fakeIAM) { f.documents[provider(prod)] = "<!DOCTYPE x>" + metadata("urn:okta") }, finding.ProviderUnreadable, 0, "download the metadata"},
		{"it is gone", func(f *fakeIAM) { delete(f.documents, provider(prod)); f.providers = f.providers[:1] }, finding.ProviderMissing, 0, "providers:"},
	} {
		fx := setUp(t, func(o *Options) {
			o.Federation.Accounts[0].Providers = append(o.Federation.Accounts[0].Providers, other("Second"))
		})
		fx.prod.add("/", "a", trust(prod, home))
		fx.prod.trusts(other("Second"), metadata("urn:second"))
		fx.prod.trusts(provider(prod), metadata("urn:okta"))
		c.trouble(fx.prod)
		a := fx.Scan(context.Background(), inventory.Snapshot{}).Accounts[0]
		if a.Error != nil || len(a.Roles) != 1 || len(a.Notes) != c.notes || len(a.Providers) != 2 {
			t.Errorf("%s: %+v", c.why, a)
			continue
		}
		said := fmt.Sprint(a.Notes)
		for _, p := range a.Providers {
			if p.ARN == other("Second") && c.why != "both are denied" && (p.Error != nil || p.Issuer != "urn:second") {
				t.Errorf("%s: the other provider: %+v", c.why, p)
			}
			if p.ARN != provider(prod) {
				continue
			}
			if (p.Error == nil) != (c.code == "") || p.Error != nil && (p.Error.Code != c.code || p.Issuer != "") {
				t.Errorf("%s: %+v, want code %q", c.why, p, c.code)
			}
			if p.Error != nil {
				said += p.Error.Error() + p.Error.Remedy
			}
		}
		if !strings.Contains(said, c.says) {
			t.Errorf("%s: %q is not said: %s", c.why, c.says, said)
		}
	}
}

// A provider that cannot be read now stays as it was last seen, with the reason;
// one that is gone does not.
func TestProvidersAreRemembered(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.trusts(provider(prod), metadata("urn:okta"))
	first := fx.Scan(context.Background(), inventory.Snapshot{})
	fx.prod.denied[provider(prod)] = errors.New("AccessDenied")
	p := fx.Scan(context.Background(), first).Accounts[0].Providers[0]
	if p.Error == nil || p.Issuer != "urn:okta" || len(p.Certificates) != 1 {
		t.Errorf("denied: %+v", p)
	}
	delete(fx.prod.denied, provider(prod))
	delete(fx.prod.documents, provider(prod))
	p = fx.Scan(context.Background(), first).Accounts[0].Providers[0]
	if p.Error == nil || p.Error.Code != finding.ProviderMissing || p.Issuer != "" {
		t.Errorf("gone: %+v", p)
	}
}

// A survey reads what no federation lists: every provider, and every role that
// trusts one.
func TestSurvey(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.add("/", "okta", trust(prod, home))
	fx.prod.add("/", "ping", strings.ReplaceAll(trust(prod, home), "Okta", "Ping"))
	fx.prod.add("/", "broken", `{"Principal":"`+other("Ping")+`"`)
	fx.prod.add("/", "pipeline", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::`+prod+`:oidc-provider/token.example"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`)
	fx.prod.trusts(other("Ping"), metadata("urn:ping"))
	fx.prod.trusts(provider(prod), metadata("urn:okta"))
	fx.shared.fail["ListRoles"] = errors.New("AccessDenied")
	o := fx.Options
	o.Federation = federation.Federation{Accounts: []federation.Account{{ID: prod}, {ID: shared}}}
	scans, err := Survey(context.Background(), o)
	if err != nil || len(scans) != 2 {
		t.Fatal(scans, err)
	}
	a := scans[0]
	if len(a.Roles) != 3 || len(a.Providers) != 2 || a.Providers[0].Issuer != "urn:ping" || a.Providers[1].Issuer != "urn:okta" || a.ProviderCalls != 3 || a.Calls != 2 {
		t.Errorf("%+v", a)
	}
	for _, r := range a.Roles {
		if len(r.Regions) != 0 || r.Trust == "" {
			t.Errorf("a survey judged %+v", r)
		}
	}
	if scans[1].Error == nil {
		t.Error("the account that cannot be read has no error")
	}
	if _, err := Survey(context.Background(), Options{}); err == nil {
		t.Error("a survey without a way in")
	}
}

package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// What explain says is what the evaluator decided, with statement and condition.
func TestExplain(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	ip := strings.Replace(trust(prod, home, standby), `"Condition":{`, `"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},`, 1)
	for _, c := range []struct {
		why, text string
		want      []trustpolicy.Verdict // AssumeRoleWithSAML, TagSession, SetSourceIdentity
		says      string
	}{
		{"ready", trust(prod, home, standby), []trustpolicy.Verdict{trustpolicy.Allow, trustpolicy.Allow, trustpolicy.Deny}, "statement 0 allows"},
		{"lacks the audience", trust(prod, home), []trustpolicy.Verdict{trustpolicy.Deny, trustpolicy.Deny, trustpolicy.Deny}, "SAML:aud"},
		{"a condition nobody knows", ip, []trustpolicy.Verdict{trustpolicy.Conditional, trustpolicy.Conditional, trustpolicy.Deny}, "IpAddress"},
	} {
		got, err := fx.Explain(t.Context(), inventory.Snapshot{}, inventory.Role{Account: prod, ARN: "a", Trust: c.text}, west)
		if err != nil || len(got) != 3 {
			t.Errorf("%s: %+v, %v", c.why, got, err)
			continue
		}
		for i, e := range got {
			if e.Verdict != c.want[i] || e.Audience != standby || e.Provider != provider(prod) || (e.Verdict == trustpolicy.Conditional) != (len(e.HangsOn) > 0) {
				t.Errorf("%s: %+v", c.why, e)
			}
		}
		if !strings.Contains(got[0].Because, c.says) {
			t.Errorf("%s: %q", c.why, got[0].Because)
		}
	}
	if _, err := fx.Explain(t.Context(), inventory.Snapshot{}, inventory.Role{Account: prod, Trust: "{"}, west); err == nil {
		t.Error("a broken policy is explained")
	}
	if _, err := fx.Explain(t.Context(), inventory.Snapshot{}, inventory.Role{Account: prod, Trust: trust(prod, home)}, signin.MustRegion("eu-west-1")); err == nil {
		t.Error("a foreign Region is explained")
	}
}

// spec 6.3: a provider that runs out is named early; one with a newer certificate
// beside the old one is not.
func TestExpiring(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := func(days int) []byte {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, days)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for _, c := range []struct {
		why      string
		provider inventory.Provider
		says     string
	}{
		{"long to go", inventory.Provider{Issuer: "i", Certificates: [][]byte{cert(90)}}, ""},
		{"soon", inventory.Provider{Issuer: "i", Certificates: [][]byte{cert(10)}}, "certificate ends"},
		{"over", inventory.Provider{Issuer: "i", Certificates: [][]byte{cert(-1)}}, "has ended"},
		{"renewed", inventory.Provider{Issuer: "i", Certificates: [][]byte{cert(-1), cert(90)}}, ""},
		{"the metadata ends", inventory.Provider{Issuer: "i", Certificates: [][]byte{cert(90)}, ValidUntil: now.AddDate(0, 0, 3)}, "metadata ends"},
		{"another's", inventory.Provider{Certificates: [][]byte{cert(-1)}}, ""},
		{"unreadable certificate", inventory.Provider{Issuer: "i", Certificates: [][]byte{{1}}}, ""},
	} {
		got := Expiring(inventory.Snapshot{Accounts: []inventory.AccountScan{{Providers: []inventory.Provider{c.provider}}}}, now)
		if (c.says == "") != (len(got) == 0) || c.says != "" && (got[0].Code != finding.ProviderExpiring || !strings.Contains(got[0].Why, c.says)) {
			t.Errorf("%s: %+v", c.why, got)
		}
	}
}

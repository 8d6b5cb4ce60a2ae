package okta_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/okta"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/secret"
)

const clientID = "0oaservice"

var (
	anRSAKey  = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	otherKey  = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	shortKeys = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) })
)

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rsaKey(t *testing.T) *rsa.PrivateKey { k, err := anRSAKey(); return must(t, k, err) }

func keyPEM(t *testing.T, key any) secret.Value {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(t, der, err)})))
}

// jwkOf writes a private key as a JSON Web Key, with more members.
func jwkOf(t *testing.T, key any, more ...string) string {
	t.Helper()
	b := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	k := map[string]string{}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		k = map[string]string{"kty": "RSA", "n": b(key.N), "e": b(big.NewInt(int64(key.E))), "d": b(key.D), "p": b(key.Primes[0]), "q": b(key.Primes[1])}
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes()
		must(t, point, err)
		half := len(point) / 2
		d, err := key.Bytes()
		k = map[string]string{"kty": "EC", "crv": key.Params().Name, "x": base64.RawURLEncoding.EncodeToString(point[1 : 1+half]),
			"y": base64.RawURLEncoding.EncodeToString(point[1+half:]), "d": base64.RawURLEncoding.EncodeToString(must(t, d, err))}
	}
	for i := 0; i+1 < len(more); i += 2 {
		k[more[i]] = more[i+1]
	}
	out, err := json.Marshal(k)
	return string(must(t, out, err))
}

func serviceApp(t *testing.T, dpop bool) sim.ServiceApp {
	return sim.ServiceApp{ClientID: clientID, Keys: map[string]crypto.PublicKey{"k1": rsaKey(t).Public()},
		Scopes: []string{"okta.apps.read", "okta.apps.manage"}, DPoP: dpop}
}

func service(t *testing.T, dpop bool) *okta.OAuth {
	return &okta.OAuth{ClientID: clientID, Key: keyPEM(t, rsaKey(t)), KeyID: "k1", DPoP: dpop}
}

// serviceWorld is a world with one custom app and a service app.
func serviceWorld(t *testing.T, dpop bool) *world {
	t.Helper()
	w := newWorld(t)
	if err := w.org.PutServiceApp(serviceApp(t, dpop)); err != nil {
		t.Fatal(err)
	}
	tenant, err := w.connect(t, okta.Options{OAuth: service(t, dpop)})
	w.tenant = must(t, tenant, err)
	return w
}

// Every key and algorithm that Okta takes, in every form, gets a token.
func TestKeyForms(t *testing.T) {
	t.Parallel()
	ec := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		return must(t, k, err)
	}
	p256, p384, p521 := ec(elliptic.P256()), ec(elliptic.P384()), ec(elliptic.P521())
	ecDER, err := x509.MarshalECPrivateKey(p256)
	must(t, ecDER, err)
	k := rsaKey(t)
	other, err := otherKey()
	must(t, other, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	tests := []struct {
		name, text, id string
		public         crypto.PublicKey
	}{
		{"PKCS #8 RSA", keyPEM(t, k).Reveal(), "k1", k.Public()},
		{"PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k)), "k1", k.Public()},
		{"PKCS #8 EC", keyPEM(t, p384).Reveal(), "k1", p384.Public()},
		{"SEC 1", block("EC PRIVATE KEY", ecDER), "k1", p256.Public()},
		{"JWK RS256", jwkOf(t, k, "kid", "k1"), "", k.Public()},
		{"JWK RS384", jwkOf(t, k, "kid", "k1", "alg", "RS384"), "", k.Public()},
		{"JWK RS512", jwkOf(t, k, "alg", "RS512"), "k1", k.Public()},
		{"JWK ES256", jwkOf(t, p256, "kid", "k1"), "", p256.Public()},
		{"JWK ES384", jwkOf(t, p384, "kid", "k1"), "k1", p384.Public()},
		{"JWK ES512", jwkOf(t, p521, "kid", "k1", "alg", "ES512"), "", p521.Public()},
		{"set, new key first", `{"keys":[` + jwkOf(t, other, "kid", "k0") + "," + jwkOf(t, k, "kid", "k1") + "]}", "k1", k.Public()},
		{"set in a rotation, the first key is not known yet", `{"keys":[` + jwkOf(t, other, "kid", "k2") + "," + jwkOf(t, k, "kid", "k1") + "]}", "", k.Public()},
	}
	for _, tt := range tests {
		w := newWorld(t)
		app := serviceApp(t, false)
		app.Keys = map[string]crypto.PublicKey{"k1": tt.public}
		if err := w.org.PutServiceApp(app); err != nil {
			t.Fatal(err)
		}
		tenant, err := w.connect(t, okta.Options{OAuth: &okta.OAuth{ClientID: clientID, Key: secret.New(tt.text), KeyID: tt.id}})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if _, err := tenant.Read(t.Context(), w.app); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A key of the set that worked is the first one next time.
func TestRotationRemembersTheKey(t *testing.T) {
	t.Parallel()
	other, err := otherKey()
	must(t, other, err)
	w := serviceWorld(t, false)
	set := `{"keys":[` + jwkOf(t, other, "kid", "k2") + "," + jwkOf(t, rsaKey(t), "kid", "k1") + "]}"
	tenant, err := w.connect(t, okta.Options{OAuth: &okta.OAuth{ClientID: clientID, Key: secret.New(set)}})
	must(t, tenant, err)
	for want := 2; want <= 3; want++ {
		if _, err := tenant.Read(t.Context(), w.app); err != nil || w.org.TokenRequests() != want {
			t.Errorf("%d token requests, want %d; %v", w.org.TokenRequests(), want, err)
		}
		w.org.RevokeTokens()
	}
}

// spec 15.1: a key that cannot be used is refused at start, without showing it.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	short, err := shortKeys()
	must(t, short, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, p256, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, p224, err)
	good := jwkOf(t, rsaKey(t), "kid", "k1")
	for name, o := range map[string]okta.OAuth{
		"no client id":           {Key: keyPEM(t, rsaKey(t)), KeyID: "k1"},
		"no key":                 {ClientID: "c", KeyID: "k1"},
		"PEM without key_id":     {ClientID: "c", Key: keyPEM(t, rsaKey(t))},
		"neither":                {ClientID: "c", KeyID: "k1", Key: secret.New("MARKER-SECRET")},
		"broken PEM":             {ClientID: "c", KeyID: "k1", Key: secret.New("-----BEGIN PRIVATE KEY-----\nTUFSS0VSLVNFQ1JFVA==\n-----END PRIVATE KEY-----")},
		"two PEM blocks":         {ClientID: "c", KeyID: "k1", Key: secret.New(keyPEM(t, rsaKey(t)).Reveal() + keyPEM(t, p256).Reveal())},
		"a certificate":          {ClientID: "c", KeyID: "k1", Key: secret.New("-----BEGIN CERTIFICATE-----\nTUFSS0VS\n-----END CERTIFICATE-----")},
		"a short RSA key":        {ClientID: "c", KeyID: "k1", Key: keyPEM(t, short)},
		"an odd curve":           {ClientID: "c", KeyID: "k1", Key: keyPEM(t, p224)},
		"not JSON":               {ClientID: "c", KeyID: "k1", Key: secret.New(`{"MARKER-SECRET`)},
		"no kid":                 {ClientID: "c", Key: secret.New(jwkOf(t, p256))},
		"another kid":            {ClientID: "c", KeyID: "k2", Key: secret.New(good)},
		"a public JWK":           {ClientID: "c", Key: secret.New(`{"kty":"EC","kid":"k","crv":"P-256","x":"AA","y":"AA"}`)},
		"a symmetric JWK":        {ClientID: "c", Key: secret.New(`{"kty":"oct","kid":"k","d":"AA"}`)},
		"an EC point elsewhere":  {ClientID: "c", Key: secret.New(jwkOf(t, p256, "kid", "k", "x", "AAAA"))},
		"an EC key too long":     {ClientID: "c", Key: secret.New(jwkOf(t, p256, "kid", "k", "d", strings.Repeat("A", 80)))},
		"an unknown curve":       {ClientID: "c", Key: secret.New(jwkOf(t, p256, "kid", "k", "crv", "secp256k1"))},
		"RSA without primes":     {ClientID: "c", Key: secret.New(jwkOf(t, rsaKey(t), "kid", "k", "p", ""))},
		"RSA numbers that lie":   {ClientID: "c", Key: secret.New(jwkOf(t, rsaKey(t), "kid", "k", "d", "AQAB"))},
		"RSA exponent":           {ClientID: "c", Key: secret.New(jwkOf(t, rsaKey(t), "kid", "k", "e", "__________8"))},
		"an odd algorithm":       {ClientID: "c", Key: secret.New(jwkOf(t, rsaKey(t), "kid", "k", "alg", "none"))},
		"another's algorithm":    {ClientID: "c", Key: secret.New(jwkOf(t, p256, "kid", "k", "alg", "ES384"))},
		"not base64url":          {ClientID: "c", Key: secret.New(jwkOf(t, p256, "kid", "k", "d", "MARKER SECRET"))},
		"a number for a text":    {ClientID: "c", Key: secret.New(`{"kty":"EC","kid":"k","d":7}`)},
		"an empty set":           {ClientID: "c", Key: secret.New(`{"keys":[]}`)},
		"a set without key_id's": {ClientID: "c", KeyID: "k9", Key: secret.New(`{"keys":[` + good + `]}`)},
		"a set with a bad key":   {ClientID: "c", Key: secret.New(`{"keys":[` + good + `,{"kty":"EC"}]}`)},
	} {
		_, err := newWorld(t).connect(t, okta.Options{OAuth: &o})
		f, ok := finding.From(err)
		if !ok || f.Code != finding.IdPAuth || f.Remedy == "" || strings.Contains(fmt.Sprintf("%v %+v", err, f), "MARKER") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t)
	if _, err := w.connect(t, okta.Options{Token: secret.New("t"), OAuth: service(t, false)}); !finding.Is(err, finding.IdPAuth) {
		t.Errorf("two credentials: %v", err)
	}
}

// readsAndWrites is the check that a credential works: a read and a write.
func readsAndWrites(t *testing.T, w *world) error {
	doc, err := w.tenant.Read(t.Context(), w.app)
	if err != nil {
		return err
	}
	return w.tenant.Write(t.Context(), doc, nil)
}

// What Okta may answer to the token request, and what to do about it.
func TestTokenErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*sim.ServiceApp)
		dpop   bool
		code   finding.Code
		remedy string
	}{
		{"unknown client", func(a *sim.ServiceApp) { a.ClientID = "another" }, false, finding.IdPAuth, "client_id"},
		{"unknown key", func(a *sim.ServiceApp) { a.Keys = nil }, false, finding.IdPAuth, "key_id"},
		{"scope not granted", func(a *sim.ServiceApp) { a.Scopes = []string{"okta.apps.read"} }, false, finding.IdPPermission, "okta.apps.manage"},
		{"no admin role", func(a *sim.ServiceApp) { a.NoRole = true }, false, finding.IdPPermission, "admin role"},
		{"not in the resource set", func(a *sim.ServiceApp) { a.Apps = []string{} }, false, finding.IdPPermission, "resource set"},
		{"DPoP required", func(a *sim.ServiceApp) { a.DPoP = true }, false, finding.IdPAuth, "set dpop to true"},
		{"DPoP given and required", func(a *sim.ServiceApp) { a.DPoP = true }, true, "", ""},
		{"DPoP given and not required", func(*sim.ServiceApp) {}, true, "", ""},
		{"in the resource set", func(a *sim.ServiceApp) { a.Apps = append(a.Apps, "*") }, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			app := serviceApp(t, false)
			tt.change(&app)
			if len(app.Apps) == 1 {
				app.Apps[0] = string(w.app)
			}
			if err := w.org.PutServiceApp(app); err != nil {
				t.Fatal(err)
			}
			tenant, err := w.connect(t, okta.Options{OAuth: service(t, tt.dpop)})
			w.tenant = must(t, tenant, err)
			err = readsAndWrites(t, w)
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f, _ := finding.From(err)
			if f.Code != tt.code || !strings.Contains(f.Remedy, tt.remedy) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Answers of the token endpoint that are none.
func TestOddTokenAnswers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"html": "<html>", "empty": "{}", "no life": `{"access_token":"MARKER-SECRET","token_type":"Bearer"}`,
		"another type":     `{"access_token":"MARKER-SECRET","token_type":"DPoP","expires_in":3600}`,
		"header injection": `{"access_token":"MARKER-SECRET\r\nX: y","token_type":"Bearer","expires_in":3600}`,
		"over already":     `{"access_token":"MARKER-SECRET","token_type":"Bearer","expires_in":-5}`,
	} {
		w := serviceWorld(t, false)
		w.Answer = func(r *http.Request) *http.Response {
			if r.URL.Path == "/oauth2/v1/token" {
				return reply(200, body)
			}
			return nil
		}
		_, err := w.tenant.Read(t.Context(), w.app)
		if !finding.Is(err, finding.IdPAnswer) || strings.Contains(err.Error(), "MARKER") || len(w.Calls()) != 1 {
			t.Errorf("%s: %v after %d requests", name, err, len(w.Calls()))
		}
	}
}

// A token endpoint in trouble is a fault that may pass.
func TestTokenEndpointDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := serviceWorld(t, false)
		w.org.SetTokenEndpointDown(true)
		_, err := w.tenant.Read(t.Context(), w.app)
		if !finding.Is(err, finding.IdPUnreachable) || w.org.TokenRequests() != 4 {
			t.Errorf("read: %v after %d token requests", err, w.org.TokenRequests())
		}
		err = w.tenant.Write(t.Context(), idp.Document{ID: w.app, Raw: json.RawMessage(`{}`)}, nil)
		var again *idp.RetryError
		if !errors.As(err, &again) || !finding.Is(err, finding.IdPUnreachable) {
			t.Errorf("write: %v", err)
		}
	})
}

// spec 9.2: warmed every minute, a move needs no token for 29 minutes after the
// token endpoint has begun to refuse.
func TestTokenFreshness(t *testing.T) {
	t.Parallel()
	idptest.RunFreshness(t, idptest.Freshness{Harness: fieldHarness, Life: time.Hour})
}

// A token that ends or is revoked in the middle of a move is replaced once.
func TestTokenRevokedMidway(t *testing.T) {
	t.Parallel()
	for _, dpop := range []bool{false, true} {
		w := serviceWorld(t, dpop)
		doc, err := w.tenant.Read(t.Context(), w.app)
		must(t, doc, err)
		w.org.RevokeTokens()
		w.Forget()
		if err := w.tenant.Write(t.Context(), doc, nil); err != nil {
			t.Errorf("dpop %v: %v", dpop, err)
		}
		if got := len(w.Calls()); got != 3 { // refused, token, again
			t.Errorf("dpop %v: %d requests", dpop, got)
		}
	}
}

// A missing feature is no matter of tokens: the same token stays in use.
func TestMissingFeatureKeepsTheToken(t *testing.T) {
	t.Parallel()
	w := serviceWorld(t, false)
	w.Answer = func(r *http.Request) *http.Response {
		if r.URL.Path == "/oauth2/v1/token" {
			return nil
		}
		return reply(401, `{"errorCode":"E0000015","errorSummary":"You do not have permission to access the feature you are requesting"}`)
	}
	if _, err := w.tenant.Read(t.Context(), w.app); !finding.Is(err, finding.IdPFeature) || w.org.TokenRequests() != 1 {
		t.Errorf("%v after %d token requests", err, w.org.TokenRequests())
	}
}

// spec 15.1: neither key nor token shows in what is printed or logged at debug
// level, whether calls work or fail.
func TestCredentialsAreNeverShown(t *testing.T) {
	t.Parallel()
	w := serviceWorld(t, true)
	var out bytes.Buffer
	o := okta.Options{OAuth: service(t, true), Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	tenant, err := w.connect(t, o)
	w.tenant = must(t, tenant, err)
	if err := readsAndWrites(t, w); err != nil {
		t.Fatal(err)
	}
	if err := w.org.PutServiceApp(sim.ServiceApp{ClientID: clientID}); err != nil {
		t.Fatal(err)
	}
	w.org.RevokeTokens()
	_, err = w.tenant.Read(t.Context(), w.app)
	f, _ := finding.From(err)
	fmt.Fprintf(&out, "%v %+v %+v %#v %+v", err, f, w.tenant, w.tenant, o)
	if !strings.Contains(out.String(), "level=DEBUG") || err == nil {
		t.Fatalf("nothing to look at: %v", err)
	}
	for _, r := range w.Calls() {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		for what, secret := range map[string]string{"access token": token, "proof": r.Header.Get("DPoP"), "body": string(r.Body)} {
			if len(secret) > 20 && strings.Contains(out.String(), secret) {
				t.Errorf("the %s of %s %s shows", what, r.Method, r.Path)
			}
		}
	}
	if line := strings.Split(o.OAuth.Key.Reveal(), "\n")[3]; strings.Contains(out.String(), line) {
		t.Error("the private key shows")
	}
}

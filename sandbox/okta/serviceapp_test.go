package okta_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/okta"
)

// client is a service app's side, written out by hand so that each part of a
// request can be wrong on its own.
type client struct {
	t    *testing.T
	org  *okta.Org
	key  *rsa.PrivateKey
	dpop *ecdsa.PrivateKey
}

const tokenURL = "https://" + host + "/oauth2/v1/token"

func newClient(t *testing.T, change func(*okta.ServiceApp)) client {
	t.Helper()
	key, err := testKey()
	if err != nil {
		t.Fatal(err)
	}
	dpop, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	app := okta.ServiceApp{ClientID: "client", Keys: map[string]crypto.PublicKey{"k1": key.Public()}, Scopes: []string{"okta.apps.read", "okta.apps.manage"}}
	if change != nil {
		change(&app)
	}
	o := newOrg(t, customApp, catalogueApp)
	if err := o.PutServiceApp(app); err != nil {
		t.Fatal(err)
	}
	return client{t, o, key, dpop}
}

type claims map[string]any

func (c claims) with(k string, v any) claims {
	if v == nil {
		delete(c, k)
	} else {
		c[k] = v
	}
	return c
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (c client) assertion() claims {
	now := time.Now()
	return claims{"iss": "client", "sub": "client", "aud": tokenURL, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": rand.Text()}
}

func (c client) sign(header, payload claims) string {
	input := encoded(header) + "." + encoded(payload)
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, c.key, crypto.SHA256, sum[:])
	if err != nil {
		c.t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (c client) proof(method, target, nonce, token string) claims {
	out := claims{"htm": method, "htu": target, "iat": time.Now().Unix(), "jti": rand.Text()}
	if nonce != "" {
		out["nonce"] = nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		out["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return out
}

func (c client) jwk() claims {
	p, err := c.dpop.PublicKey.Bytes()
	if err != nil {
		c.t.Fatal(err)
	}
	return claims{"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(p[1:33]), "y": base64.RawURLEncoding.EncodeToString(p[33:])}
}

func (c client) signProof(header, payload claims) string {
	input := encoded(header) + "." + encoded(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, c.dpop, sum[:])
	if err != nil {
		c.t.Fatal(err)
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(out)
}

func (c client) proofHeader() claims {
	return claims{"alg": "ES256", "typ": "dpop+jwt", "jwk": c.jwk()}
}

// ask sends a token request; fields change the form, proof is the DPoP header.
func (c client) ask(assertion, proof string, fields ...string) answer {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"okta.apps.read okta.apps.manage"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest("POST", tokenURL, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	w := httptest.NewRecorder()
	c.org.Sites()[0].Handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.Bytes()}
}

func (a answer) text(t *testing.T, key string) string {
	s, _ := parse(t, a.body)[key].(string)
	return s
}

func (c client) header() claims { return claims{"alg": "RS256", "kid": "k1"} }

// swapClaims puts other claims into a signed token.
func swapClaims(token string, other claims) string {
	parts := strings.Split(token, ".")
	return parts[0] + "." + encoded(other) + "." + parts[2]
}

// Each rule for a client assertion, with the one thing that breaks it.
func TestClientAssertions(t *testing.T) {
	t.Parallel()
	c := newClient(t, nil)
	now := time.Now()
	for _, tt := range []struct {
		name, why string // why is part of the description; "" = accepted
		text      string
	}{
		{"good", "", c.sign(c.header(), c.assertion())},
		{"just under an hour", "", c.sign(c.header(), c.assertion().with("exp", now.Add(59*time.Minute).Unix()))},
		{"no JWT", "not a JWT", "x"},
		{"not base64url", "not a JWT", "?.?.?"},
		{"unknown client", "known client", c.sign(c.header(), c.assertion().with("sub", "x").with("iss", "x"))},
		{"another issuer", "known client", c.sign(c.header(), c.assertion().with("iss", "x"))},
		{"no kid", "kid", c.sign(claims{"alg": "RS256"}, c.assertion())},
		{"unknown kid", "kid", c.sign(c.header().with("kid", "k2"), c.assertion())},
		{"alg none", "signature", c.sign(c.header().with("alg", "none"), c.assertion())},
		{"alg HS256", "signature", c.sign(c.header().with("alg", "HS256"), c.assertion())},
		{"alg of another key", "signature", c.sign(c.header().with("alg", "ES256"), c.assertion())},
		{"tampered", "signature", swapClaims(c.sign(c.header(), c.assertion()), c.assertion())},
		{"audience is the org", "audience", c.sign(c.header(), c.assertion().with("aud", "https://"+host))},
		{"audience is another server", "audience", c.sign(c.header(), c.assertion().with("aud", "https://"+host+"/oauth2/default/v1/token"))},
		{"expired", "expired", c.sign(c.header(), c.assertion().with("exp", now.Add(-time.Second).Unix()))},
		{"no expiry", "expired", c.sign(c.header(), c.assertion().with("exp", nil))},
		{"more than an hour", "one hour", c.sign(c.header(), c.assertion().with("exp", now.Add(61*time.Minute).Unix()))},
		{"from the future", "future", c.sign(c.header(), c.assertion().with("iat", now.Add(10*time.Minute).Unix()))},
		{"no jti", "jti", c.sign(c.header(), c.assertion().with("jti", nil))},
	} {
		a := c.ask(tt.text, "")
		if tt.why == "" {
			if a.status != http.StatusOK || a.text(t, "token_type") != "Bearer" {
				t.Errorf("%s: %d %s", tt.name, a.status, a.body)
			}
			continue
		}
		if a.status != http.StatusUnauthorized || a.text(t, "error") != "invalid_client" || !strings.Contains(a.text(t, "error_description"), tt.why) {
			t.Errorf("%s: %d %s", tt.name, a.status, a.body)
		}
	}
	again := c.sign(c.header(), c.assertion())
	if c.ask(again, "").status != http.StatusOK || c.ask(again, "").text(t, "error") != "invalid_client" {
		t.Error("an assertion is taken twice")
	}
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(a *okta.ServiceApp) { a.Scopes = []string{"okta.apps.read"} })
	for _, tt := range []struct{ field, value, want string }{
		{"scope", "okta.apps.read", ""}, {"scope", "okta.apps.read okta.apps.manage", "invalid_scope"}, {"scope", "", "invalid_scope"},
		{"grant_type", "password", "unsupported_grant_type"}, {"client_assertion_type", "", "invalid_client"},
	} {
		if got := c.ask(c.sign(c.header(), c.assertion()), "", "scope", "okta.apps.read", tt.field, tt.value).text(t, "error"); got != tt.want {
			t.Errorf("%s=%q: error %q, want %q", tt.field, tt.value, got, tt.want)
		}
	}
	if a := call(c.org, "GET", "/oauth2/v1/token", ""); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", a.status)
	}
	if a := call(c.org, "POST", "/oauth2/v1/token", "{}"); a.text(t, "error") != "invalid_request" {
		t.Errorf("JSON: %s", a.body)
	}
}

// bearer returns a token for all scopes.
func (c client) bearer() string {
	a := c.ask(c.sign(c.header(), c.assertion()), "")
	if a.status != http.StatusOK {
		c.t.Fatalf("%d %s", a.status, a.body)
	}
	return a.text(c.t, "access_token")
}

// What a token may do: scopes and role and resource set, all of them.
func TestScopesAndRoles(t *testing.T) {
	t.Parallel()
	const one = "/api/v1/apps/0oacustom"
	for _, tt := range []struct {
		name        string
		change      func(*okta.ServiceApp)
		scope       string
		read, write int
		listed      int
	}{
		{"everything", nil, "okta.apps.read okta.apps.manage", 200, 200, 2},
		{"read only", nil, "okta.apps.read", 200, 403, 2},
		{"manage only", nil, "okta.apps.manage", 403, 200, -1},
		{"no role", func(a *okta.ServiceApp) { a.NoRole = true }, "okta.apps.read okta.apps.manage", 403, 403, -1},
		{"this app only", func(a *okta.ServiceApp) { a.Apps = []string{"0oacustom"} }, "okta.apps.read okta.apps.manage", 200, 200, 1},
		{"another app only", func(a *okta.ServiceApp) { a.Apps = []string{"0oacat"} }, "okta.apps.read okta.apps.manage", 403, 403, 1},
		{"no app", func(a *okta.ServiceApp) { a.Apps = []string{} }, "okta.apps.read okta.apps.manage", 403, 403, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, tt.change)
			auth := "Bearer " + c.ask(c.sign(c.header(), c.assertion()), "", "scope", tt.scope).text(t, "access_token")
			if a := call(c.org, "GET", one, "", "Authorization", auth); a.status != tt.read {
				t.Errorf("read: %d %s", a.status, a.body)
			}
			if a := call(c.org, "PUT", one, customApp, "Authorization", auth); a.status != tt.write {
				t.Errorf("write: %d %s", a.status, a.body)
			}
			var list []any
			_ = json.Unmarshal(call(c.org, "GET", "/api/v1/apps", "", "Authorization", auth).body, &list)
			if tt.listed >= 0 && len(list) != tt.listed {
				t.Errorf("%d apps listed", len(list))
			}
		})
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, nil)
		read := func(token string) answer {
			return call(c.org, "GET", "/api/v1/apps/0oacustom", "", "Authorization", "Bearer "+token)
		}
		token := c.bearer()
		time.Sleep(time.Hour - time.Second)
		if a := read(token); a.status != 200 {
			t.Errorf("in its last second: %d", a.status)
		}
		time.Sleep(time.Second)
		if a := read(token); a.status != 401 || a.code() != "E0000011" || !strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_token") {
			t.Errorf("at its end: %d %s", a.status, a.code())
		}
		token = c.bearer()
		c.org.RevokeTokens()
		if a := read(token); a.status != 401 {
			t.Errorf("revoked: %d", a.status)
		}
		c.org.SetTokenEndpointDown(true)
		if a := c.ask(c.sign(c.header(), c.assertion()), ""); a.status != 503 || c.org.TokenRequests() != 3 {
			t.Errorf("down: %d after %d requests", a.status, c.org.TokenRequests())
		}
	})
}

// The nonce dance, and each rule for a proof with the one thing that breaks it.
func TestProofs(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(a *okta.ServiceApp) { a.DPoP = true })
	ask := func(proof string) answer { return c.ask(c.sign(c.header(), c.assertion()), proof) }
	if got := ask("").text(t, "error"); got != "invalid_dpop_proof" {
		t.Errorf("without a proof: %s", got)
	}
	first := ask(c.signProof(c.proofHeader(), c.proof("POST", tokenURL, "", "")))
	nonce := first.header.Get("DPoP-Nonce")
	if first.status != 400 || first.text(t, "error") != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("without a nonce: %d %s", first.status, first.body)
	}
	given := ask(c.signProof(c.proofHeader(), c.proof("POST", tokenURL, nonce, "")))
	token := given.text(t, "access_token")
	if given.status != 200 || given.text(t, "token_type") != "DPoP" {
		t.Fatalf("with the nonce: %d %s", given.status, given.body)
	}
	const path = "/api/v1/apps/0oacustom"
	target := "https://" + host + path
	api := func(scheme, proof string) answer {
		return call(c.org, "GET", path, "", "Authorization", scheme+" "+token, "DPoP", proof)
	}
	good := func() claims { return c.proof("GET", target, "", token) }
	if a := api("DPoP", c.signProof(c.proofHeader(), good())); a.status != 200 {
		t.Errorf("good proof: %d %s", a.status, a.body)
	}
	used := c.signProof(c.proofHeader(), good())
	api("DPoP", used)
	other := c
	other.dpop, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for name, a := range map[string]answer{
		"as Bearer":         api("Bearer", c.signProof(c.proofHeader(), good())),
		"no proof":          call(c.org, "GET", path, "", "Authorization", "DPoP "+token),
		"used twice":        api("DPoP", used),
		"another method":    api("DPoP", c.signProof(c.proofHeader(), good().with("htm", "PUT"))),
		"another URL":       api("DPoP", c.signProof(c.proofHeader(), good().with("htu", tokenURL))),
		"no ath":            api("DPoP", c.signProof(c.proofHeader(), good().with("ath", nil))),
		"old":               api("DPoP", c.signProof(c.proofHeader(), good().with("iat", time.Now().Add(-time.Hour).Unix()))),
		"no jti":            api("DPoP", c.signProof(c.proofHeader(), good().with("jti", nil))),
		"another typ":       api("DPoP", c.signProof(c.proofHeader().with("typ", "JWT"), good())),
		"another key's":     api("DPoP", other.signProof(other.proofHeader(), good())),
		"key not in header": api("DPoP", other.signProof(c.proofHeader(), good())),
		"no jwk":            api("DPoP", c.signProof(c.proofHeader().with("jwk", nil), good())),
		"private jwk":       api("DPoP", c.signProof(c.proofHeader().with("jwk", c.jwk().with("d", "AA")), good())),
	} {
		if a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	c.org.SetReadings(okta.Readings{APINonce: true})
	wanted := api("DPoP", c.signProof(c.proofHeader(), good()))
	if wanted.status != 401 || !strings.Contains(wanted.header.Get("WWW-Authenticate"), "use_dpop_nonce") {
		t.Errorf("the API wants a nonce: %d %v", wanted.status, wanted.header)
	}
	if a := api("DPoP", c.signProof(c.proofHeader(), good().with("nonce", wanted.header.Get("DPoP-Nonce")))); a.status != 200 {
		t.Errorf("with it: %d %s", a.status, a.body)
	}
}

// A nonce changes every day, and an old one is good for three more.
func TestNoncesChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, func(a *okta.ServiceApp) { a.DPoP = true })
		ask := func(nonce string) answer {
			return c.ask(c.sign(c.header(), c.assertion()), c.signProof(c.proofHeader(), c.proof("POST", tokenURL, nonce, "")))
		}
		first := ask("").header.Get("DPoP-Nonce")
		time.Sleep(24 * time.Hour)
		if next := ask("").header.Get("DPoP-Nonce"); next == first || next == "" {
			t.Errorf("after a day: %q", next)
		}
		time.Sleep(72*time.Hour - time.Second)
		if a := ask(first); a.status != 200 {
			t.Errorf("in its last second: %d", a.status)
		}
		time.Sleep(time.Second)
		if a := ask(first); a.status != 400 {
			t.Errorf("after four days: %d", a.status)
		}
	})
}

// Both readings of each point that is not documented.
func TestReadings(t *testing.T) {
	t.Parallel()
	for _, other := range []bool{false, true} {
		o := newOrg(t)
		id, err := o.AddAccountApp("AWS", okta.AccountSettings{OverrideACS: west, RelayState: "https://us-west-2.console.aws.amazon.com/"})
		if err != nil {
			t.Fatal(err)
		}
		addAda(t, o, everything, id)
		o.SetReadings(okta.Readings{NullClearsSecrets: other, NullKeepsOverride: other, FieldMovesACSOnly: other})
		p := openApp(t, o, "/home/amazon_aws/"+id+"/1")
		follows := strings.Contains(string(p.response), fmt.Sprintf(`Recipient="%s"`, west))
		if p.action != west || follows == other {
			t.Errorf("reading %v: form for %q, recipient follows %v", other, p.action, follows)
		}
		o.SetSecret(id, "secretKey", "hush")
		doc := getApp(t, o, id)
		change(doc, "settings.app.overrideAcsURL", "null")
		if a := put(o, id, doc); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if _, kept := o.Secret(id, "secretKey"); kept == other {
			t.Errorf("reading %v: secret kept %v", other, kept)
		}
		if got := at(getApp(t, o, id), "settings.app.overrideAcsURL"); (got == west) != other {
			t.Errorf("reading %v: overrideAcsURL %v", other, got)
		}
	}
}

// An account app without an override signs in at the standard endpoint, with
// the three overrides where they say; decoys sign in nowhere.
func TestAccountAppSignsIn(t *testing.T) {
	t.Parallel()
	for _, s := range []okta.AccountSettings{{}, {Overrides: west}, {OverrideACS: west}} {
		o := newOrg(t)
		id, err := o.AddAccountApp("AWS", s)
		if err != nil {
			t.Fatal(err)
		}
		addAda(t, o, everything, id)
		want := east
		if s != (okta.AccountSettings{}) {
			want = west
		}
		p := openApp(t, o, "/home/amazon_aws/"+id+"/1")
		assertion, err := accept(t, o, id, p, want)
		if err != nil || p.action != want || len(attributesOf(assertion)["https://aws.amazon.com/SAML/Attributes/Role"]) != 2 {
			t.Errorf("%+v: form for %q, %v", s, p.action, err)
		}
	}
	o := newOrg(t)
	for _, id := range o.AddDecoys() {
		doc := getApp(t, o, id)
		if doc["signOnMode"] == "SAML_2_0" && doc["name"] == "amazon_aws" {
			t.Errorf("%s is no decoy", id)
		}
	}
}

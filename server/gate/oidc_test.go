package gate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/problem"
)

const issuerURL = "https://login.example/tenant"

// rsaKey is made once: making one takes long.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// idp plays an issuer in memory.
type idp struct {
	mu    sync.Mutex
	keys  []jose.JSONWebKey
	down  bool
	asked []string
	alter func(path string, body []byte) []byte
}

// RoundTrip implements http.RoundTripper.
func (p *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.URL.String())
	if p.down {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	var body []byte
	switch r.URL.String() {
	case issuerURL + "/.well-known/openid-configuration":
		body, _ = json.Marshal(map[string]string{"issuer": issuerURL, "jwks_uri": issuerURL + "/keys"})
	case issuerURL + "/keys", "https://keys.example/set?a=1":
		set := jose.JSONWebKeySet{}
		for _, k := range p.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		body, _ = json.Marshal(set)
	default:
		w.WriteHeader(404)
	}
	if p.alter != nil {
		body = p.alter(r.URL.Path, body)
	}
	_, _ = w.Write(body)
	return w.Result(), nil
}

func (p *idp) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *idp) questions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

func key(t testing.TB, id string, k any) jose.JSONWebKey {
	t.Helper()
	return jose.JSONWebKey{Key: k, KeyID: id, Use: "sig"}
}

func ecKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key(t, id, k)
}

// claims of a good token, but for pairs of names and values; a nil value leaves
// the claim out.
func claims(change ...any) map[string]any {
	out := map[string]any{"iss": issuerURL, "sub": "ada", "aud": "samlfailover", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "groups": []string{"ops"}}
	for i := 0; i+1 < len(change); i += 2 {
		if out[change[i].(string)] = change[i+1]; change[i+1] == nil {
			delete(out, change[i].(string))
		}
	}
	return out
}

// token signs claims.
func token(t testing.TB, k jose.JSONWebKey, alg jose.SignatureAlgorithm, c map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: k}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	text, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// raw writes a token without a signature of ours.
func raw(header string, c map[string]any, sig string) string {
	body, _ := json.Marshal(c)
	e := base64.RawURLEncoding
	return e.EncodeToString([]byte(header)) + "." + e.EncodeToString(body) + "." + e.EncodeToString([]byte(sig))
}

// withIssuer is a gate that takes tokens of the issuer.
func withIssuer(t testing.TB, p *idp, change func(*IssuerOptions)) (http.Handler, *journal) {
	t.Helper()
	network, err := outbound.New(outbound.Settings{RoundTripper: p})
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	o := IssuerOptions{Issuer: issuerURL, Audience: "samlfailover", Federations: []string{"prod"}, Highest: people.Operator, Groups: "groups", Network: network, Log: log.logger()}
	if change != nil {
		change(&o)
	}
	iss, err := NewIssuer(o)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := stand(t, func(g *Options) {
		g.Issuers, g.Log, g.Limits.FailedLogins = []*Issuer{iss}, log.logger(), 1000
	})
	return h, log
}

// Tokens that do not count are refused each for its own reason, and none of them
// is in the log.
//
// spec 13.6
func TestTokensThatDoNotCount(t *testing.T) {
	t.Parallel()
	k, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	good := key(t, "one", k)
	p := &idp{keys: []jose.JSONWebKey{good}}
	h, log := withIssuer(t, p, nil)
	public, err := json.Marshal(good.Public())
	if err != nil {
		t.Fatal(err)
	}
	stranger := ecKey(t, "one")
	for _, c := range []struct{ why, token, says string }{
		{"none", raw(`{"alg":"none"}`, claims(), ""), "signed in a way that does not count"},
		{"none in capitals", raw(`{"alg":"NONE","kid":"one"}`, claims(), ""), "signed in a way that does not count"},
		{"HS256 with the public key as its secret", token(t, jose.JSONWebKey{Key: public, KeyID: "one"}, jose.HS256, claims()), "signed in a way that does not count"},
		{"the right key id, another's key", token(t, stranger, jose.ES256, claims()), "signature is not the issuer's"},
		{"an unknown key", token(t, ecKey(t, "two"), jose.ES256, claims()), "signature is not the issuer's"},
		{"another audience", token(t, good, jose.RS256, claims("aud", "somebody-else")), "another audience"},
		{"no audience", token(t, good, jose.RS256, claims("aud", nil)), "another audience"},
		{"expired", token(t, good, jose.RS256, claims("exp", time.Now().Add(-time.Second).Unix())), "expired"},
		{"no expiry", token(t, good, jose.RS256, claims("exp", nil)), "expired"},
		{"not valid yet", token(t, good, jose.RS256, claims("nbf", time.Now().Add(time.Hour).Unix())), "not valid yet"},
		{"another issuer", token(t, good, jose.RS256, claims("iss", "https://evil.example")), "an issuer that is not configured"},
		{"an issuer with a slash more", token(t, good, jose.RS256, claims("iss", issuerURL+"/")), "an issuer that is not configured"},
		{"no subject", token(t, good, jose.RS256, claims("sub", nil)), "no subject"},
		{"nobody's subject", token(t, good, jose.RS256, claims("sub", "stranger")), "its subject is nobody's"},
		{"changed after it was signed", changed(token(t, good, jose.RS256, claims())), "signature is not the issuer's"},
		{"a key in the header", raw(`{"alg":"RS256","jwk":`+string(public)+`}`, claims(), "x"), "not one that counts"},
		{"a JSON bomb for claims", raw(`{"alg":"RS256"}`, nil, "x")[:8] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 2000))) + ".eA", "not configured"},
	} {
		res := knock(h, "GET", "/x", "", auth("Bearer "+c.token))
		p := problemIn(t, res)
		if res.StatusCode != 401 || !strings.Contains(p.Detail, c.says) || p.Code() != problem.BadCredential {
			t.Errorf("%s: %d %q, want %q", c.why, res.StatusCode, p.Detail, c.says)
		}
		if strings.Contains(log.text(), c.token) || strings.Contains(p.Detail, c.token[:20]) {
			t.Errorf("%s: the token is in the log or the answer", c.why)
		}
	}
}

// changed makes the subject another one and keeps the signature.
func changed(token string) string {
	parts := strings.Split(token, ".")
	body, _ := base64.RawURLEncoding.DecodeString(parts[1])
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(body), `"ada"`, `"eve"`, 1)))
	return strings.Join(parts, ".")
}

// A good token counts, with no more than its issuer may give (spec 13.6): nobody
// is asked before the first one comes, a key that is known needs nobody again,
// and new keys are found when they come.
func TestIssuer(t *testing.T) {
	t.Parallel()
	k, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		first, second := key(t, "one", k), ecKey(t, "two")
		p := &idp{keys: []jose.JSONWebKey{first}}
		h, _ := withIssuer(t, p, nil)
		get := func(tok string) (int, string) {
			res := knock(h, "GET", "/x", "", auth("Bearer "+tok))
			b, _ := io.ReadAll(res.Body)
			return res.StatusCode, string(b)
		}
		if p.questions() > 0 {
			t.Error("the issuer was asked before anybody came")
		}
		if status, _ := knockToken(h, adasToken); status != 200 || p.questions() > 0 {
			t.Errorf("a personal token: %d, and the issuer was asked %d times", status, p.questions())
		}
		for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.RS512, jose.PS256} {
			if status, text := get(token(t, first, alg, claims())); status != 200 || text != "adaops via oidc sent 0 bytes" {
				t.Fatalf("%s: %d %s", alg, status, text)
			}
		}
		if p.questions() != 2 {
			t.Errorf("asked %q, want discovery and keys once", p.asked)
		}
		if status, text := get(token(t, first, jose.RS256, claims("aud", []string{"a", "samlfailover"}, "groups", "alone"))); status != 200 || text != "adaalone via oidc sent 0 bytes" {
			t.Errorf("several audiences, one group: %d %s", status, text)
		}
		// The issuer dies: what is known goes on, what is new does not.
		p.set(func() { p.down = true; p.keys = append(p.keys, second) })
		if status, _ := get(token(t, first, jose.RS256, claims())); status != 200 {
			t.Errorf("with the issuer down a known key's token gets %d", status)
		}
		time.Sleep(time.Minute)
		status, text := get(token(t, second, jose.ES256, claims()))
		if status != 401 || !strings.Contains(text, "issuer-unreached") || !strings.Contains(text, "personal token") {
			t.Errorf("with the issuer down a new key's token gets %d %s", status, text)
		}
		asked := p.questions()
		for range 50 {
			get(token(t, second, jose.ES256, claims()))
		}
		if n := p.questions() - asked; n > 1 {
			t.Errorf("50 tokens with unknown keys made us ask %d times", n)
		}
		p.set(func() { p.down = false })
		time.Sleep(time.Minute)
		if status, text := get(token(t, second, jose.ES256, claims())); status != 200 {
			t.Errorf("after the rotation: %d %s", status, text)
		}
		time.Sleep(time.Minute)
	})
}

func knockToken(h http.Handler, tok string) (int, string) {
	res := knock(h, "GET", "/x", "", auth("Bearer "+tok))
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// The caller of a token has what its issuer may give, whatever the person has.
func TestIssuerLimits(t *testing.T) {
	t.Parallel()
	k := ecKey(t, "one")
	network, err := outbound.New(outbound.Settings{RoundTripper: &idp{keys: []jose.JSONWebKey{k}}})
	if err != nil {
		t.Fatal(err)
	}
	iss, err := NewIssuer(IssuerOptions{Issuer: issuerURL, Audience: "samlfailover", Federations: []string{"prod"}, Highest: people.Operator, Groups: "groups", Network: network, Log: (&journal{}).logger()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(Options{Callers: folk{}, Issuers: []*Issuer{iss}, Hosts: []string{"failover.example"}, Log: (&journal{}).logger()})
	if err != nil {
		t.Fatal(err)
	}
	var got people.Caller
	h := g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = CallerOf(r.Context()) }))
	knock(h, "GET", "/x", "", auth("Bearer "+token(t, k, jose.ES256, claims())))
	if got.Grants.String() != "operator in prod" {
		t.Errorf("an admin by a limited issuer: %s", got.Grants)
	}
}

// Answers of an issuer that cannot be what they should be leave its tokens
// uncounted.
func TestBadIssuers(t *testing.T) {
	t.Parallel()
	for why, alter := range map[string]func(path string, body []byte) []byte{
		"another issuer's discovery": func(_ string, b []byte) []byte {
			return []byte(strings.Replace(string(b), issuerURL+`"`, `https://evil.example"`, 1))
		},
		"keys on another host": func(_ string, b []byte) []byte {
			return []byte(strings.Replace(string(b), issuerURL+"/keys", "https://evil.example/keys", 1))
		},
		"no keys":       func(path string, b []byte) []byte { return []byte(strings.Replace(string(b), `"sig"`, `"enc"`, 1)) },
		"not JSON":      func(string, []byte) []byte { return []byte("<html>") },
		"a JSON bomb":   func(string, []byte) []byte { return []byte(strings.Repeat("[", 100000)) },
		"too many bits": func(string, []byte) []byte { return []byte(strings.Repeat(" ", 2<<20)) },
	} {
		k := ecKey(t, "one")
		p := &idp{keys: []jose.JSONWebKey{k}, alter: alter}
		h, log := withIssuer(t, p, nil)
		if status, text := knockToken(h, token(t, k, jose.ES256, claims())); status != 401 || !strings.Contains(text, "issuer-unreached") {
			t.Errorf("%s: %d %s", why, status, text)
		}
		if !strings.Contains(log.text(), "cannot be read") || strings.Contains(fmt.Sprint(p.asked), "evil") {
			t.Errorf("%s: asked %s, log %s", why, p.asked, log.text())
		}
	}
	// Named keys on another host are read from there, without discovery.
	k := ecKey(t, "one")
	p := &idp{keys: []jose.JSONWebKey{k}}
	h, _ := withIssuer(t, p, func(o *IssuerOptions) { o.Keys = "https://keys.example/set?a=1" })
	if status, text := knockToken(h, token(t, k, jose.ES256, claims())); status != 200 || len(p.asked) != 1 {
		t.Errorf("named keys: %d %s, asked %q", status, text, p.asked)
	}
}

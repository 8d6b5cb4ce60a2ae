package okta_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sim "github.com/samlfailover/samlfailover/sandbox/okta"
)

// tamper is a client that gets proof of possession wrong in one way.
type tamper func(r *http.Request, previous string)

// provesPossession is the check: with a service app that requires DPoP, a read
// and a write work, before and after the nonce changed, under both readings of
// whether the API wants a nonce too.
func provesPossession(t *testing.T, spoil tamper) (err error) {
	for _, apiNonce := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := serviceWorld(t, true)
			w.org.SetReadings(sim.Readings{APINonce: apiNonce})
			previous := ""
			if spoil != nil {
				w.Answer = func(r *http.Request) *http.Response {
					now := r.Header.Get("DPoP")
					spoil(r, previous)
					previous = now
					return nil
				}
			}
			for range 3 {
				if e := readsAndWrites(t, w); e != nil {
					err = e
				}
				w.org.ExpireNonces()
				time.Sleep(40 * time.Minute)
			}
		})
	}
	return err
}

func TestDPoP(t *testing.T) {
	t.Parallel()
	if err := provesPossession(t, nil); err != nil {
		t.Error(err)
	}
}

func onAPI(f func(*http.Request)) tamper {
	return func(r *http.Request, _ string) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			f(r)
		}
	}
}

func TestDPoPSaboteurs(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]tamper{
		"sends Bearer to a DPoP app": onAPI(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "DPoP ", "Bearer ", 1))
		}),
		"sends no proof": onAPI(func(r *http.Request) { r.Header.Del("DPoP") }),
		"sends a proof twice": func(r *http.Request, previous string) {
			if previous != "" {
				r.Header.Set("DPoP", previous)
			}
		},
		"proves for another method": onAPI(func(r *http.Request) {
			if r.Method == http.MethodPut {
				r.Method = http.MethodPost
			}
		}),
		"changes the claims": onAPI(func(r *http.Request) {
			parts := strings.Split(r.Header.Get("DPoP"), ".")
			raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
			claims := map[string]any{}
			_ = json.Unmarshal(raw, &claims)
			claims["jti"] = "another"
			raw, _ = json.Marshal(claims)
			parts[1] = base64.RawURLEncoding.EncodeToString(raw)
			r.Header.Set("DPoP", strings.Join(parts, "."))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := provesPossession(t, spoil); err == nil {
				t.Error("it passes")
			} else {
				t.Log("caught:", err)
			}
		})
	}
}

// The proof names exactly what it is for, and never carries the private key.
func TestProofContents(t *testing.T) {
	t.Parallel()
	w := serviceWorld(t, true)
	if _, err := w.tenant.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range w.Calls() {
		parts := strings.Split(r.Header.Get("DPoP"), ".")
		if len(parts) != 3 {
			t.Fatalf("%s %s: no proof", r.Method, r.Path)
		}
		part := func(i int) map[string]any {
			raw, err := base64.RawURLEncoding.DecodeString(parts[i])
			must(t, raw, err)
			v := map[string]any{}
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		header, claims := part(0), part(1)
		key, _ := header["jwk"].(map[string]any)
		if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || key["kty"] != "EC" || key["d"] != nil {
			t.Errorf("header %v", header)
		}
		if claims["htm"] != r.Method || claims["htu"] != "https://"+host+r.Path || claims["iat"] == nil {
			t.Errorf("claims %v for %s %s", claims, r.Method, r.Path)
		}
		jti, _ := claims["jti"].(string)
		if jti == "" || seen[jti] {
			t.Errorf("jti %q is missing or was used", jti)
		}
		seen[jti] = true
		if _, bound := claims["ath"]; bound != strings.HasPrefix(r.Path, "/api/") {
			t.Errorf("%s: ath present: %v", r.Path, bound)
		}
	}
	if len(seen) != 3 { // token without and with nonce, list
		t.Errorf("%d proofs", len(seen))
	}
}

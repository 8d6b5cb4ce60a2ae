package okta

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"
)

// access is what a request may do. wrong is why its credential is not taken.
type access struct {
	read, write bool
	apps        []string // nil = all
	wrong       *refusal
}

// accessKey is where a request's access stands in its context.
type accessKey struct{}

// sees reports whether an app is in the credential's resource set.
func (a access) sees(id string) bool { return a.apps == nil || slices.Contains(a.apps, id) }

// touches reports whether a path is open to the credential: the list is, and
// shows only the apps of the resource set.
func (a access) touches(path string) bool {
	rest, isApp := strings.CutPrefix(path, "/api/v1/apps/")
	id, _, _ := strings.Cut(rest, "/")
	return !isApp || a.sees(id)
}

// access reads the credential of a request: an SSWS token, or the access token
// of a service app.
func (o *Org) access(r *http.Request) access {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case token == "":
		return access{wrong: refused("", "")}
	case strings.EqualFold(scheme, "Bearer"), strings.EqualFold(scheme, "DPoP"):
		o.clients.mu.Lock()
		defer o.clients.mu.Unlock()
		return o.clients.access(r, "https://"+o.o.Host+r.URL.Path, scheme, token, time.Now())
	case scheme != "SSWS":
		return access{wrong: refused("", "")}
	}
	same := func(want string) bool {
		return want != "" && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1
	}
	if a := (access{read: same(o.o.APIToken) || same(o.o.ReaderToken), write: same(o.o.APIToken)}); a.read {
		if !o.faults.isAdmin() {
			return access{}
		}
		return a
	}
	return access{wrong: refused("", "")}
}

// access is what an access token allows: its scopes and its client's role, both
// (Okta developer docs). A token that is bound to a key counts only with a proof
// by that key. The caller holds mu.
func (c *clients) access(r *http.Request, url, scheme, token string, now time.Time) access {
	g, known := c.tokens[token]
	switch {
	case !known || !g.ends.After(now):
		return access{wrong: refused("invalid_token", "The access token is invalid or expired.")}
	case (g.thumbprint != "") != strings.EqualFold(scheme, "DPoP"):
		return access{wrong: refused("invalid_token", "The access token is not of the type that the scheme says.")}
	}
	if g.thumbprint != "" {
		thumbprint, wrong := c.proof(r, url, token, now)
		if wrong == nil && thumbprint != g.thumbprint {
			wrong = refused("invalid_dpop_proof", "The access token is bound to another key.")
		}
		if wrong != nil {
			return access{wrong: wrong}
		}
	}
	app := c.apps[g.client]
	has := func(scope string) bool { return !app.NoRole && slices.Contains(g.scopes, scope) }
	return access{read: has(readScope), write: has(manageScope), apps: app.Apps}
}

// deny answers a request whose credential is not taken.
func (w *refusal) deny(out http.ResponseWriter) {
	if w.code != "" {
		scheme := "Bearer"
		if strings.Contains(w.code, "dpop") {
			scheme = "DPoP"
		}
		out.Header().Set("WWW-Authenticate", scheme+` error="`+w.code+`", error_description="`+w.description+`"`)
	}
	if w.nonce != "" {
		out.Header().Set("DPoP-Nonce", w.nonce)
	}
	badToken().write(out)
}

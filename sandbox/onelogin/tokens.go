package onelogin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// Credential is a pair for the API. Its scope is fixed.
type Credential struct {
	ClientID, Secret string
	Scope            Scope
}

// Scope is what a credential may do in the whole account.
type Scope string

// OneLogin's scopes, as far as they matter here. ReadAll sees apps; ManageAll
// also writes them and lists connectors; the others only make assertions.
const (
	ReadAll            Scope = "Read All"
	ManageAll          Scope = "Manage All"
	ManageUsers        Scope = "Manage Users"
	AuthenticationOnly Scope = "Authentication Only"
)

// tokens holds the credentials and the one token set of each.
type tokens struct {
	life time.Duration

	mu          sync.Mutex
	credentials map[string]*credential
	revocations int
}

type credential struct {
	Credential
	orphan bool // the administrator who made it was deleted
	set    tokenSet
}

// tokenSet is what every request of a credential gets until it ends.
type tokenSet struct {
	access, refresh string
	created         time.Time
}

func newTokens(o Options) (*tokens, error) {
	t := &tokens{life: o.TokenLife, credentials: map[string]*credential{}}
	for _, c := range o.Credentials {
		switch c.Scope {
		case ReadAll, ManageAll, ManageUsers, AuthenticationOnly:
		default:
			return nil, fmt.Errorf("make a sandbox OneLogin account: credential %s: there is no scope %q", c.ClientID, c.Scope)
		}
		if c.ClientID == "" || c.Secret == "" || t.credentials[c.ClientID] != nil {
			return nil, errors.New("make a sandbox OneLogin account: every credential needs a client id of its own and a secret")
		}
		t.credentials[c.ClientID] = &credential{Credential: c}
	}
	return t, nil
}

// newToken is 64 hexadecimal digits.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// ExpireTokens ends every token now; the next request makes new ones.
func (t *Tenant) ExpireTokens() {
	t.tokens.mu.Lock()
	defer t.tokens.mu.Unlock()
	for _, c := range t.tokens.credentials {
		c.set = tokenSet{}
	}
}

// AgeToken makes the token set of a credential so old: another process asked
// for it long ago. There is one afterwards, even if nobody had asked yet.
func (t *Tenant) AgeToken(clientID string, age time.Duration) error {
	return t.tokens.change(clientID, func(c *credential) {
		if c.set.access == "" {
			c.set.access, c.set.refresh = newToken(), newToken()
		}
		c.set.created = time.Now().Add(-age)
	})
}

// DeleteOwner deletes the administrator who made a credential: from then on all
// that is done with it fails with 500.
func (t *Tenant) DeleteOwner(clientID string) error {
	return t.tokens.change(clientID, func(c *credential) { c.orphan = true })
}

// SetScope changes what a credential may do, as if it had been made so.
func (t *Tenant) SetScope(clientID string, s Scope) error {
	return t.tokens.change(clientID, func(c *credential) { c.Scope = s })
}

// Revocations counts the token sets that a client revoked: each one was taken
// from every process with the same credential.
func (t *Tenant) Revocations() int {
	t.tokens.mu.Lock()
	defer t.tokens.mu.Unlock()
	return t.tokens.revocations
}

func (t *tokens) change(clientID string, f func(*credential)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.credentials[clientID]
	if c == nil {
		return fmt.Errorf("change OneLogin credential %s: there is none", clientID)
	}
	f(c)
	return nil
}

// current returns the credential's token set, a new one if it has ended.
func (t *tokens) current(c *credential, now time.Time, always bool) tokenSet {
	if always || c.set.access == "" || !now.Before(c.set.created.Add(t.life)) {
		c.set = tokenSet{newToken(), newToken(), now}
	}
	return c.set
}

// bearer says whose token a request carries. The documents write both
// "bearer TOKEN" and "bearer:TOKEN".
func (t *tokens) bearer(r *http.Request, now time.Time) (Credential, bool, *apiError) {
	scheme, token, _ := strings.Cut(strings.Replace(r.Header.Get("Authorization"), ":", " ", 1), " ")
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.credentials {
		live := c.set.access != "" && now.Before(c.set.created.Add(t.life))
		if strings.EqualFold(scheme, "bearer") && live && subtle.ConstantTimeCompare([]byte(c.set.access), []byte(token)) == 1 {
			if c.orphan {
				return Credential{}, false, internal()
			}
			return c.Credential, true, nil
		}
	}
	return Credential{}, false, unauthorized("Unauthorized")
}

// request is what a client says at a token endpoint.
type request struct {
	id, secret string
	fields     map[string]string
}

// readRequest understands the three documented ways: JSON with Basic or with
// the header "client_id:ID, client_secret:SECRET", and a form with both in the
// body.
func readRequest(w http.ResponseWriter, r *http.Request) (request, bool) {
	q := request{fields: map[string]string{}}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return q, false
	}
	switch media {
	case "application/json":
		body, refused := readObject(w, r)
		if refused != nil {
			return q, false
		}
		for k := range body {
			q.fields[k] = jsontree.Text(body, k)
		}
	case "application/x-www-form-urlencoded":
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if r.ParseForm() != nil {
			return q, false
		}
		for k := range r.PostForm {
			q.fields[k] = r.PostForm.Get(k)
		}
		q.id, q.secret = q.fields["client_id"], q.fields["client_secret"]
	default:
		return q, false
	}
	if id, secret, ok := r.BasicAuth(); ok {
		q.id, q.secret = id, secret
	}
	if id, secret, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "client_id:"), ", client_secret:"); ok {
		q.id, q.secret = strings.TrimSpace(id), strings.TrimSpace(secret)
	}
	return q, true
}

// holder finds the credential of a request; the caller holds mu.
func (t *tokens) holder(q request) (*credential, *apiError) {
	c := t.credentials[q.id]
	switch {
	case c == nil || subtle.ConstantTimeCompare([]byte(q.secret), []byte(c.Secret)) != 1:
		return nil, &apiError{status: http.StatusUnauthorized, message: "Authentication Failure", old: true}
	case c.orphan:
		e := internal()
		e.old = true
		return nil, e
	}
	return c, nil
}

// serveToken is POST /auth/oauth2/v2/token, and /auth/oauth2/token with its
// older habits: another shape, and a new token set that ends the former one.
func (t *Tenant) serveToken(v1 bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, ok := readRequest(w, r)
		if grant := q.fields["grant_type"]; !ok || grant != "client_credentials" {
			// Refreshing is not simulated.
			t.fail(w, &apiError{status: http.StatusBadRequest, message: "grant_type is incorrect/absent", old: true})
			return
		}
		now := time.Now()
		t.tokens.mu.Lock()
		c, refused := t.tokens.holder(q)
		var set tokenSet
		if refused == nil {
			set = t.tokens.current(c, now, v1)
		}
		t.tokens.mu.Unlock()
		if refused != nil {
			t.fail(w, refused)
			return
		}
		body := t.showToken(set, now, v1)
		if v1 {
			body = object{"status": status(http.StatusOK, "Success"), "data": []any{body}}
		}
		writeJSON(w, http.StatusOK, encode(body))
	}
}

func (t *Tenant) showToken(set tokenSet, now time.Time, v1 bool) object {
	expires := t.o.TokenLife
	if t.o.Readings.ExpiresInIsLeft && !v1 {
		expires = set.created.Add(t.o.TokenLife).Sub(now)
	}
	return object{"access_token": set.access, "refresh_token": set.refresh, "token_type": "bearer", "account_id": 555555,
		"created_at": set.created.UTC().Format("2006-01-02T15:04:05.000Z"), "expires_in": int(expires / time.Second)}
}

// serveRevoke is POST /auth/oauth2/revoke: the token set ends for everybody who
// shares the credential.
func (t *Tenant) serveRevoke(w http.ResponseWriter, r *http.Request) {
	q, ok := readRequest(w, r)
	t.tokens.mu.Lock()
	c, refused := t.tokens.holder(q)
	switch {
	case refused != nil:
	case !ok || q.fields["access_token"] != c.set.access || c.set.access == "":
		refused = &apiError{status: http.StatusBadRequest, message: "access_token is incorrect/absent", old: true}
	default:
		c.set = tokenSet{}
		t.tokens.revocations++
	}
	t.tokens.mu.Unlock()
	if refused != nil {
		t.fail(w, refused)
		return
	}
	writeJSON(w, http.StatusOK, encode(object{"status": status(http.StatusOK, "Success")}))
}

package onelogin

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
)

// routes is everything that the account's host serves.
func (t *Tenant) routes() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("/api/2/apps", t.allow(t.serveApps, ReadAll, ManageAll))
	api.HandleFunc("/api/2/apps/{id}", t.allow(t.serveApp, ReadAll, ManageAll))
	api.HandleFunc("/api/2/apps/{id}/parameters/{parameter}", t.allow(t.serveParameter, ManageAll))
	api.HandleFunc("/api/2/connectors", t.allow(t.serveConnectors, ManageAll))
	api.HandleFunc("/api/2/saml_assertion", t.allow(t.serveAssertion, ManageAll, ManageUsers, AuthenticationOnly))
	api.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { t.fail(w, notFound()) })
	mux := http.NewServeMux()
	mux.Handle("/api/", t.guard(api))
	mux.HandleFunc("POST /auth/oauth2/v2/token", t.serveToken(false))
	mux.HandleFunc("POST /auth/oauth2/token", t.serveToken(true))
	mux.HandleFunc("POST /auth/oauth2/revoke", t.serveRevoke)
	mux.HandleFunc("GET /auth/rate_limit", t.serveRateLimit)
	mux.HandleFunc("GET /saml/metadata/{uuid}", t.serveMetadata)
	mux.HandleFunc("/launch/{id}", func(w http.ResponseWriter, r *http.Request) { t.pages.OpenTile(w, r, r.PathValue("id")) })
	mux.HandleFunc("/trust/saml2/http-post/sso/{id}", t.serveSSO)
	mux.Handle("/", t.pages)
	return mux
}

// guard does what every API call has in common: rate limit, then token (the
// order is ours). The scope is each call's own matter.
func (t *Tenant) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", newToken()[:32]) // ours: no document names a request id
		s, room := t.rate.take(1)
		if !t.o.Readings.NoRateHeaders {
			s.write(w.Header())
		}
		if !room {
			if t.o.Readings.RetryAfter {
				w.Header().Set("Retry-After", strconv.Itoa(s.reset))
			}
			t.fail(w, rateExceeded())
			return
		}
		if _, ok, refused := t.tokens.bearer(r, time.Now()); !ok {
			t.fail(w, refused)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allow lets only some scopes through, and for writes of apps only ManageAll.
func (t *Tenant) allow(next http.HandlerFunc, scopes ...Scope) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, ok, refused := t.tokens.bearer(r, time.Now())
		if !ok {
			t.fail(w, refused)
			return
		}
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !slices.Contains(scopes, c.Scope) || !reads && c.Scope == ReadAll {
			t.fail(w, t.tooSmall())
			return
		}
		next(w, r)
	}
}

func (t *Tenant) tooSmall() *apiError {
	if t.o.Readings.ScopeIs401 {
		return unauthorized("Insufficient Permission")
	}
	return &apiError{status: http.StatusForbidden, message: "Insufficient Permission"}
}

func (t *Tenant) serveApp(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		t.readApp(w, r.PathValue("id"))
	case http.MethodPut:
		t.putApp(w, r, r.PathValue("id"))
	default:
		t.fail(w, wrongMethod()) // creating and deleting apps is not simulated
	}
}

func (t *Tenant) readApp(w http.ResponseWriter, id string) {
	a, ok := t.snapshot(id)
	if !ok {
		t.fail(w, notFound())
		return
	}
	t.script.AfterRead(id)
	writeJSON(w, http.StatusOK, encode(a.seen(time.Now())))
}

func (t *Tenant) putApp(w http.ResponseWriter, r *http.Request, id string) {
	sent, refused := readObject(w, r)
	if refused == nil {
		t.script.Arrived(id)
		if t.script.ReadOnly() || mishap.IsReadOnly(r.Context()) {
			refused = readOnlyMode()
		}
	}
	if refused != nil {
		t.fail(w, refused)
		return
	}
	doc, lost, refused := t.put(id, sent)
	switch {
	case refused != nil:
		t.fail(w, refused)
	case lost:
		panic(http.ErrAbortHandler) // net/http's own way to cut a connection
	case t.o.Readings.AnswerOnlyID:
		writeJSON(w, http.StatusOK, encode(object{"id": doc["id"]}))
	default:
		writeJSON(w, http.StatusOK, encode(doc))
	}
}

// put merges what was sent into an app; it returns the app as the answer shows
// it and whether the answer gets lost.
func (t *Tenant) put(id string, sent object) (doc object, lost bool, refused *apiError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.find(id)
	if a == nil {
		return nil, false, notFound()
	}
	next, refused := t.merge(a.doc, sent)
	if refused != nil {
		return nil, false, refused
	}
	now := time.Now()
	if !t.o.Readings.UpdatedAtStays || touchesMore(sent) {
		next["updated_at"] = stamp(now)
	}
	effect := t.script.Take()
	if effect.Ignore {
		return next, effect.LoseAnswer, nil
	}
	stored := jsontree.Clone(next)
	if effect.Lose != "" {
		jsontree.Remove(stored, effect.Lose)
	}
	a.before, a.shown = a.seen(now), now.Add(t.o.Readings.ReadLag)
	a.earlier, a.settled = a.signsOnWith(time.Now()), time.Now().Add(t.o.Readings.SignOnLag)
	a.doc, a.raw = stored, encode(stored)
	return next, effect.LoseAnswer, nil
}

// touchesMore says whether a body holds more than configuration and parameters.
func touchesMore(sent object) bool {
	for k := range sent {
		if k != "configuration" && k != "parameters" {
			return true
		}
	}
	return false
}

// maxBody is the largest request body that is read.
const maxBody = 8 << 20

// readObject reads the JSON object in a request.
func readObject(w http.ResponseWriter, r *http.Request) (object, *apiError) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, malformed()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, malformed()
	}
	sent, err := jsontree.Decode(body)
	if err != nil {
		return nil, malformed()
	}
	return sent, nil
}

// whole reads a JSON number that is a whole one, in whatever form.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, true
		}
		f, err := v.Float64()
		return int64(f), err == nil && f == float64(int64(f))
	}
	return 0, false
}

func lower(s string) string { return strings.ToLower(s) }

// encode writes JSON with the keys in the order of OneLogin's examples.
func encode(v any) []byte { return keyOrder().Encode(v) }

var keyOrder = sync.OnceValue(func() jsontree.Order {
	return jsontree.NewOrder(`id name visible description notes icon_url auth_method policy_id provisioning enabled allow_assumed_signin tab_id
brand_id connector_id role_ids sso metadata_url acs_url sls_url issuer certificate value configuration created_at updated_at parameters label
user_attribute_mappings user_attribute_macros attributes_transformations default_values values skip_if_blank provisioned_entitlements
safe_entitlements_enabled include_in_saml_assertion enforcement_point allows_new_parameters access_token expires_in refresh_token token_type
account_id message statusCode status error code type data`)
})

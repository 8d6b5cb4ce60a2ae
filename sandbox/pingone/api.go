package pingone

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
)

// apiRoutes is everything that the host of the admin API serves.
func (t *Tenant) apiRoutes() http.Handler {
	mux := http.NewServeMux()
	const apps = "/v1/environments/{env}/applications"
	mux.Handle(apps, t.guard(t.serveApps))
	mux.Handle(apps+"/{app}", t.guard(t.serveApp))
	mux.Handle(apps+"/{app}/attributes", t.guard(t.serveMappings))
	mux.Handle(apps+"/{app}/attributes/{id}", t.guard(t.serveMapping))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { t.fail(w, notFound()) })
	return correlated(mux)
}

// signOnRoutes is everything that the host of sign-on serves.
func (t *Tenant) signOnRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{env}/as/token", t.serveToken)
	mux.HandleFunc("GET /{env}/saml20/metadata/{app}", t.serveMetadata)
	mux.HandleFunc("GET /{env}/saml20/idp/startsso", t.serveStart)
	mux.HandleFunc("/{env}/saml20/idp/sso", serveNoRequest)
	mux.HandleFunc("GET /{env}/saml20/resume", t.serveResume)
	mux.HandleFunc("/{env}/flows/{flow}", t.serveFlow)
	mux.HandleFunc("/{env}/", func(w http.ResponseWriter, r *http.Request) {
		if pages := t.pages[r.PathValue("env")]; pages != nil {
			pages.ServeHTTP(w, r)
			return
		}
		t.fail(w, notFound())
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { t.fail(w, notFound()) })
	return correlated(mux)
}

// correlated gives every answer an id for support, and repeats the client's own
// transaction and session ids, cleaned, or makes some.
func correlated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Correlation-Id", uuid(rand.Text()))
		for _, h := range []string{"X-Ping-External-Transaction-ID", "X-Ping-External-Session-ID"} {
			w.Header().Set(h, cmp.Or(cleanID(r.Header.Get(h)), uuid(rand.Text())))
		}
		next.ServeHTTP(w, r)
	})
}

// cleanID keeps the characters that an external id may have; others become
// underscores (OpenAPI description, parameters of every operation).
func cleanID(id string) string {
	kept := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.L, unicode.M, unicode.N) || strings.ContainsRune("._-/`@=#+", r) {
			return r
		}
		return '_'
	}, id)
	return string([]rune(kept)[:min(len([]rune(kept)), 100)])
}

// served is a handler of the admin API for a request that may come in.
type served func(w http.ResponseWriter, r *http.Request, may rights)

// guard does what every call has in common: token, rate limit, environment,
// role, in this order (the order is ours).
func (t *Tenant) guard(next served) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		env, id := r.PathValue("env"), r.PathValue("app")
		may, ok := t.tokens.rights(r, time.Now())
		isWrite := r.Method != http.MethodGet && r.Method != http.MethodHead
		switch {
		case !ok:
			t.fail(w, badToken())
		case t.environment(env) == nil:
			t.fail(w, notFound())
		case !t.limits[env].take(w.Header()):
			t.fail(w, rateExceeded())
		case !may.reads(env, id), isWrite && !may.writes(env, id):
			t.fail(w, forbidden())
		case isWrite && (t.script.ReadOnly() || mishap.IsReadOnly(r.Context())):
			t.fail(w, readOnlyMode())
		default:
			next(w, r, may)
		}
	})
}

func (t *Tenant) serveApp(w http.ResponseWriter, r *http.Request, _ rights) {
	switch r.Method {
	case http.MethodGet:
		t.readApp(w, r)
	case http.MethodPut:
		t.putApp(w, r)
	default:
		t.fail(w, wrongMethod())
	}
}

// appOf returns the application in the path, if it is in that environment.
func (t *Tenant) appOf(r *http.Request) (app, bool) {
	a, ok := t.snapshot(r.PathValue("app"))
	return a, ok && a.env == r.PathValue("env")
}

func (t *Tenant) readApp(w http.ResponseWriter, r *http.Request) {
	a, ok := t.appOf(r)
	if !ok {
		t.fail(w, notFound())
		return
	}
	t.script.AfterRead(a.id)
	t.writeJSON(w, http.StatusOK, a.seen(time.Now()))
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

func (t *Tenant) putApp(w http.ResponseWriter, r *http.Request) {
	sent, refused := readObject(w, r)
	if refused != nil {
		t.fail(w, refused)
		return
	}
	t.script.Arrived(r.PathValue("app"))
	raw, lost, refused := t.put(r.PathValue("env"), r.PathValue("app"), sent)
	switch {
	case refused != nil:
		t.fail(w, refused)
	case lost:
		panic(http.ErrAbortHandler) // net/http's own way to cut a connection
	default:
		t.writeJSON(w, http.StatusOK, raw)
	}
}

// put replaces an application; it returns what the answer shows and whether the
// answer gets lost.
func (t *Tenant) put(env, id string, sent object) (raw []byte, lost bool, refused *apiError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.environment(env)
	a := e.find(id)
	if a == nil {
		return nil, false, notFound()
	}
	if refused := t.check(e, a, sent); refused != nil {
		return nil, false, refused
	}
	effect, now := t.script.Take(), time.Now()
	answer := app{}
	answer.store(replace(a.doc, sent, e.keys[0].id), now)
	if effect.Ignore {
		return answer.raw, effect.LoseAnswer, nil
	}
	stored := jsontree.Clone(answer.doc)
	if effect.Lose != "" {
		jsontree.Remove(stored, effect.Lose)
	}
	a.before, a.shown = a.seen(now), now.Add(t.o.Readings.ReadLag)
	a.earlier, a.settled = a.signsOnWith(now), now.Add(t.o.Readings.SignOnLag)
	a.store(stored, now)
	return answer.raw, effect.LoseAnswer, nil
}

// serveApps is the list. The API has no filter and no limit; unknown query
// parameters are ignored.
func (t *Tenant) serveApps(w http.ResponseWriter, r *http.Request, may rights) {
	env := r.PathValue("env")
	switch {
	case r.Method != http.MethodGet:
		t.fail(w, wrongMethod()) // creating applications is not simulated
		return
	case may.onlyOwns(env) && t.o.Readings.OwnerCannotList:
		t.fail(w, forbidden())
		return
	}
	var all [][]byte
	t.mu.Lock()
	for _, a := range t.environment(env).apps {
		if may.reads(env, a.id) {
			all = append(all, a.seen(time.Now()))
		}
	}
	t.mu.Unlock()
	t.list(w, r, "applications", all)
}

// list writes one HAL page of a list. A cursor is where the page begins, so it
// shifts when applications come and go.
func (t *Tenant) list(w http.ResponseWriter, r *http.Request, name string, all [][]byte) {
	self := "https://" + t.apiHost + r.URL.Path
	start, size := 0, len(all)
	if t.o.Readings.PageSize > 0 && name == "applications" {
		size = t.o.Readings.PageSize
	}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		if n, err := fmt.Sscanf(cursor, "from-%d", &start); n != 1 || err != nil || start < 0 || start > len(all) {
			t.fail(w, invalid(wrong("cursor", "must be a cursor that this list gave")))
			return
		}
		self += "?cursor=" + fmt.Sprintf("from-%d", start)
	}
	end := min(start+size, len(all))
	links := object{"self": object{"href": self}}
	if end < len(all) {
		links["next"] = object{"href": "https://" + t.apiHost + r.URL.Path + fmt.Sprintf("?cursor=from-%d", end)}
	}
	body := []byte(`{"_links":` + string(encode(links)) + `,"_embedded":{"` + name + `":[`)
	for i, raw := range all[start:end] {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, raw...)
	}
	body = append(body, "]}"...)
	if !t.o.Readings.NoCounts {
		body = fmt.Appendf(body, `,"count":%d,"size":%d`, len(all), end-start)
	}
	t.writeJSON(w, http.StatusOK, append(body, '}'))
}

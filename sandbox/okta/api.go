package okta

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
)

// routes is everything that the org's host serves.
func (o *Org) routes() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("/api/v1/apps", o.serveApps)
	api.HandleFunc("/api/v1/apps/{id}", o.serveApp)
	api.HandleFunc("/api/v1/apps/{id}/sso/saml/metadata", o.serveMetadata)
	api.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		notFound(r.URL.Path, "Endpoint").write(w)
	})
	mux := http.NewServeMux()
	mux.Handle("/api/", o.guard(api))
	mux.HandleFunc("/oauth2/v1/token", o.serveToken)
	mux.HandleFunc("/home/{name}/{id}/{link}", func(w http.ResponseWriter, r *http.Request) {
		o.pages.OpenTile(w, r, r.PathValue("id"))
	})
	mux.HandleFunc("/app/{name}/{key}/sso/saml", o.serveSSO)
	mux.HandleFunc("/api/v1/authn", o.serveAuthn)
	mux.HandleFunc("/login/sessionCookieRedirect", o.serveSession)
	mux.Handle("/", o.pages)
	return mux
}

// guard does what every admin API answer has in common: request id, rate
// limit, token, permission, read-only mode, in this order.
func (o *Org) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Okta-Request-Id", strings.ToLower(rand.Text()))
		withinRate := o.rate.take(w.Header())
		may := o.access(r)
		isWrite := r.Method != http.MethodGet && r.Method != http.MethodHead
		switch {
		case !withinRate:
			rateExceeded().write(w)
		case may.wrong != nil:
			may.wrong.deny(w)
		case isWrite && !may.write || !isWrite && !may.read || !may.touches(r.URL.Path):
			forbidden().write(w)
		case isWrite && (o.faults.isReadOnly() || mishap.IsReadOnly(r.Context())):
			readOnlyMode().write(w)
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accessKey{}, may)))
		}
	})
}

func (o *Org) serveApps(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		wrongMethod().write(w)
		return
	}
	o.list(w, r)
}

func (o *Org) serveApp(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		o.readApp(w, r.PathValue("id"))
	case http.MethodPut:
		o.putApp(w, r, r.PathValue("id"))
	default:
		wrongMethod().write(w)
	}
}

func (o *Org) readApp(w http.ResponseWriter, id string) {
	a, ok := o.snapshot(id)
	if !ok {
		notFound(id, "AppInstance").write(w)
		return
	}
	o.faults.afterRead(id)
	writeJSON(w, http.StatusOK, a.raw)
}

// maxBody is the largest request body that is read.
const maxBody = 8 << 20

func (o *Org) putApp(w http.ResponseWriter, r *http.Request, id string) {
	sent, refused := readObject(w, r)
	if refused != nil {
		refused.write(w)
		return
	}
	o.faults.arrived(id)
	raw, fault, refused := o.put(id, sent)
	switch {
	case refused != nil:
		refused.write(w)
	case fault.loseAnswer:
		panic(http.ErrAbortHandler) // net/http's own way to cut a connection
	default:
		writeJSON(w, http.StatusOK, raw)
	}
}

// readObject reads the JSON object in a request.
func readObject(w http.ResponseWriter, r *http.Request) (object, *apiError) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, wrongMediaType()
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

// put replaces an app and returns what the answer shows.
func (o *Org) put(id string, sent object) ([]byte, effect, *apiError) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.find(id)
	if a == nil {
		return nil, effect{}, notFound(id, "AppInstance")
	}
	if k := kid(sent); k != "" && a.keys[k] == nil {
		return nil, effect{}, invalid("credentials.signing.kid", "kid: The app has no such signing key")
	}
	next := replace(a.doc, sent, newKid(id, len(a.keys)+1))
	if refused := check(a.doc, sent, next); refused != nil {
		return nil, effect{}, refused
	}
	o.keepOverride(a.doc, sent, next)
	fault := o.faults.take()
	answer := app{id: id, keys: a.keys}
	o.store(&answer, next)
	if fault.ignore {
		return answer.raw, fault, nil
	}
	o.keepSecrets(a, sent)
	a.earlier, a.settled = a.signsOnWith(time.Now()), time.Now().Add(o.readings.SignOnLag)
	stored := jsontree.Clone(next)
	if fault.lose != "" {
		jsontree.Remove(stored, fault.lose)
	}
	o.store(a, stored)
	return answer.raw, fault, nil
}

func (o *Org) serveMetadata(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if r.Method != http.MethodGet {
		wrongMethod().write(w)
		return
	}
	metadata, err := o.metadata(id, r.URL.Query().Get("kid"))
	if refused, ok := errors.AsType[*missing](err); ok {
		notFound(id, refused.kind).write(w)
		return
	}
	if err != nil {
		internal().write(w)
		return
	}
	w.Header().Set("Content-Type", "application/xml;charset=ISO-8859-1") // as recorded
	_, _ = w.Write(metadata)
}

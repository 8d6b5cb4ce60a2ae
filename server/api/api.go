package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/server"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/problem"
)

// UseCases is what the API translates to; *control.Control is one.
type UseCases interface {
	server.UseCases
	Propose(ctx context.Context, actor control.Actor, r control.MoveRequest) (control.VoteAnswer, error)
	Proposals(ctx context.Context, actor control.Actor, r control.ProposalsRequest) (control.ProposalList, error)
	Approve(ctx context.Context, actor control.Actor, r control.VoteRequest, follow func(control.MoveEvent)) (control.VoteAnswer, error)
	Reject(ctx context.Context, actor control.Actor, r control.VoteRequest) (control.VoteAnswer, error)
	Evaluate(ctx context.Context, actor control.Actor, federation string) (control.Decision, error)
	Audit(ctx context.Context, actor control.Actor, r control.AuditRequest) (control.AuditAnswer, error)
	News(actor control.Actor, after int) control.News
}

// Options make an API. Commands answers what the command line asks over the
// network; nil: nothing does.
type Options struct {
	Version  string
	Keys     Box // where answers to requests with an Idempotency-Key are kept; nil: in memory
	Commands http.Handler
	Log      *slog.Logger
}

// API are the routes. Use may be called at any time; before it, every request is
// answered with 503. Close it when done.
type API struct {
	o      Options
	use    atomic.Pointer[UseCases]
	keys   *keys
	looks  looks
	huma   huma.API
	routes http.Handler

	ctx    context.Context // of the moves that go on after their request has been answered
	cancel context.CancelFunc
	moving sync.WaitGroup
}

// Base is where the API's routes begin; CommandsBase where those of the command
// line do.
const (
	Base         = "/api/v1"
	CommandsBase = "/commands"
)

// New makes the routes.
func New(o Options) *API {
	if o.Keys == nil {
		o.Keys = NewMemory()
	}
	a := &API{o: o, keys: newKeys(o.Keys)}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	ownErrors()
	r := chi.NewRouter()
	r.Use(noteRoute, a.looks.watch)
	r.NotFound(func(w http.ResponseWriter, req *http.Request) {
		send(w, req, problem.New(problem.NoRoute, http.StatusNotFound, "this controller does not know the route", "see /api/openapi.json for those that it knows"))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if r.Match(chi.NewRouteContext(), method, req.URL.Path) {
				w.Header().Add("Allow", method)
			}
		}
		send(w, req, problem.New(problem.NoRoute, http.StatusMethodNotAllowed, "this route does not take the method "+short(req.Method), "see /api/openapi.json for those that it takes"))
	})
	r.Get("/api/openapi.json", a.openAPI)
	r.Handle(CommandsBase+"/*", a.commands())
	r.Group(func(r chi.Router) {
		r.Use(a.keys.wrap)
		a.huma = humachi.New(r, a.config())
		a.looking()
		a.moves()
		a.restore()
		a.proposals()
		a.brakes()
		a.records()
	})
	a.routes = r
	return a
}

// Use makes new requests go to other use cases.
func (a *API) Use(u UseCases) { a.use.Store(&u) }

// Keep makes new requests keep their keys in another box; nil: in memory, for a
// controller that does not lead and so carries nothing out.
func (a *API) Keep(b Box) {
	if b == nil {
		b = NewMemory()
	}
	a.keys.in(b)
}

// Handler returns the routes, for a gate to stand before.
func (a *API) Handler() http.Handler { return a.routes }

// Close gives up waiting for moves, which go on, and joins what was waiting.
func (a *API) Close() {
	a.cancel()
	a.moving.Wait()
}

// Spec returns the API's description as OpenAPI 3.1.
func (a *API) Spec() ([]byte, error) { return a.huma.OpenAPI().MarshalJSON() } //nolint:wrapcheck // said by the caller

func (a *API) openAPI(w http.ResponseWriter, r *http.Request) {
	text, err := a.Spec()
	if err != nil {
		send(w, r, a.fault(r.Context(), err))
		return
	}
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	_, _ = w.Write(text) // whoever asked may be gone
}

// commands hands a request of the command line on, with its caller.
func (a *API) commands() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.o.Commands == nil || a.use.Load() == nil {
			send(w, r, notStarted())
			return
		}
		r = r.WithContext(server.WithActor(r.Context(), gate.CallerOf(r.Context())))
		http.StripPrefix(CommandsBase, a.o.Commands).ServeHTTP(w, r)
	})
}

// noteRoute tells the gate which route answers.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if c := chi.RouteContext(r.Context()); c != nil {
			gate.Routed(r.Context(), c.RoutePattern())
		}
	})
}

// config is huma's, without what it shows to strangers: no page with scripts of
// others, no links to schemas.
func (a *API) config() huma.Config {
	c := huma.DefaultConfig("samlfailover", a.o.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	c.RejectUnknownQueryParameters = true
	c.Formats = map[string]huma.Format{"application/json": asJSON(), "json": asJSON()}
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.Info.Description = "The controller's use cases over HTTP. Every refusal is a problem (RFC 9457) with a stable type; docs/api.md has a guide and the list of types."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer":      {Type: "http", Scheme: "bearer", Description: "A personal or shared token of people in the config, or a token of an OIDC issuer under server.oidc."},
		"certificate": {Type: "mutualTLS", Description: "A client certificate of the CA in server.client_ca."},
	}
	c.Security = []map[string][]string{{"bearer": {}}, {"certificate": {}}}
	return c
}

// schemaName names a type in the description: with its package, since several
// have a Result.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	pkg := t.PkgPath()
	pkg = pkg[strings.LastIndex(pkg, "/")+1:]
	switch pkg {
	case "", "api", "control", "problem":
		return name
	}
	if strings.EqualFold(pkg, name) {
		return name
	}
	return string(unicode.ToUpper(rune(pkg[0]))) + pkg[1:] + name
}

// current returns the use cases in force.
func (a *API) current() (UseCases, error) {
	if u := a.use.Load(); u != nil {
		return *u, nil
	}
	return nil, notStarted()
}

func notStarted() *problem.Problem {
	return problem.New(problem.NotStarted, http.StatusServiceUnavailable, "the controller is still starting", "try again in a moment").With("Retry-After", "1")
}

// send writes a problem with the id of its request.
func send(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	p.Request = gate.RequestOf(r.Context())
	p.Write(w)
}

// short keeps a word of the caller's short in an answer.
func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// fault turns a use case's error into a problem. A failure that was written for
// the caller keeps its words, kind and rule, the same as on the command line;
// any other error is logged, and the caller gets the id to ask for it by.
func (a *API) fault(ctx context.Context, err error) *problem.Problem {
	if p := (*problem.Problem)(nil); errors.As(err, &p) {
		p.Request = gate.RequestOf(ctx)
		return p
	}
	status, d := server.Describe(err)
	p := problem.New(problem.Code(d.Kind), status, d.Detail, "")
	p.Kind, p.Rule, p.Finding, p.Request = string(d.Kind), d.Rule, d.Finding, gate.RequestOf(ctx)
	f := (*control.Failure)(nil)
	if !errors.As(err, &f) {
		a.o.Log.Error("a request failed", "request", p.Request, "error", err)
		p.Detail = "the controller could not carry it out"
		p.Next = "look for the request's id in the controller's log"
		if d.Finding != nil {
			p.Detail = d.Finding.Error()
		}
	}
	if _, next, ok := strings.Cut(p.Detail, "; next: "); ok {
		p.Next = next
	}
	if p.Next == "" && p.Finding != nil {
		p.Next = p.Finding.Remedy
	}
	return p
}

// ownErrors makes huma refuse in our form. It is huma's one seam for that, a
// variable of its package, and every API of this process wants the same.
func ownErrors() {
	setErrors.Do(func() {
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			return refusal(nil, status, message, errs)
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
			return refusal(ctx, status, message, errs)
		}
	})
}

var setErrors sync.Once

// refusal is a problem for what huma itself refuses: a request that is not as
// the description says. Values are not repeated: a credential may stand in the
// wrong place.
func refusal(ctx huma.Context, status int, message string, errs []error) *problem.Problem {
	code, detail, next := problem.Invalid, "the request is not what this route takes", "see fields, and /api/openapi.json"
	switch {
	case status == http.StatusNotAcceptable:
		code, detail, next = problem.NotAcceptable, "the answer cannot be had in that form", "ask for application/json"
	case status >= http.StatusInternalServerError:
		code, detail, next = problem.Failed, "the controller could not carry it out", "look for the request's id in the controller's log"
		errs = nil
	case status != http.StatusUnprocessableEntity:
		code, detail = problem.Unreadable, "the request cannot be read"
	}
	p := problem.New(code, status, detail, next)
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			e := d.ErrorDetail()
			p.Fields = append(p.Fields, problem.Fault{Field: short(e.Location), Message: e.Message})
		}
	}
	if len(p.Fields) == 0 && code != problem.Failed {
		p.Fields = []problem.Fault{{Field: "request", Message: message}}
	}
	if code == problem.Invalid {
		p.Kind = string(control.Invalid)
	}
	if ctx != nil {
		p.Request = gate.RequestOf(ctx.Context())
	}
	return p
}

// ask is the handler of a use case: it finds the caller and the use cases, and
// turns an error into a problem.
func ask[In, Out any](a *API, use func(ctx context.Context, u UseCases, who control.Actor, in *In) (*Out, error)) func(context.Context, *In) (*Out, error) {
	return func(ctx context.Context, in *In) (*Out, error) {
		u, err := a.current()
		if err != nil {
			return nil, a.fault(ctx, err)
		}
		out, err := use(ctx, u, gate.CallerOf(ctx), in)
		if err != nil {
			return nil, a.fault(ctx, err)
		}
		return out, nil
	}
}

// answer is a JSON body.
type answer[T any] struct{ Body T }

func whole[T any](v T, err error) (*answer[T], error) { return &answer[T]{v}, err }

// operation describes a route of the API.
func operation(id, method, path, tag, summary, description string, statuses ...int) huma.Operation {
	o := huma.Operation{OperationID: id, Method: method, Path: Base + path, Tags: []string{tag}, Summary: summary, Description: description,
		Errors: append([]int{401, 403, 404, 422, 429, 500, 503}, statuses...), MaxBodyBytes: -1} // the gate has bounded it
	if method == http.MethodPost || method == http.MethodDelete {
		o.Errors = append(o.Errors, 409)
		o.Parameters = []*huma.Param{{Name: KeyHeader, In: "header", Description: "A word of your own for this request, at most 200 characters: sent again with the same word and body, it is answered as it was the first time and nothing is done twice. Kept for a day, for each caller and route.", Schema: &huma.Schema{Type: "string"}}}
	}
	return o
}

// refusedBy is the problem of a decision that holds what was asked. The
// decision's findings stay in it: none of them need be why it holds.
func refusedBy(d control.Decision) *problem.Problem {
	p := problem.New(problem.Held, http.StatusConflict, d.Why, d.WouldChange)
	p.Kind, p.Rule, p.Decision = string(control.Held), d.Rule, d
	return p
}

// Package hooks is for the URLs /hooks/NAME at which alerting systems ask for a
// look, a proposal or a move. A request is checked, kept, acknowledged and then
// worked on, by whoever leads, so that what was acknowledged is neither lost nor
// done twice when a controller is killed.
//
// It must never decide: an alert can only ask (spec 13.1), and what the rules
// hold stays where it is. It must never let an alert do more than the config
// says of its hook, whatever a request holds.
package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/time/rate"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/hooks/sources"
	"github.com/samlfailover/samlfailover/server/problem"
)

// Action is what a hook asks for.
type Action string

// The actions.
const (
	Evaluate Action = "evaluate" // a look, now
	Propose  Action = "propose"  // a proposal for people to decide on
	Move     Action = "move"     // the move that the rules find due
)

// Hook is one hook as the config has it. To is the Region to ask for, "" for the
// one that the rules choose.
type Hook struct {
	Name       string
	Federation string
	Action     Action
	To         string
	Source     sources.Source
}

// Options of Hooks. Callers says as whom a hook asks.
type Options struct {
	Hooks   []Hook
	Callers Callers
	Once    Once
	Record  control.Recorder
	Log     *slog.Logger
}

// Callers knows the hooks; *people.Directory is one.
type Callers interface {
	Hook(name string) (people.Caller, bool)
}

// Once tells what was used before, on any controller; *store.Once is one.
type Once interface {
	First(ctx context.Context, kind, key string, keep time.Duration) (bool, error)
}

// Hooks answers the hooks of one config. Safe for concurrent use.
type Hooks struct {
	o      Options
	byName map[string]Hook
	told   *rate.Limiter // of refusals in the log
	routes http.Handler

	mu   sync.Mutex
	desk *desk // while this controller leads
}

const (
	// maxBody bounds a request.
	maxBody = 256 << 10
	// refusalsTold is how many refusals a second are in the log.
	refusalsTold = 1
)

// New checks the options.
func New(o Options) (*Hooks, error) {
	if o.Callers == nil || o.Once == nil || o.Record == nil || o.Log == nil {
		return nil, errors.New("hooks need callers, a replay cache, a record and a log")
	}
	h := &Hooks{o: o, byName: map[string]Hook{}, told: rate.NewLimiter(refusalsTold, 5)}
	for _, k := range o.Hooks {
		if k.Source.Kind == sources.Alertmanager && k.Action == Move {
			return nil, fmt.Errorf("hook %s: Alertmanager signs nothing, so it may ask for evaluate or propose only", k.Name)
		}
		h.byName[k.Name] = k
	}
	r := chi.NewRouter()
	r.Post("/hooks/{name}", h.take)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { h.refuse(w, r, "", unknown()) })
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, r, "", problem.New(problem.NoRoute, http.StatusMethodNotAllowed, "a hook takes POST only", "send a POST").With("Allow", http.MethodPost))
	})
	h.routes = r
	return h, nil
}

// Handler answers /hooks/NAME. It checks by itself who asks.
func (h *Hooks) Handler() http.Handler { return h.routes }

func unknown() *problem.Problem {
	return problem.New(problem.NotFound, http.StatusNotFound, "there is no such hook", "compare the URL with hooks in the config")
}

// take answers one request.
func (h *Hooks) take(w http.ResponseWriter, r *http.Request) {
	hook, known := h.byName[chi.URLParam(r, "name")]
	if !known {
		h.refuse(w, r, "", unknown())
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		h.refuse(w, r, hook.Name, unread(err))
		return
	}
	ask, err := hook.Source.Read(sources.Request{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header, Body: body}, time.Now())
	if refusal := (*sources.Refusal)(nil); errors.As(err, &refusal) {
		h.refuse(w, r, hook.Name, problem.New(problem.Code(refusal.Code), refusal.Status, refusal.Detail, refusal.Next))
		return
	}
	if ask.Ignored != "" {
		h.o.Log.Info("a hook was called and asks for nothing", "hook", hook.Name, "why", ask.Ignored)
		answer(w, http.StatusOK, taken{Status: "ignored", Why: ask.Ignored})
		return
	}
	got, refusal := h.accept(r.Context(), hook, ask)
	if refusal != nil {
		h.refuse(w, r, hook.Name, refusal)
		return
	}
	answer(w, http.StatusAccepted, got)
}

// unread is the problem of a body that did not arrive whole.
func unread(err error) *problem.Problem {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return problem.New(problem.TooLarge, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", large.Limit), "send less: for Alertmanager set max_alerts in webhook_configs")
	}
	return problem.New(problem.Unreadable, http.StatusBadRequest, "the body did not arrive whole", "send it again")
}

// refuse answers with a problem, and logs it: a few of them each second.
func (h *Hooks) refuse(w http.ResponseWriter, r *http.Request, hook string, p *problem.Problem) {
	p.Request = w.Header().Get(gate.RequestHeader)
	if p.Status == http.StatusUnauthorized {
		p = p.With("WWW-Authenticate", `Signature realm="samlfailover"`)
	}
	if h.told.Allow() {
		h.o.Log.Warn("a call of a hook was refused", "hook", hook, "from", r.RemoteAddr, "problem", p.Code(), "detail", p.Detail, "request", p.Request)
	}
	p.Write(w)
}

// taken is the answer to a request that was taken.
type taken struct {
	Status     string `json:"status"` // accepted, known (it was taken before), ignored
	Why        string `json:"why,omitempty"`
	ID         string `json:"id,omitempty"`
	Hook       string `json:"hook,omitempty"`
	Action     Action `json:"action,omitempty"`
	Federation string `json:"federation,omitempty"`
}

// accept keeps what is asked for, so that it will be worked on whatever happens
// to this process, and only then lets it be acknowledged.
func (h *Hooks) accept(ctx context.Context, hook Hook, ask sources.Ask) (taken, *problem.Problem) {
	caller, known := h.o.Callers.Hook(hook.Name)
	if !known {
		return taken{}, unknown()
	}
	h.mu.Lock()
	d := h.desk
	h.mu.Unlock()
	if d == nil {
		return taken{}, problem.New(problem.NotLeader, http.StatusServiceUnavailable, "this controller does not lead, and only the leader takes what changes something", "send it again, to another controller or in a moment").With("Retry-After", "5")
	}
	return d.accept(ctx, hook, caller, ask)
}

// Work takes and carries out what is asked for, and first what an earlier leader
// had taken and not done, until ctx ends. Call it while this controller leads,
// one call at a time.
func (h *Hooks) Work(ctx context.Context, box Box, use UseCases) {
	d := newDesk(h, box, use)
	if !d.load(ctx) {
		return
	}
	h.set(d)
	defer h.set(nil)
	d.run(ctx)
}

func (h *Hooks) set(d *desk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.desk = d
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked may be gone
}

package server

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/people"
)

// Host is the only Host header that the local socket answers to (spec 13.6).
const Host = "samlfailover"

// maxBody bounds a request.
const maxBody = 64 << 10

// UseCases is what the server translates to; *control.Control is one.
type UseCases interface {
	Looking
	Moving
	Braking
	Deciding
	Storing
}

// Storing are the use cases about the store.
type Storing interface {
	StoreReport(ctx context.Context, actor control.Actor) (control.StoreReport, error)
	Backup(ctx context.Context, actor control.Actor, r control.BackupRequest) (control.StoreManifest, error)
}

// Looking are the use cases that change nothing.
type Looking interface {
	Status(ctx context.Context, actor control.Actor) control.Status
	Plan(ctx context.Context, actor control.Actor, r control.MoveRequest) (control.Decision, error)
	Explain(ctx context.Context, actor control.Actor, federation, region string) (control.Explanation, error)
	History(ctx context.Context, actor control.Actor, r control.HistoryRequest) (control.History, error)
	Readiness(ctx context.Context, actor control.Actor, r control.ReadinessRequest) (control.ReadinessReport, error)
}

// Moving are the use cases that write to apps.
type Moving interface {
	Move(ctx context.Context, actor control.Actor, r control.MoveRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error)
	Undo(ctx context.Context, actor control.Actor, r control.UndoRequest, follow func(control.MoveEvent)) (control.MoveAnswer, error)
	RestoreFull(ctx context.Context, actor control.Actor, r control.FullRestoreRequest) (control.FullRestoreAnswer, error)
}

// Braking are the use cases about pauses and locks.
type Braking interface {
	Pause(ctx context.Context, actor control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error)
	Lock(ctx context.Context, actor control.Actor, r control.BrakeRequest) (control.BrakeAnswer, error)
	Resume(ctx context.Context, actor control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error)
	Unlock(ctx context.Context, actor control.Actor, r control.ReleaseRequest) (control.ReleaseAnswer, error)
}

// Options of a Server. Owner is the OS user of this process: the actor where
// the system does not say who is at the other end of the socket.
type Options struct {
	UseCases UseCases
	Token    string
	Owner    string
	Log      *slog.Logger
}

// Server answers the local API. Use may be called at any time.
type Server struct {
	o      Options
	who    atomic.Pointer[people.Directory]
	routes atomic.Pointer[http.Handler] // of the local socket
	open   atomic.Pointer[http.Handler] // the same without its guard
}

// New checks the options.
func New(o Options) (*Server, error) {
	if o.UseCases == nil || o.Token == "" || o.Log == nil {
		return nil, errors.New("a server needs use cases, a token and a log")
	}
	s := &Server{o: o}
	s.Use(o.UseCases)
	return s, nil
}

// Use makes new requests go to other use cases; those under way go on with the
// ones they began with.
func (s *Server) Use(u UseCases) {
	guarded, open := s.handler(u, s.catch, s.guard), s.handler(u)
	s.routes.Store(&guarded)
	s.open.Store(&open)
}

type actorKey struct{}

// Serve answers on a listener until ctx ends, then lets requests that are under
// way finish for a moment, and joins them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var under sync.WaitGroup
	defer under.Wait()
	routes := s.Handler()
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			under.Add(1)
			defer under.Done()
			routes.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			uid := peerUID(c)
			return context.WithValue(ctx, actorKey{}, sync.OnceValue(func() control.Actor {
				return s.who.Load().Local(s.name(uid), people.Socket)
			}))
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("answer on %s: %w", l.Addr(), errors.Join(err, srv.Close()))
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close() // a move's stream may go on for long; the move itself does not end with it
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stop answering on %s: %w", l.Addr(), err)
	}
	return nil
}

// Handler returns the routes behind the checks that every request passes.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.routes.Load()).ServeHTTP(w, r) })
}

// Commands returns the same routes for callers whom somebody else has let in:
// they are in the context (WithActor), and the request is within its limits. It
// is how the commands speak to a controller over the network.
func (s *Server) Commands() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.open.Load()).ServeHTTP(w, r) })
}

// WithActor puts who asks into a request's context.
func WithActor(ctx context.Context, a control.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, func() control.Actor { return a })
}

// handler are the routes behind some checks.
func (s *Server) handler(u UseCases, checks ...func(http.Handler) http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(checks...)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusNotFound, Problem{Title: "no such route", Detail: "this controller does not know the route; is the command of the same version? Compare: samlfailover version"})
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, req *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if r.Match(chi.NewRouteContext(), method, req.URL.Path) {
				w.Header().Add("Allow", method)
			}
		}
		problem(w, http.StatusMethodNotAllowed, Problem{Title: "no such method on this route"})
	})
	r.Get("/v1/status", func(w http.ResponseWriter, r *http.Request) { s.answer(w, u.Status(r.Context(), actorOf(r))) })
	r.Get("/v1/explain", s.explain(u))
	r.Get("/v1/history", s.history(u))
	r.Get("/v1/readiness", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		out, err := u.Readiness(r.Context(), actorOf(r), control.ReadinessRequest{Federation: q.Get("federation"), Region: q.Get("region"), Why: q.Get("why")})
		s.settle(w, out, err)
	})
	r.Get("/v1/store", func(w http.ResponseWriter, r *http.Request) {
		out, err := u.StoreReport(r.Context(), actorOf(r))
		s.settle(w, out, err)
	})
	r.Post("/v1/store/backup", answers(s, u.Backup))
	r.Post("/v1/plan", answers(s, u.Plan))
	r.Post("/v1/moves", follow(s, u.Move, moved))
	r.Post("/v1/undo", follow(s, u.Undo, moved))
	r.Post("/v1/restore", answers(s, u.RestoreFull))
	s.deciding(r, u)
	r.Post("/v1/pauses", answers(s, u.Pause))
	r.Post("/v1/pauses/release", answers(s, u.Resume))
	r.Post("/v1/locks", answers(s, u.Lock))
	r.Post("/v1/locks/release", answers(s, u.Unlock))
	return r
}

// catch keeps one request's panic from ending the controller: the probes and
// moves go on.
func (s *Server) catch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.o.Log.Error("a request panicked", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				problem(w, http.StatusInternalServerError, Problem{Title: "failed", Kind: control.Failed,
					Detail: "a fault in the controller itself; its log tells more"})
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// guard checks Host and token before anything else is looked at.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != Host {
			problem(w, http.StatusMisdirectedRequest, Problem{Title: "unknown host", Detail: "the Host header must be " + Host})
			return
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.o.Token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem(w, http.StatusUnauthorized, Problem{Title: "no valid token", Detail: "the token in the controller's run folder is needed; run the command as the user that runs the controller"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// actorOf returns who asks, as the kernel vouches for it.
func actorOf(r *http.Request) control.Actor {
	who, ok := r.Context().Value(actorKey{}).(func() control.Actor)
	if !ok {
		return control.Actor{Way: people.Socket}
	}
	return who()
}

// name returns the OS user with this id; "" is one that the system does not
// tell. Our own name was found at the start: user directories may be down in an
// outage.
func (s *Server) name(uid string) string {
	if uid == "" || uid == strconv.Itoa(os.Getuid()) {
		return s.o.Owner
	}
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "uid " + uid
}

func (s *Server) explain(u Looking) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := u.Explain(r.Context(), actorOf(r), r.URL.Query().Get("federation"), r.URL.Query().Get("region"))
		s.settle(w, out, err)
	}
}

func (s *Server) history(u Looking) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		req := control.HistoryRequest{Federation: q.Get("federation"), Move: q.Get("move")}
		if text := q.Get("limit"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				problem(w, http.StatusUnprocessableEntity, Problem{Title: string(control.Invalid), Kind: control.Invalid, Detail: "limit must be a whole number from 1"})
				return
			}
			req.Limit = n
		}
		out, err := u.History(r.Context(), actorOf(r), req)
		s.settle(w, out, err)
	}
}

// answers is the handler of a use case that takes and returns one value.
func answers[Request, Answer any](s *Server, use func(context.Context, control.Actor, Request) (Answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Request
		if !decode(w, r, &req) {
			return
		}
		out, err := use(r.Context(), actorOf(r), req)
		s.settle(w, out, err)
	}
}

// settle sends an answer, or why there is none.
func (s *Server) settle(w http.ResponseWriter, out any, err error) {
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.answer(w, out)
}

// MoveLine is one line of a move's answer stream: an event, or at the end the
// answer or the problem.
type MoveLine struct {
	Event   *control.MoveEvent  `json:"event,omitempty"`
	Answer  *control.MoveAnswer `json:"answer,omitempty"`
	Vote    *control.VoteAnswer `json:"vote,omitempty"`
	Problem *Problem            `json:"problem,omitempty"`
}

// follow is the handler of a use case that moves apps. It streams JSON lines:
// the events of the move as they happen, then what became of it. What fails
// before there is anything to tell is a plain problem.
func follow[Request, Answer any](s *Server, use func(context.Context, control.Actor, Request, func(control.MoveEvent)) (Answer, error), last func(*Answer) MoveLine) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Request
		if !decode(w, r, &req) {
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Cache-Control", "no-store")
		enc, flush := json.NewEncoder(w), http.NewResponseController(w)
		told := false
		send := func(l MoveLine) {
			told = true
			if err := errors.Join(enc.Encode(l), flush.Flush()); err != nil {
				s.o.Log.Debug("whoever asked for a move is gone; the move goes on", "error", err)
			}
		}
		answer, err := use(r.Context(), actorOf(r), req, func(e control.MoveEvent) { send(MoveLine{Event: &e}) })
		switch {
		case err == nil:
			send(last(&answer))
		case told:
			_, p := Describe(err)
			send(MoveLine{Problem: &p})
		default:
			s.refuse(w, err)
		}
	}
}

// moved is the last line of a move that went through.
func moved(a *control.MoveAnswer) MoveLine { return MoveLine{Answer: a} }

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); errors.Is(more, io.EOF) {
			return true
		}
		err = errors.New("something follows the JSON object")
	}
	status := http.StatusBadRequest
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		status = http.StatusRequestEntityTooLarge
	}
	problem(w, status, Problem{Title: "the request cannot be read", Detail: err.Error(), Kind: control.Invalid})
	return false
}

func (s *Server) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.o.Log.Debug("an answer could not be sent", "error", err)
	}
}

// Problem is RFC 9457's problem detail with the project's own members: what
// kind of failure, which rule, the finding behind it.
type Problem struct {
	Title   string           `json:"title"`
	Status  int              `json:"status"`
	Detail  string           `json:"detail,omitempty"`
	Kind    control.Kind     `json:"kind,omitempty"`
	Rule    string           `json:"rule,omitempty"`
	Finding *finding.Finding `json:"finding,omitempty"`
}

func (s *Server) refuse(w http.ResponseWriter, err error) {
	status, p := Describe(err)
	problem(w, status, p)
}

// Describe turns an error into a status and a problem.
func Describe(err error) (int, Problem) {
	var f *control.Failure
	if errors.As(err, &f) {
		status := map[control.Kind]int{control.Invalid: http.StatusUnprocessableEntity, control.NotFound: http.StatusNotFound,
			control.Forbidden: http.StatusForbidden, control.Held: http.StatusConflict}[f.Kind]
		if status == 0 {
			status = http.StatusInternalServerError
		}
		return status, Problem{Title: string(f.Kind), Status: status, Detail: f.Message, Kind: f.Kind, Rule: f.Rule, Finding: f.Finding}
	}
	p := Problem{Title: "failed", Status: http.StatusInternalServerError, Detail: err.Error(), Kind: control.Failed}
	if fi, ok := finding.From(err); ok {
		p.Finding = &fi
	}
	return p.Status, p
}

func problem(w http.ResponseWriter, status int, p Problem) {
	p.Status = status
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	b, err := json.Marshal(p)
	if err != nil {
		return // a Problem always encodes
	}
	_, _ = w.Write(b) // whoever asked may be gone
}

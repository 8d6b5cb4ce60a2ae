package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// World is what the verbs act on.
type World interface {
	Alerter
	Faults() *fault.Table
	Requests() *reqlog.Log
	LoginRole(ctx context.Context, app, user, role string) login.Result
	Info() Info
	Issuer() *oidc.Issuer
	Slack() *slack.Workspace
}

// Options configure the control verbs. Token must not be empty. Addr is the
// listener's address; the Host header must name it.
type Options struct {
	World World
	Token string
	Addr  string
}

type server struct {
	world  World
	token  [sha256.Size]byte
	hosts  []string
	routes *http.ServeMux
}

// NewHandler returns the control verbs as a handler. Safe for concurrent use.
func NewHandler(o Options) (http.Handler, error) {
	if o.Token == "" || o.World == nil {
		return nil, fmt.Errorf("make the sandbox's control verbs: they need a world and a token")
	}
	_, port, err := net.SplitHostPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("make the sandbox's control verbs: address %q: %w", o.Addr, err)
	}
	s := &server{world: o.World, token: sha256.Sum256([]byte(o.Token)),
		hosts: []string{o.Addr, net.JoinHostPort("localhost", port)}, routes: http.NewServeMux()}
	s.routes.HandleFunc("GET "+pathInfo, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.world.Info()) })
	s.routes.HandleFunc("GET "+pathFaults, s.listFaults)
	s.routes.HandleFunc("POST "+pathFaults, s.setFault)
	s.routes.HandleFunc("DELETE "+pathFaults, s.heal)
	s.routes.HandleFunc("GET "+pathRequests, s.requests)
	s.routes.HandleFunc("POST "+pathLogin, s.login)
	s.routes.HandleFunc("GET "+pathAlerting, s.alerting)
	s.routes.HandleFunc("POST "+pathAlerting, s.alert)
	s.routes.HandleFunc("POST "+pathTokens, s.mint)
	s.routes.HandleFunc("POST "+pathKeys, s.oidcKeys)
	s.routes.HandleFunc("GET "+pathSlack, s.slackMessages)
	s.routes.HandleFunc("POST "+pathSlack, s.useSlack)
	s.routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "no control verb %s %s", r.Method, r.URL.Path)
	})
	return s, nil
}

// ServeHTTP checks Host and token before anything else.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	known := false
	for _, h := range s.hosts {
		known = known || strings.EqualFold(r.Host, h)
	}
	if !known {
		refuse(w, http.StatusMisdirectedRequest, "this is %s; the Host header names another host", s.hosts[0])
		return
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(sum[:], s.token[:]) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="sandbox"`)
		refuse(w, http.StatusUnauthorized, "the sandbox's token is missing or wrong; source the env file that this sandbox wrote, it sets SANDBOX_TOKEN")
		return
	}
	s.routes.ServeHTTP(w, r)
}

func (s *server) listFaults(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, Faults{Rules: s.world.Faults().Rules(time.Now())})
}

func (s *server) setFault(w http.ResponseWriter, r *http.Request) {
	var in FaultRequest
	if !read(w, r, &in) {
		return
	}
	f, err := in.fault()
	if err == nil {
		_, err = s.world.Faults().Set(f, time.Now())
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	s.listFaults(w, r)
}

// fault checks the texts of a request.
func (in FaultRequest) fault() (fault.Fault, error) {
	effect, err := fault.ParseEffect(in.Kind)
	if err != nil {
		return fault.Fault{}, err
	}
	f := fault.Fault{Target: in.Target, Effect: effect, Percent: in.Percent}
	if in.For != "" {
		if f.For, err = time.ParseDuration(in.For); err != nil || f.For <= 0 {
			return fault.Fault{}, fmt.Errorf("fault on %s: %q is not a time it can last; write it as 30s", in.Target, in.For)
		}
	}
	return f, nil
}

func (s *server) heal(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	healed, err := s.world.Faults().Heal(r.URL.Query().Get("target"), now)
	if err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return
	}
	answer(w, http.StatusOK, Faults{Rules: s.world.Faults().Rules(now), Healed: healed})
}

func (s *server) requests(w http.ResponseWriter, r *http.Request) {
	var since uint64
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			refuse(w, http.StatusBadRequest, "since=%.40q is not the number of a request", text)
			return
		}
	}
	entries, missed := s.world.Requests().Since(since)
	answer(w, http.StatusOK, Requests{Entries: append([]reqlog.Entry{}, entries...), Missed: missed}) // [] rather than null
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	var in LoginRequest
	if read(w, r, &in) {
		res := s.world.LoginRole(r.Context(), in.App, in.User, in.Role)
		answer(w, http.StatusOK, loginAnswer{Result: res, Role: res.Role, Account: res.Account, Assertion: res.Assertion})
	}
}

// maxBody is more than any verb needs.
const maxBody = 64 << 10

// read decodes a request's JSON strictly; false: it has answered already.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, "the request's JSON cannot be read: %v", err)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, failure{fmt.Sprintf(format, args...)})
}

package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/api"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/metrics"
	"github.com/samlfailover/samlfailover/store"
)

// web is the network API of a service. Which people, hosts and limits it knows
// changes with the config; where it listens does not.
type web struct {
	listener net.Listener
	config   config.Server
	api      *api.API
	metrics  *metrics.Metrics
	door     atomic.Pointer[http.Handler]
	gate     *gate.Gate // behind the door; admit's
	ready    atomic.Bool
	log      *slog.Logger
}

// keyBox is the box of the store that answers to requests with an
// Idempotency-Key are kept in.
const keyBox = "idempotency"

// newWeb opens the listener of server.listen; nil when there is none.
func newWeb(c config.Server, version string, commands http.Handler, log *slog.Logger) (*web, error) {
	if c.Listen == "" {
		return nil, nil
	}
	var secure *tls.Config
	if c.TLS.Cert != "" {
		var err error
		if secure, err = gate.TLS(gate.Certificates{Cert: c.TLS.Cert, Key: c.TLS.Key, ClientCA: c.ClientCA}, log); err != nil {
			return nil, fmt.Errorf("answer over the network: %w", err)
		}
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("answer over the network: listen on %s: %w; another program may have the port: choose another under server.listen", c.Listen, err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	return &web{listener: l, config: c, log: log, metrics: metrics.New(version, log), api: api.New(api.Options{Version: version, Commands: commands, Log: log})}, nil
}

// admit makes new requests pass another gate, that of the config in force, and
// ends the streams of those whom the one before has let in. One call at a time.
func (w *web) admit(e *engine) error {
	if w == nil {
		return nil
	}
	o, err := e.gateOptions()
	if err != nil {
		return err
	}
	o.Log, o.Seen, o.Doors = w.log, w.metrics.Seen, e.doors()
	o.Open = map[string]http.Handler{gate.MetricsPath: w.metrics, "/healthz": well(func() bool { return true }), "/readyz": well(w.ready.Load)}
	g, err := gate.New(o)
	if err != nil {
		return fmt.Errorf("answer over the network: %w", err)
	}
	h := g.Wrap(w.api.Handler())
	w.door.Store(&h)
	if w.gate != nil {
		w.gate.Retire()
	}
	w.gate = g
	return nil
}

// use makes new requests go to other use cases.
func (w *web) use(c *control.Control) {
	if w != nil {
		w.api.Use(c)
		w.metrics.Use(c)
		w.ready.Store(true)
	}
}

// keep makes new requests keep their keys in a leader's box; nil: in memory.
func (w *web) keep(b *store.Box) {
	switch {
	case w == nil:
	case b == nil:
		w.api.Keep(nil)
	default:
		w.api.Keep(b)
	}
}

// moved, decided and probed count what has happened.
func (w *web) moved(e control.MoveEvent) {
	if w != nil {
		w.metrics.Moved(e)
	}
}

func (w *web) decided(e control.LoopEvent) {
	if w != nil {
		w.metrics.Decided(e)
	}
}

func (w *web) probed(r health.Result) {
	if w != nil {
		w.metrics.Probed(r.Region.String(), string(r.Kind), string(r.Outcome), r.Took)
	}
}

// serve answers until ctx ends.
func (w *web) serve(ctx context.Context) error {
	if w == nil {
		return nil
	}
	defer w.api.Close()
	defer w.ready.Store(false)
	w.log.Info("answering over the network", "listen", w.listener.Addr().String(), "tls", w.config.TLS.Cert != "")
	err := gate.Serve(ctx, w.listener, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*w.door.Load()).ServeHTTP(rw, r) }), w.config.Limits.HeaderTime, w.log)
	if err != nil {
		return fmt.Errorf("the network API: %w", err)
	}
	return nil
}

// close gives the port back, for a service that does not come to serve.
func (w *web) close() {
	if w != nil {
		_ = w.listener.Close() // closed already once it has served
	}
}

// well answers a health check: it tells nothing but yes or no.
func well(yes func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ok := yes()
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(map[string]bool{"ok": ok}) // whoever asked may be gone
	})
}

// gateOptions are what an engine's config says of callers from the network.
func (s *engine) gateOptions() (gate.Options, error) {
	c := s.o.Config.Server
	l := c.Limits
	o := gate.Options{Callers: s.who, Hosts: c.Hosts,
		Limits: gate.Limits{Body: int64(l.Body) << 10, Rate: l.Rate, Concurrent: l.Concurrent, FailedLogins: l.FailedLogin, BodyTime: l.BodyTime}}
	for to, list := range map[*[]netip.Prefix][]string{&o.Proxies: c.Proxies, &o.MetricsFrom: c.MetricsFrom} {
		for _, text := range list {
			p, err := config.ParseNetwork(text)
			if err != nil {
				return o, err // the config was checked
			}
			*to = append(*to, p)
		}
	}
	for _, i := range c.OIDC {
		iss, err := gate.NewIssuer(gate.IssuerOptions{Issuer: i.Issuer, Audience: i.Audience, Keys: i.Keys, Federations: i.Federations,
			Highest: people.Role(i.Role), Groups: i.GroupsClaim, Network: s.network, Log: s.o.Log})
		if err != nil {
			return o, err
		}
		o.Issuers = append(o.Issuers, iss)
	}
	return o, nil
}

// auditTrail reads the controller's own record.
type auditTrail struct{ path string }

// Read implements control.AuditTrail.
func (t auditTrail) Read(visit func(control.AuditRecord) error) error {
	return audit.Read(t.path, visit) //nolint:wrapcheck // says which file
}

package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/gate"
	"github.com/samlfailover/samlfailover/server/problem"
)

// Looking tells how everything stands; *control.Control does.
type Looking interface {
	Status(ctx context.Context, actor control.Actor) control.Status
}

// Metrics count and tell. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	look     atomic.Pointer[Looking]
	started  time.Time

	requests  *prometheus.CounterVec
	answering *prometheus.HistogramVec
	moves     *prometheus.CounterVec
	ended     *prometheus.CounterVec
	lasting   *prometheus.HistogramVec
	steps     *prometheus.CounterVec
	decisions *prometheus.CounterVec
	probes    *prometheus.HistogramVec
	version   string

	mu   sync.Mutex
	open map[string]time.Time // when an open move began, by its id
}

// New makes the registry. Log hears of what cannot be collected.
func New(version string, log *slog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), version: version, started: time.Now(), open: map[string]time.Time{},
		requests: counter(requests), answering: histogram(answering, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),
		moves: counter(movesBegun), ended: counter(movesEnded), lasting: histogram(moveSeconds, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600),
		steps: counter(moveSteps), decisions: counter(decisions), probes: histogram(probeSeconds, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)}
	m.registry.MustRegister(m.requests, m.answering, m.moves, m.ended, m.lasting, m.steps, m.decisions, m.probes, standing{m})
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
	return m
}

func counter(d metric) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.name, Help: d.help}, d.labels)
}

func histogram(d metric, buckets ...float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.name, Help: d.help, Buckets: buckets}, d.labels)
}

// Use makes the next answers tell of these use cases.
func (m *Metrics) Use(l Looking) { m.look.Store(&l) }

// Seen counts an answer of the network API.
func (m *Metrics) Seen(s gate.Seen) {
	route, method := s.Route, s.Method
	if route == "" {
		route = "none" // refused before it was known, or there is none
	}
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodHead, http.MethodPut, http.MethodOptions:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(s.Status)).Inc()
	if !strings.HasSuffix(route, "/events") { // a stream lasts as long as somebody listens
		m.answering.WithLabelValues(route).Observe(s.Took.Seconds())
	}
}

// Moved counts progress of a move.
func (m *Metrics) Moved(e control.MoveEvent) {
	switch kind := string(e.Kind); kind {
	case "started", "resumed":
		m.moves.WithLabelValues(e.Federation, kind).Inc()
		m.mu.Lock()
		m.open[string(e.Move)] = e.Time
		m.mu.Unlock()
	case "finished":
		m.ended.WithLabelValues(e.Federation).Inc()
		m.mu.Lock()
		begun, known := m.open[string(e.Move)]
		delete(m.open, string(e.Move))
		m.mu.Unlock()
		if known {
			m.lasting.WithLabelValues(e.Federation).Observe(e.Time.Sub(begun).Seconds())
		}
	case "retry", "failed":
		m.steps.WithLabelValues(e.Federation, kind).Inc()
	}
}

// Decided counts news of a federation's loop.
func (m *Metrics) Decided(e control.LoopEvent) {
	rule := ""
	if e.Decision != nil {
		rule = e.Decision.Rule
	}
	m.decisions.WithLabelValues(e.Federation, string(e.Kind), rule).Inc()
}

// Probed counts one probe of a Region.
func (m *Metrics) Probed(region, kind, outcome string, took time.Duration) {
	m.probes.WithLabelValues(region, kind, outcome).Observe(took.Seconds())
}

// ServeHTTP tells everything, so only to those who may see every federation, or
// whom the gate lets in by their address.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if who := gate.CallerOf(r.Context()); who.Way != "" && !who.Sees("") {
		p := problem.New(problem.Forbidden, http.StatusForbidden, "the metrics speak of every federation, and you may not see all of them", "ask with a token that has the role viewer everywhere, or from an address under server.metrics_from")
		p.Request = gate.RequestOf(r.Context())
		p.Write(w)
		return
	}
	m.handler.ServeHTTP(w, r)
}

// standing reads the status at each collection.
type standing struct{ m *Metrics }

// Describe implements prometheus.Collector.
func (s standing) Describe(out chan<- *prometheus.Desc) {
	for _, d := range gauges() {
		out <- d.desc()
	}
}

// all is whoever collects: it looks, and nothing else.
var all = control.Actor{Name: "metrics", Grants: people.Grants{people.Everywhere: people.Viewer}}

// Collect implements prometheus.Collector.
func (s standing) Collect(out chan<- prometheus.Metric) {
	set := func(d metric, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d.desc(), prometheus.GaugeValue, v, labels...)
	}
	set(buildInfo, 1, s.m.version)
	set(startTime, float64(s.m.started.Unix()))
	look := s.m.look.Load()
	if look == nil {
		return
	}
	st := (*look).Status(context.Background(), all)
	if st.Store != nil {
		set(leads, one(st.Store.Standing.Leads))
	}
	for _, f := range st.Federations {
		federation(set, f, st.At)
	}
	for _, s := range st.Sinks {
		sink(set, s, st.At)
	}
}

// sink tells how a sink of notifications stands.
func sink(set func(metric, float64, ...string), s control.SinkStatus, now time.Time) {
	for m, v := range map[*metric]int{&sinkQueued: s.Queued, &sinkSent: s.Sent, &sinkFailures: s.Failures, &sinkGivenUp: s.GivenUp + s.Lost} {
		set(*m, float64(v), s.Name, s.Kind)
	}
	for m, since := range map[*metric]time.Time{&sinkOldest: s.Oldest, &sinkFailing: s.FailingSince} {
		age := 0.0
		if !since.IsZero() {
			age = now.Sub(since).Seconds()
		}
		set(*m, age, s.Name, s.Kind)
	}
}

// federation tells how one stands.
func federation(set func(metric, float64, ...string), f control.FederationStatus, now time.Time) {
	set(moving, one(f.Moving), f.Name)
	set(proposed, one(f.Proposal != nil), f.Name)
	brakes := map[string]int{}
	for _, b := range f.Brakes {
		if b.Until.IsZero() || b.Until.After(now) {
			brakes[string(b.Kind)]++
		}
	}
	for _, kind := range []string{"pause", "lock"} {
		set(braked, float64(brakes[kind]), f.Name, kind)
	}
	for _, r := range f.Regions {
		for _, state := range []string{"healthy", "unhealthy", "unknown"} {
			set(regionState, one(string(r.State) == state), f.Name, r.Region.String(), state)
		}
		set(regionSuspect, one(r.Suspect), f.Name, r.Region.String())
		if !r.ScannedAt.IsZero() {
			set(roles, float64(r.Roles), f.Name, r.Region.String())
			set(rolesReady, float64(r.Ready), f.Name, r.Region.String())
		}
	}
	for _, a := range f.Apps {
		if !a.ReadAt.IsZero() {
			set(appRegion, 1, f.Name, a.Tenant+"/"+a.ID, a.Region.String())
			set(appAge, now.Sub(a.ReadAt).Seconds(), f.Name, a.Tenant+"/"+a.ID)
		}
	}
	if l := f.LastMove; l != nil {
		set(lastMove, float64(l.Finished.Unix()), f.Name, string(l.Cause), string(l.Status), l.Proof.String())
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

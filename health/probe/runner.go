package probe

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/signin"
)

// jitter is the share of the interval by which a probe may come earlier, so
// that vantages do not ask in step.
const jitter = 0.1

// Asker is what the Runner needs of a Prober.
type Asker interface {
	Probe(ctx context.Context, region signin.Region, kind health.Kind) health.Result
}

// RunnerOptions make a Runner.
type RunnerOptions struct {
	Asker   Asker
	Vantage string
	Regions []signin.Region // those of the configured federations, nobody else's (spec 7.6)
	Kinds   []health.Kind   // what is asked; nil means all that a Region offers
	Rules   health.Rules
	// Timeout is the Asker's time limit of one probe; 0 means its default, 5 s.
	Timeout time.Duration
	// StallSlack is how late our own machine may be before samples are
	// discarded (spec 7.7); 0 means 2 s.
	StallSlack time.Duration
	// Publish receives the vantage's observation of a Region after each of its
	// samples, in order, never two at a time. It must not block for long.
	Publish func(health.Observation)
	Logger  *slog.Logger
}

// Runner keeps probing a set of Regions and turns the samples into
// observations. While a kind is suspect it is probed in quick succession, and
// the other Regions are asked at once too: their answers tell an outage from a
// fault of our own network. Quick probes of one host come from a bounded
// budget that refills at the steady rate.
type Runner struct {
	o     RunnerOptions
	rules health.Rules
	asked chan *inquiry
}

// inquiry is one probe of everything, asked for from outside.
type inquiry struct {
	left map[*endpoint]bool // what has not answered yet; true: the next answer is to an earlier question
	done chan struct{}      // closed when everything has
}

// NewRunner checks the options.
func NewRunner(o RunnerOptions) (*Runner, error) {
	if o.Asker == nil || o.Publish == nil {
		return nil, fmt.Errorf("a probe runner needs an asker and somewhere to publish")
	}
	if len(o.Regions) == 0 {
		return nil, fmt.Errorf("a probe runner needs at least one Region")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.StallSlack <= 0 {
		o.StallSlack = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{o: o, rules: o.Rules.WithDefaults(), asked: make(chan *inquiry)}, nil
}

// endpoint is one host: a kind in a Region. Only the loop touches it.
type endpoint struct {
	region   signin.Region
	kind     health.Kind
	tracker  *health.Tracker
	due      time.Time
	inFlight bool
	hurry    bool          // a control probe was asked for while one was in flight
	quick    *rate.Limiter // budget of probes beyond the steady ones
}

// sample is a finished probe on its way back to the loop.
type sample struct {
	e      *endpoint
	result health.Result
}

// Run probes until ctx ends, then waits for what is in flight. It returns nil.
func (r *Runner) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	beat := newPulse(r.o.StallSlack)
	wg.Go(func() { beat.run(ctx) })

	endpoints := r.endpoints(time.Now())
	results := make(chan sample)
	var inquiries []*inquiry
	for {
		timer := time.NewTimer(time.Until(nextDue(endpoints)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case q := <-r.asked:
			q.begin(endpoints, time.Now())
			inquiries = append(inquiries, q)
		case s := <-results:
			r.take(s, endpoints)
			inquiries = slices.DeleteFunc(inquiries, func(q *inquiry) bool { return q.ends(s.e) })
		case <-timer.C:
			for _, e := range dueNow(endpoints, time.Now()) {
				e.inFlight = true
				planned := e.due
				wg.Go(func() {
					s := sample{e, r.ask(ctx, e, planned, beat)}
					select {
					case results <- s:
					case <-ctx.Done():
					}
				})
			}
		}
		timer.Stop()
	}
}

// Check probes every endpoint now, beyond the steady pace, and returns when each
// has been probed once since. It fails when ctx ends before; the Runner must run.
func (r *Runner) Check(ctx context.Context) error {
	q := &inquiry{done: make(chan struct{})}
	select {
	case r.asked <- q:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin makes everything due. What is in flight began before, so it is asked
// again; its present answer does not count.
func (q *inquiry) begin(all []*endpoint, now time.Time) {
	q.left = map[*endpoint]bool{}
	for _, e := range all {
		q.left[e] = e.inFlight
		if e.inFlight {
			e.hurry = true
		} else {
			e.due = now
		}
	}
}

// ends notes an endpoint's answer and reports whether it was the last one.
func (q *inquiry) ends(e *endpoint) bool {
	if early, ok := q.left[e]; ok && early {
		q.left[e] = false
	} else {
		delete(q.left, e)
	}
	if len(q.left) > 0 {
		return false
	}
	close(q.done)
	return true
}

// endpoints makes one tracker per Region and one endpoint per kind; all are due
// now.
func (r *Runner) endpoints(now time.Time) []*endpoint {
	var out []*endpoint
	for _, region := range r.o.Regions {
		kinds := r.kinds(region)
		t := health.NewTracker(r.o.Vantage, region, kinds, r.rules)
		for _, k := range kinds {
			out = append(out, &endpoint{region: region, kind: k, tracker: t, due: now,
				quick: rate.NewLimiter(rate.Every(r.rules.Interval), 2*r.rules.Fall+2)})
		}
	}
	return out
}

// kinds returns what is asked in a Region.
func (r *Runner) kinds(region signin.Region) []health.Kind {
	all := Kinds(region)
	if r.o.Kinds == nil {
		return all
	}
	return slices.DeleteFunc(all, func(k health.Kind) bool { return !slices.Contains(r.o.Kinds, k) })
}

func nextDue(all []*endpoint) time.Time {
	// With everything in flight the next result wakes the loop.
	out := time.Now().Add(time.Hour)
	for _, e := range all {
		if !e.inFlight && e.due.Before(out) {
			out = e.due
		}
	}
	return out
}

func dueNow(all []*endpoint, now time.Time) []*endpoint {
	var out []*endpoint
	for _, e := range all {
		if !e.inFlight && !e.due.After(now) {
			out = append(out, e)
		}
	}
	return out
}

// ask probes and discards the sample if our own machine stood still meanwhile.
func (r *Runner) ask(ctx context.Context, e *endpoint, planned time.Time, beat *pulse) health.Result {
	start := time.Now()
	result := r.o.Asker.Probe(ctx, e.region, e.kind)
	end := time.Now()
	if health.Stalled(planned, start, end, r.o.Timeout, r.o.StallSlack) || beat.missedSince(planned) {
		result.Outcome, result.Code = health.Discarded, "stalled"
		result.Reason = "our own machine stood still or its clock jumped; the sample does not count"
	}
	return result
}

// take feeds the tracker, publishes, and plans the next probes.
func (r *Runner) take(s sample, all []*endpoint) {
	e := s.e
	before := e.tracker.Observation().State
	e.tracker.Add(s.result)
	o := e.tracker.Observation()
	now := time.Now()
	e.inFlight = false
	e.due = r.plan(e, now)
	if o.State != before {
		r.o.Logger.Info("region state", "region", o.Region, "from", before, "to", o.State, "reason", o.Reason)
		if o.State == health.Suspect || o.State == health.Unhealthy {
			control(all, e.region, now)
		}
	}
	if s.result.Outcome != health.Discarded {
		r.o.Publish(o)
	}
}

// plan returns when the endpoint is due next: quickly while suspect and within
// the budget, else at the steady pace with jitter.
func (r *Runner) plan(e *endpoint, now time.Time) time.Time {
	if e.hurry {
		e.hurry = false
		return now
	}
	next := e.tracker.NextProbe(e.kind, now)
	if e.tracker.Quick(e.kind) {
		if e.quick.AllowN(now, 1) {
			return next
		}
		return now.Add(r.rules.Interval)
	}
	early := time.Duration(rand.Float64() * jitter * float64(r.rules.Interval))
	return later(next.Add(-early), now)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// control pulls the other Regions' probes forward, so that they can bear
// witness that our own network works.
func control(all []*endpoint, suspect signin.Region, now time.Time) {
	for _, e := range all {
		if e.region == suspect || !e.quick.AllowN(now, 1) {
			continue
		}
		if e.inFlight {
			e.hurry = true
		} else {
			e.due = now
		}
	}
}

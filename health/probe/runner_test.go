package probe_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/health/probe"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/signin"
)

var oregon = signin.MustRegion("us-west-2")

// askFunc answers probes; it says what the outcome is and how long it takes.
type askFunc func(region signin.Region, kind health.Kind, nth int) (health.Outcome, time.Duration)

// scripted is an Asker that counts and dates the probes of each host.
type scripted struct {
	ask askFunc

	mu    sync.Mutex
	times map[string][]time.Time
}

func (s *scripted) Probe(ctx context.Context, region signin.Region, kind health.Kind) health.Result {
	start := time.Now()
	key := region.String() + " " + string(kind)
	s.mu.Lock()
	if s.times == nil {
		s.times = map[string][]time.Time{}
	}
	s.times[key] = append(s.times[key], start)
	nth := len(s.times[key])
	s.mu.Unlock()
	outcome, took := s.ask(region, kind, nth)
	select {
	case <-time.After(took):
	case <-ctx.Done():
		outcome = health.Discarded
	}
	return health.Result{Vantage: "v", Region: region, Kind: kind, Outcome: outcome, Start: start, Took: time.Since(start), Reason: "scripted"}
}

// board keeps the newest observation of each Region, as a controller would.
type board struct {
	mu   sync.Mutex
	seen map[signin.Region]health.Observation
}

func (b *board) publish(o health.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[signin.Region]health.Observation{}
	}
	b.seen[o.Region] = o
}

func (b *board) verdicts() (virginiaSays, oregonSays health.Verdict) {
	v := withWitness(b.all(), time.Now())
	return v[0], v[1]
}

func (b *board) all() []health.Observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []health.Observation
	for _, o := range b.seen {
		all = append(all, o)
	}
	return all
}

// start runs a Runner in the bubble until the test's function returns.
func start(t *testing.T, asker probe.Asker, b *board) (stop func()) {
	t.Helper()
	r, err := probe.NewRunner(probe.RunnerOptions{Asker: asker, Vantage: "v", Regions: []signin.Region{virginia, oregon},
		Rules: health.Rules{Fall: 3, Rise: 4}, Publish: b.publish})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// spec 7.2
func TestOutageIsConfirmedQuickly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		outage := begun.Add(95 * time.Second)
		healed := begun.Add(300 * time.Second)
		asker := &scripted{ask: func(r signin.Region, _ health.Kind, _ int) (health.Outcome, time.Duration) {
			now := time.Now()
			if r == virginia && now.After(outage) && now.Before(healed) {
				return health.Failed, 50 * time.Millisecond
			}
			return health.OK, 50 * time.Millisecond
		}}
		b := &board{}
		defer start(t, asker, b)()
		time.Sleep(90 * time.Second)
		if v, _ := b.verdicts(); v.State != health.Healthy {
			t.Fatalf("before the outage: %s, %s", v.State, v.Reason)
		}
		confirmed := time.Duration(0)
		for confirmed == 0 && time.Since(outage) < time.Minute {
			time.Sleep(100 * time.Millisecond)
			v, o := b.verdicts()
			if o.State != health.Healthy {
				t.Fatalf("us-west-2 is %s: %s", o.State, o.Reason)
			}
			if v.State == health.Unhealthy {
				confirmed = time.Since(outage)
			}
		}
		// At worst one steady interval, then Fall quick probes and a witness.
		if confirmed == 0 || confirmed > 14*time.Second {
			t.Errorf("confirmed %s after the outage began, want at most 14s", confirmed)
		}
		time.Sleep(time.Until(healed.Add(15 * time.Second)))
		if v, _ := b.verdicts(); v.State != health.Unhealthy {
			t.Errorf("15 s after it healed: %s; rising must be slower than falling", v.State)
		}
		time.Sleep(40 * time.Second)
		if v, _ := b.verdicts(); v.State != health.Healthy {
			t.Errorf("55 s after it healed: %s, %s", v.State, v.Reason)
		}
	})
}

// A check asks every host once more at once, also of one that is being asked; it
// returns when all have answered it, and the steady pace goes on as before.
func TestCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		outage := begun.Add(time.Minute)
		asker := &scripted{ask: func(r signin.Region, k health.Kind, _ int) (health.Outcome, time.Duration) {
			if r == virginia && !time.Now().Before(outage) {
				return health.Failed, 50 * time.Millisecond
			}
			if r == oregon && k == health.STS {
				return health.OK, 4 * time.Second
			}
			return health.OK, 50 * time.Millisecond
		}}
		b := &board{}
		r, err := probe.NewRunner(probe.RunnerOptions{Asker: asker, Vantage: "v", Regions: []signin.Region{virginia, oregon},
			Rules: health.Rules{Fall: 3, Rise: 1, Interval: time.Hour}, Publish: b.publish})
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := r.Check(gone); err == nil {
			t.Error("nobody probes, and the check is done")
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Second) // the slow host is still being asked
		if err := r.Check(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != 8*time.Second {
			t.Errorf("the check was done %s after the start: the slow host takes 4 s, and what it was asked before does not count", took)
		}
		for host, times := range asker.times {
			if len(times) != 2 {
				t.Errorf("%s was asked %d times", host, len(times))
			}
		}
		time.Sleep(time.Until(outage))
		if err := r.Check(ctx); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if v, _ := b.verdicts(); v.State != health.Unhealthy {
			t.Errorf("10 s after the check: %s, %s", v.State, v.Reason)
		}
	})
}

// judge turns the observations of one vantage into verdicts.
type judge func(all []health.Observation, now time.Time) []health.Verdict

func withWitness(all []health.Observation, now time.Time) []health.Verdict {
	return health.Verdicts(1, []signin.Region{virginia, oregon}, all, 25*time.Second, now)
}

// credulous is the saboteur: it believes a vantage that may be cut off.
func credulous(all []health.Observation, now time.Time) []health.Verdict {
	var out []health.Verdict
	for _, o := range all {
		out = append(out, health.Quorum(1, []health.Vote{health.VoteOf(o, 25*time.Second, now)}, now))
	}
	return out
}

// blamed cuts our own network off at a random time and returns which Region
// was called unhealthy for it, "" for none.
func blamed(t *testing.T, seed uint64, says judge) (region string) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	cut := 30*time.Second + time.Duration(random.IntN(30_000))*time.Millisecond
	hang := []time.Duration{time.Millisecond, 50 * time.Millisecond, 3 * time.Second, 5 * time.Second}[random.IntN(4)]
	length := 20*time.Second + time.Duration(random.IntN(60))*time.Second
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		asker := &scripted{ask: func(signin.Region, health.Kind, int) (health.Outcome, time.Duration) {
			if now := time.Since(begun); now > cut && now < cut+length {
				return health.Failed, hang
			}
			return health.OK, 50 * time.Millisecond
		}}
		b := &board{}
		defer start(t, asker, b)()
		for time.Since(begun) < cut+length+time.Minute {
			time.Sleep(200 * time.Millisecond)
			for _, v := range says(b.all(), time.Now()) {
				if v.State == health.Unhealthy && region == "" {
					region = fmt.Sprintf("%s, %s after the cut (hang %s): %s", v.Region, time.Since(begun)-cut, hang, v.Reason)
				}
			}
		}
	})
	return region
}

// spec 7.3
func TestOwnNetworkFaultIsNoOutage(t *testing.T) {
	t.Parallel()
	noticed := 0
	for seed := range uint64(16) {
		if got := blamed(t, seed, withWitness); got != "" {
			t.Errorf("seed %d: our own fault was blamed on %s", seed, got)
		}
		if blamed(t, seed, credulous) != "" {
			noticed++
		}
	}
	if noticed == 0 {
		t.Error("the check does not notice a vantage that is believed without a witness")
	}
}

// spec 7.6
func TestPoliteness(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]askFunc{
		"steady":   func(signin.Region, health.Kind, int) (health.Outcome, time.Duration) { return health.OK, 0 },
		"flapping": func(_ signin.Region, _ health.Kind, nth int) (health.Outcome, time.Duration) { return flap(nth), 0 },
		"down":     func(signin.Region, health.Kind, int) (health.Outcome, time.Duration) { return health.Failed, 0 },
		"stalling": func(signin.Region, health.Kind, int) (health.Outcome, time.Duration) { return health.Discarded, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asker := &scripted{ask: ask}
				stop := start(t, asker, &board{})
				time.Sleep(10 * time.Minute)
				stop()
				if len(asker.times) != 6 {
					t.Errorf("%d hosts were asked, want 6", len(asker.times))
				}
				for host, times := range asker.times {
					// 60 steady ones, up to 10 % more by jitter; quick ones refill
					// at the steady rate on top of a burst of 8.
					limit := 70
					if name != "steady" && name != "stalling" {
						limit = 2*70 + 8
					}
					if len(times) < 50 || len(times) > limit {
						t.Errorf("%s: %d probes in 10 minutes, want 50 to %d", host, len(times), limit)
					}
				}
			})
		})
	}
}

func flap(nth int) health.Outcome {
	if nth%2 == 0 {
		return health.Failed
	}
	return health.OK
}

// spec 7.7
func TestStalledSamplesAreDiscarded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asker := &scripted{ask: func(r signin.Region, _ health.Kind, nth int) (health.Outcome, time.Duration) {
			if r == virginia && nth > 3 {
				return health.Failed, 20 * time.Second // far beyond its own limit of 5 s: we stood still
			}
			return health.OK, 0
		}}
		b := &board{}
		defer start(t, asker, b)()
		for range 200 {
			time.Sleep(time.Second)
			if v, _ := b.verdicts(); v.State == health.Unhealthy || v.Suspect {
				t.Fatalf("samples across a stall made us-east-1 %s, suspect %v: %s", v.State, v.Suspect, v.Reason)
			}
		}
	})
}

// TestRunnerOverTheNetwork joins prober and runner over TLS in virtual time:
// the network to us-east-1 goes silent.
func TestRunnerOverTheNetwork(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	hosts := map[string]conversation{}
	for _, r := range []signin.Region{virginia, oregon} {
		e, _ := r.Endpoint()
		for host, answer := range map[string]http.HandlerFunc{e.SignInHost: answerWith(200, "", metadata),
			e.STSHost: stsError(400, "InvalidIdentityToken"), e.ConsoleHost: answerWith(302, "https://elsewhere/", "")} {
			hosts[host+":443"] = https(ca.leaf(t, host, -40*365*24*time.Hour, time.Hour), answer)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var dial outbound.DialFunc = func(ctx context.Context, _, addr string) (net.Conn, error) {
			talk := hosts[addr]
			if talk == nil {
				return nil, fmt.Errorf("unexpected host %s", addr)
			}
			near, far := net.Pipe()
			go func() {
				defer func() { _ = far.Close() }()
				if time.Since(begun) > time.Minute && (addr == signinHost+":443") {
					_, _ = io.Copy(io.Discard, far) // silent
					return
				}
				talk(far)
			}()
			return near, nil
		}
		b := &board{}
		stop := start(t, ca.prober(t, "direct", 0, dial), b)
		time.Sleep(55 * time.Second)
		if v, o := b.verdicts(); v.State != health.Healthy || o.State != health.Healthy {
			t.Fatalf("before the outage: %s (%s), %s (%s)", v.State, v.Reason, o.State, o.Reason)
		}
		time.Sleep(45 * time.Second)
		v, o := b.verdicts()
		if v.State != health.Unhealthy || o.State != health.Healthy {
			t.Errorf("in the outage: %s (%s), %s (%s)", v.State, v.Reason, o.State, o.Reason)
		}
		stop()
	})
}

func TestRunnerOptions(t *testing.T) {
	t.Parallel()
	good := probe.RunnerOptions{Asker: &scripted{}, Regions: []signin.Region{virginia}, Publish: func(health.Observation) {}}
	for name, spoil := range map[string]func(*probe.RunnerOptions){
		"no asker":   func(o *probe.RunnerOptions) { o.Asker = nil },
		"no Regions": func(o *probe.RunnerOptions) { o.Regions = nil },
		"no publish": func(o *probe.RunnerOptions) { o.Publish = nil },
	} {
		o := good
		spoil(&o)
		if _, err := probe.NewRunner(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestRunnerAsksOnlyTheKindsItIsGiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asker := &scripted{ask: func(signin.Region, health.Kind, int) (health.Outcome, time.Duration) { return health.OK, 0 }}
		b := &board{}
		r, err := probe.NewRunner(probe.RunnerOptions{Asker: asker, Regions: []signin.Region{virginia}, Kinds: []health.Kind{health.STS}, Publish: b.publish})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(asker.times) != 1 || len(asker.times["us-east-1 sts"]) == 0 || b.seen[virginia].State != health.Healthy {
			t.Errorf("asked %d hosts, the Region is %s; want STS alone to decide", len(asker.times), b.seen[virginia].State)
		}
	})
}

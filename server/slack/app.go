package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// Options of an App. Without UseCases requests are answered with 503 until Use
// names them. Signing are the secrets that Slack may sign with: more than
// one while the secret is being exchanged. Bot is zero without a bot token.
// Announce is the channel that is told of every proposal, "" for none.
type Options struct {
	Signing         []secret.Value
	Bot             secret.Value
	Teams, Channels []string
	Announce        string
	Network         *outbound.Network
	People          People
	Once            Once
	UseCases        UseCases
	Log             *slog.Logger
}

// App answers Slack. Handler may be called at any time; what has to be told
// later is told while Run runs. Safe for concurrent use.
type App struct {
	o    Options
	wire *wire
	use  atomic.Pointer[UseCases]

	later chan func(context.Context) // answers that go out after the acknowledgement
	wake  chan struct{}              // something lies on the desk

	mu      sync.Mutex
	desk    Desk            // nil while this controller does not lead
	working map[string]bool // keys of requests that are being worked
}

// New checks the options.
func New(o Options) (*App, error) {
	switch {
	case !slices.ContainsFunc(o.Signing, func(s secret.Value) bool { return !s.IsZero() }):
		return nil, errors.New("the Slack app has no signing secret, so nothing could be told from a forgery")
	case len(o.Teams) == 0 || len(o.Channels) == 0:
		return nil, errors.New("the Slack app has no workspace or no channel to listen to")
	case o.Network == nil || o.People == nil || o.Once == nil || o.Log == nil:
		return nil, errors.New("the Slack app needs a network, people, a memory and a log")
	}
	w, err := newWire(o.Network, o.Bot, o.Log)
	if err != nil {
		return nil, fmt.Errorf("set up the Slack app: %w", err)
	}
	a := &App{o: o, wire: w, later: make(chan func(context.Context), 64), wake: make(chan struct{}, 1), working: map[string]bool{}}
	if o.UseCases != nil {
		a.Use(o.UseCases)
	}
	return a, nil
}

// Use makes new requests go to other use cases; those under way go on with the
// ones they began with.
func (a *App) Use(u UseCases) { a.use.Store(&u) }

func (a *App) uses() UseCases { return *a.use.Load() }

const (
	answerers = 4                // answers on their way to Slack at the same time
	workers   = 32               // requests worked at the same time: a move goes on for long
	sweepGap  = 30 * time.Second // the desk is looked at so often, besides when something was put there
	sweepSoon = time.Second      // the same after a look that failed: it may have met a write
)

// Run sends answers until ctx ends. With a desk, which only the leader has, it
// also works what lies there, beginning with what an earlier leadership left. It
// joins everything that it started; what is not finished stays on the desk.
func (a *App) Run(ctx context.Context, desk Desk) {
	var all sync.WaitGroup
	defer all.Wait()
	for range answerers {
		all.Go(func() { a.answers(ctx) })
	}
	if desk == nil {
		<-ctx.Done()
		return
	}
	if a.announces() {
		all.Go(func() { a.announce(ctx, desk) })
	}
	a.sit(desk)
	defer a.sit(nil)
	tick := time.NewTicker(sweepGap)
	defer tick.Stop()
	for failed := false; ctx.Err() == nil; {
		err := a.sweep(ctx, desk, &all)
		if err != nil {
			time.AfterFunc(sweepSoon, a.rouse)
		}
		if err != nil && failed && ctx.Err() == nil {
			a.o.Log.Warn("the requests from Slack that wait cannot be read; they are tried again", "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
		case <-a.wake:
		case <-tick.C:
		}
	}
}

// sit takes or leaves the desk.
func (a *App) sit(d Desk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.desk = d
}

// seat returns the desk, nil while this controller does not lead.
func (a *App) seat() Desk {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.desk
}

func (a *App) answers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-a.later:
			f(ctx)
		}
	}
}

// soon has f done by Run. Where too much waits already it is left out: nothing
// but an answer is lost.
func (a *App) soon(f func(context.Context)) {
	select {
	case a.later <- f:
	default:
		a.o.Log.Warn("an answer to Slack was left out: too many wait")
	}
}

// sweep begins the work on everything that lies on the desk and is not being
// worked, oldest first.
func (a *App) sweep(ctx context.Context, desk Desk, all *sync.WaitGroup) error {
	waiting, err := desk.All(ctx)
	if err != nil {
		return err
	}
	var due []request
	for key, raw := range waiting {
		if strings.HasPrefix(key, announcedPrefix) {
			continue
		}
		r, err := unkeep(key, raw)
		if err != nil {
			a.o.Log.Error("a request from Slack that was kept is dropped", "key", key, "error", err)
			a.drop(ctx, desk, key)
			continue
		}
		due = append(due, r)
	}
	slices.SortFunc(due, func(x, y request) int { return x.came.Compare(y.came) })
	for _, r := range due {
		if a.claim(r.key) {
			all.Go(func() {
				defer a.release(r.key)
				a.work(ctx, desk, r)
			})
		}
	}
	return nil
}

// claim takes a request for one worker of this process, if there is one left.
func (a *App) claim(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.working[key] || len(a.working) >= workers {
		return false
	}
	a.working[key] = true
	return true
}

func (a *App) release(key string) {
	a.mu.Lock()
	delete(a.working, key)
	full := len(a.working) == workers-1
	a.mu.Unlock()
	if full {
		a.rouse()
	}
}

// rouse has the desk looked at.
func (a *App) rouse() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// drop takes a request off the desk. When that fails it is found again, and told
// again, never done again.
func (a *App) drop(ctx context.Context, desk Desk, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackWithin)
	defer cancel()
	if err := desk.Delete(ctx, key); err != nil {
		a.o.Log.Warn("a request from Slack that is done cannot be dropped; its end may be told twice", "error", err)
	}
}

// who names a request in the log.
func (r request) who() []any {
	return []any{"team", escape.Terminal(r.team), "channel", escape.Terminal(r.channel), "user", escape.Terminal(r.user)}
}

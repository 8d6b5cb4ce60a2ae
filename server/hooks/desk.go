package hooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/server/hooks/sources"
	"github.com/samlfailover/samlfailover/server/problem"
)

// Box is where requests are kept until they are done; *store.Box is one.
type Box interface {
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, keys ...string) error
	Get(ctx context.Context, key string) ([]byte, bool, error)
	All(ctx context.Context) (map[string][]byte, error)
}

// UseCases are what a hook may ask for. Propose returns the proposal's id.
type UseCases interface {
	Evaluate(ctx context.Context, actor control.Actor, federation string) (control.Decision, error)
	Propose(ctx context.Context, actor control.Actor, r control.MoveRequest) (proposal string, err error)
	Move(ctx context.Context, actor control.Actor, r control.MoveRequest) (control.MoveAnswer, error)
}

const (
	// mostWaiting bounds the requests that wait for work, mostKept those that are
	// kept, done ones too.
	mostWaiting = 50
	mostKept    = 1000
	// staleAfter is the age at which a request moves nothing any more.
	staleAfter = 15 * time.Minute
	// confirmWithin is how long a request waits until it is known whether its alert
	// is right, lookAgain how often it looks.
	confirmWithin = 5 * time.Minute
	lookAgain     = 2 * time.Second
	// takeWithin bounds the taking of a request; senders wait some 10 s.
	takeWithin = 8 * time.Second
	// tidyEvery is how often what was done is forgotten.
	tidyEvery = time.Minute
)

// request is one thing that was asked for, as it is kept. What it may do is not
// in it: that is the config's, when it is worked on.
type request struct {
	Hook    string        `json:"hook"`
	Taken   time.Time     `json:"taken"`
	Keep    time.Duration `json:"keep"`
	Reason  string        `json:"reason"`
	To      string        `json:"to,omitempty"`
	Look    bool          `json:"look,omitempty"`
	Done    time.Time     `json:"done,omitzero"`
	Outcome string        `json:"outcome,omitempty"`
}

// desk is the work of one leadership.
type desk struct {
	h   *Hooks
	box Box
	use UseCases

	wake chan struct{}

	mu   sync.Mutex // held while a request is taken
	kept map[string]request
	// owed are requests that were turned away after they may have been marked as
	// used: sent again, as their sender was told to, they are as good as new.
	owed map[string]time.Time // until when they could come again
}

func newDesk(h *Hooks, box Box, use UseCases) *desk {
	return &desk{h: h, box: box, use: use, wake: make(chan struct{}, 1), kept: map[string]request{}, owed: map[string]time.Time{}}
}

// keyOf names a request in the box.
func keyOf(hook, id string) string {
	sum := sha256.Sum256([]byte(hook + "\x00" + id))
	return hex.EncodeToString(sum[:16])
}

// load takes up what an earlier leader has kept; false: ctx has ended first.
func (d *desk) load(ctx context.Context) bool {
	for told := false; ; {
		all, err := d.box.All(ctx)
		if err == nil {
			for key, raw := range all {
				var r request
				if json.Unmarshal(raw, &r) == nil && r.Hook != "" {
					d.kept[key] = r
				}
			}
			return true
		}
		if !told && ctx.Err() == nil {
			d.h.o.Log.Error("what hooks had asked for cannot be read, and no hook is answered until it can", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(lookAgain):
		}
	}
}

// accept keeps a request. The order is the promise: kept, known to every
// controller as used, recorded, and only then acknowledged. A crash before the
// last of these leaves work that is done and was not acknowledged; the sender's
// repetition meets the kept request.
func (d *desk) accept(ctx context.Context, hook Hook, caller people.Caller, ask sources.Ask) (taken, *problem.Problem) {
	// A sender that leaves now leaves nothing half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeWithin)
	defer cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	key := keyOf(hook.Name, ask.ID)
	got := taken{Status: "accepted", ID: key, Hook: hook.Name, Action: hook.Action, Federation: hook.Federation}
	if ask.Look {
		got.Action = Evaluate
	}
	if _, before := d.kept[key]; before {
		return d.repeated(got, ask)
	}
	if ask.Again && d.waits(hook.Name, ask.Look) {
		got.Status, got.Why = "known", "the same is asked for already, and will be worked on"
		return got, nil
	}
	if waiting := d.waiting(""); len(waiting) >= mostWaiting || len(d.kept) >= mostKept {
		return taken{}, problem.New(problem.TooMany, http.StatusTooManyRequests, "too many requests of hooks wait or were made a moment ago", "send it again in a minute").With("Retry-After", "60")
	}
	r := request{Hook: hook.Name, Taken: time.Now().UTC(), Keep: ask.Keep, Reason: ask.Reason, To: ask.To, Look: ask.Look}
	if err := d.put(ctx, key, r); err != nil {
		return taken{}, d.unkept(hook, err)
	}
	first, err := d.h.o.Once.First(ctx, "hook", hook.Name+"/"+ask.ID, ask.Keep)
	if err != nil {
		d.turnAway(ctx, key, r)
		return taken{}, d.unkept(hook, err)
	}
	if _, owed := d.owed[key]; !first && !owed {
		d.forget(ctx, key)
		return d.repeated(got, ask)
	}
	if err := d.h.o.Record.Record(ctx, caller.String(), "hook.asked", "federation "+hook.Federation, map[string]any{"hook": hook.Name, "request": key, "action": got.Action, "reason": ask.Reason, "to": ask.To}); err != nil {
		d.turnAway(ctx, key, r)
		return taken{}, d.unkept(hook, err)
	}
	d.kept[key] = r
	delete(d.owed, key)
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return got, nil
}

// repeated answers a request that was taken before.
func (d *desk) repeated(got taken, ask sources.Ask) (taken, *problem.Problem) {
	if ask.Again {
		got.Status, got.Why = "known", "this was taken before, and nothing is done twice"
		return got, nil
	}
	return taken{}, problem.New(problem.Replayed, http.StatusConflict, "this very request was taken before, and nothing is done twice", "make and sign a new one if you mean to ask again")
}

// unkept is the problem of a request that could not be kept.
func (d *desk) unkept(hook Hook, err error) *problem.Problem {
	d.h.o.Log.Error("a hook was called and its request could not be kept, so it was not taken", "hook", hook.Name, "error", err)
	return problem.New(problem.Unavailable, http.StatusServiceUnavailable, "the request could not be kept, so it was not taken", "send it again; the controller's log and status say what is the matter with its store").With("Retry-After", "5")
}

func (d *desk) put(ctx context.Context, key string, r request) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep a request of hook %s: %w", r.Hook, err)
	}
	return d.box.Put(ctx, key, raw)
}

// turnAway takes a request back that could not be taken, and notes that it may
// come again. The caller holds the lock.
func (d *desk) turnAway(ctx context.Context, key string, r request) {
	d.forget(ctx, key)
	if len(d.owed) < mostKept {
		d.owed[key] = r.Taken.Add(r.Keep)
	}
}

// forget takes a request back that was not acknowledged. One that stays after
// all is worked on: it was signed, and asks only.
func (d *desk) forget(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeWithin)
	defer cancel()
	if err := d.box.Delete(ctx, key); err != nil {
		d.h.o.Log.Warn("a request of a hook that was refused is still kept", "error", err)
	}
}

// waits reports whether an equal request waits. The caller holds the lock.
func (d *desk) waits(hook string, look bool) bool {
	return slices.ContainsFunc(d.waiting(""), func(key string) bool { r := d.kept[key]; return r.Hook == hook && r.Look == look })
}

// waiting returns the requests of a federation ("" = of all) that are not done,
// oldest first. The caller holds the lock.
func (d *desk) waiting(federation string) []string {
	var out []string
	for key, r := range d.kept {
		if r.Done.IsZero() && (federation == "" || d.h.byName[r.Hook].Federation == federation) {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmpOr(d.kept[a].Taken.Compare(d.kept[b].Taken), strings.Compare(a, b))
	})
	return out
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// run works until ctx ends, on each federation's requests one after the other.
func (d *desk) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	busy := map[string]bool{}
	freed := make(chan string)
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	for {
		d.mu.Lock()
		for _, key := range d.waiting("") {
			r := d.kept[key]
			federation := d.h.byName[r.Hook].Federation
			if busy[federation] {
				continue
			}
			busy[federation] = true
			work.Go(func() {
				d.work(ctx, key, r)
				select {
				case freed <- federation:
				case <-ctx.Done():
				}
			})
		}
		d.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case federation := <-freed:
			busy[federation] = false
		case <-tidy.C:
			d.tidy(ctx, time.Now())
		}
	}
}

// tidy forgets what was done and cannot be asked for again.
func (d *desk) tidy(ctx context.Context, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.owed, func(_ string, until time.Time) bool { return now.After(until) })
	var drop []string
	for key, r := range d.kept {
		if !r.Done.IsZero() && now.Sub(r.Taken) > r.Keep {
			drop = append(drop, key)
		}
	}
	if len(drop) == 0 {
		return
	}
	if err := d.box.Delete(ctx, drop...); err != nil {
		d.h.o.Log.Warn("requests of hooks that are done are still kept", "error", err)
		return
	}
	for _, key := range drop {
		delete(d.kept, key)
	}
}

// work carries one request out and keeps what became of it. A request that ends
// with its leadership stays for the next leader.
func (d *desk) work(ctx context.Context, key string, r request) {
	hook, known := d.h.byName[r.Hook]
	outcome := "the config has no such hook any more"
	if known {
		var err error
		if outcome, err = d.carryOut(ctx, hook, r); ctx.Err() != nil {
			return
		}
		if err != nil {
			outcome = "failed: " + err.Error()
		}
	}
	caller, _ := d.h.o.Callers.Hook(r.Hook)
	if err := d.h.o.Record.Record(ctx, caller.String(), "hook.done", "federation "+hook.Federation, map[string]string{"hook": r.Hook, "request": key, "outcome": outcome}); err != nil && ctx.Err() == nil {
		d.h.o.Log.Error("what became of a hook's request is not in the audit record", "hook", r.Hook, "error", err)
	}
	d.h.o.Log.Info("a hook's request is done", "hook", r.Hook, "request", key, "outcome", outcome)
	r.Done, r.Outcome = time.Now().UTC(), outcome
	if err := d.put(ctx, key, r); err != nil && ctx.Err() == nil {
		d.h.o.Log.Error("that a hook's request is done could not be kept; the next leader looks at it again", "hook", r.Hook, "error", err)
	}
	d.mu.Lock()
	d.kept[key] = r
	d.mu.Unlock()
}

// carryOut asks for what the hook may ask for and returns what became of it.
func (d *desk) carryOut(ctx context.Context, hook Hook, r request) (string, error) {
	caller, known := d.h.o.Callers.Hook(hook.Name)
	if !known {
		return "the hook has no role", nil
	}
	action := hook.Action
	if r.Look {
		action = Evaluate
	}
	to := hook.To
	if r.To != "" {
		if !slices.Contains(hook.Source.MayName, r.To) {
			return "the hook may not ask for " + r.To + " any more", nil
		}
		to = r.To
	}
	return d.insist(ctx, hook, caller, r, action, to)
}

// unsure reports whether a rule holds because too little is known yet to tell
// whether the alert is right: a controller that has just been started knows
// nothing of Regions and apps.
func unsure(rule string) bool {
	return slices.Contains([]string{failover.Confirming, failover.OwnNetwork, failover.Quorum, failover.ActiveUnknown}, rule)
}

// insist asks until there is an answer: a rule, a refusal or a result. What
// fails, such as a store or a loop that is just being replaced, is tried again
// until the request is stale; so is, for a while, a decision that is unsure of what
// the alert says.
func (d *desk) insist(ctx context.Context, hook Hook, caller people.Caller, r request, action Action, to string) (string, error) {
	why := ""
	for time.Since(r.Taken) <= staleAfter {
		dec, err := d.use.Evaluate(ctx, caller, hook.Federation)
		confirming := action != Evaluate && unsure(dec.Rule) && time.Since(r.Taken) < confirmWithin
		outcome := ""
		if err == nil && !confirming {
			outcome, err = d.ask(ctx, hook, caller, action, to, r.Reason, dec)
		}
		if f := (*control.Failure)(nil); errors.As(err, &f) {
			return "refused: " + f.Message, nil
		}
		if err == nil && !confirming {
			return outcome, nil
		}
		if err != nil {
			why = ": " + err.Error()
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(lookAgain):
		}
	}
	return "not done within " + staleAfter.String() + why, nil
}

// ask asks for one thing, on a fresh decision.
func (d *desk) ask(ctx context.Context, hook Hook, caller people.Caller, action Action, to, reason string, dec control.Decision) (string, error) {
	said := "the rules say " + string(dec.Outcome)
	if dec.Rule != "" {
		said += " [" + dec.Rule + "]"
	}
	said += ": " + dec.Why
	if to == "" && dec.Plan != nil {
		to = dec.Plan.To.String()
	}
	req := control.MoveRequest{Federation: hook.Federation, To: to, Reason: because(hook, reason)}
	switch {
	case action == Evaluate:
		return "looked: " + said, nil
	case dec.Outcome == failover.Move:
		return "looked; the controller moves by itself: " + said, nil
	case to == "":
		return "nothing to ask for: " + said, nil
	case action == Propose:
		id, err := d.use.Propose(ctx, caller, req)
		return "proposed as " + id, err
	case dec.Outcome != failover.Propose:
		return "not moved: " + said, nil
	}
	a, err := d.use.Move(ctx, caller, req)
	switch {
	case err != nil:
		return "", err
	case a.Proposal != nil:
		return "it needs approvals, and is proposed as " + a.Proposal.ID, nil
	case a.Result != nil:
		return "moved: " + control.ResultWords(*a.Result), nil
	}
	return "not moved: " + a.Decision.Why, nil
}

// because is the reason for the records, with the hook's name.
func because(hook Hook, reason string) string {
	if reason == "" {
		return "asked for by hook " + hook.Name
	}
	return "hook " + hook.Name + ": " + reason
}

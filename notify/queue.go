package notify

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/finding"
)

const (
	outPrefix = "out/"
	// longestQueue bounds the messages that wait for one sink, allQueues those
	// that wait for all: a box of the store holds no more than 2,000 records.
	longestQueue = 200
	allQueues    = 1500
	// sendWithin bounds one try.
	sendWithin = 15 * time.Second
	// firstWait doubles up to longestWait; a sink that asks for more gets up to
	// mostWait.
	firstWait   = time.Second
	longestWait = 2 * time.Minute
	mostWait    = 10 * time.Minute
	// giveUpAfter is the age at which a message is news no more.
	giveUpAfter = 24 * time.Hour
	// failingFor is how long a sink may fail before status shows a finding.
	failingFor = 30 * time.Second
)

// item is one message for one sink.
type item struct {
	Notice Notice `json:"notice"`
	Tries  int    `json:"tries,omitempty"`

	kept bool // it is in the box
}

// queue is one sink with what waits for it, in order.
type queue struct {
	Sink
	n    *Notifier
	most int
	wake chan struct{}

	mu      sync.Mutex
	items   []*item
	sending *item
	st      control.SinkStatus
}

func newQueue(s Sink, n *Notifier, most int) *queue {
	return &queue{Sink: s, n: n, most: max(1, most), wake: make(chan struct{}, 1), st: control.SinkStatus{Name: s.Name, Kind: s.Kind}}
}

func (q *queue) key(it *item) string { return outPrefix + q.Name + "/" + it.Notice.ID }

// sinkOf returns the sink of a record of the box, if it is a message.
func sinkOf(key string) (string, bool) {
	rest, is := strings.CutPrefix(key, outPrefix)
	sink, _, whole := strings.Cut(rest, "/")
	return sink, is && whole
}

// load takes up what waits in the box and returns the keys of what is to be
// dropped.
func (q *queue) load(all map[string][]byte) (drop []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for key, raw := range all {
		if sink, is := sinkOf(key); !is || sink != q.Name {
			continue
		}
		it := &item{kept: true}
		if err := json.Unmarshal(raw, it); err != nil || q.key(it) != key {
			drop = append(drop, key)
			continue
		}
		q.items = append(q.items, it)
	}
	slices.SortFunc(q.items, func(a, b *item) int { return strings.Compare(a.Notice.ID, b.Notice.ID) })
	return drop
}

// add keeps a message and lets it be sent. A box that failed is tried again by
// keepLeft, so that it holds up one message and not each.
func (q *queue) add(ctx context.Context, m Notice) {
	it := &item{Notice: m}
	it.kept = !q.n.failing() && q.keep(ctx, it)
	q.mu.Lock()
	q.items = append(q.items, it)
	drop := q.overflow()
	q.mu.Unlock()
	q.n.drop(ctx, drop...)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) keep(ctx context.Context, it *item) bool {
	raw, err := json.Marshal(it)
	return err == nil && q.n.put(ctx, q.key(it), raw)
}

// keepLeft tries again to keep what could not be kept; false: the box fails.
func (q *queue) keepLeft(ctx context.Context) bool {
	q.mu.Lock()
	var left []*item
	for _, it := range q.items {
		if !it.kept {
			left = append(left, it)
		}
	}
	q.mu.Unlock()
	for _, it := range left {
		kept := q.keep(ctx, it)
		if !kept {
			return false
		}
		q.mu.Lock()
		it.kept = true
		sent := !slices.Contains(q.items, it)
		q.mu.Unlock()
		if sent { // meanwhile
			q.n.drop(ctx, q.key(it))
		}
	}
	return true
}

// overflow drops what can be spared most where too much waits: never what is
// being sent, the end of something and what is critical last. The caller holds
// the lock.
func (q *queue) overflow() (drop []string) {
	for len(q.items) > q.most {
		spare := -1
		for i, it := range q.items {
			if it != q.sending && (spare < 0 || worth(it.Notice) < worth(q.items[spare].Notice)) {
				spare = i
			}
		}
		if spare < 0 {
			return drop
		}
		drop = append(drop, q.key(q.items[spare]))
		q.gaveUp("more than " + plural(q.most, "message") + " wait for it")
		q.items = slices.Delete(q.items, spare, spare+1)
	}
	return drop
}

// worth orders messages by how much they would be missed.
func worth(m Notice) int {
	switch {
	case m.Closes:
		return 4
	case m.Severity == Critical:
		return 3
	case m.Severity == Error:
		return 2
	case m.Severity == Warning:
		return 1
	}
	return 0
}

// run sends until ctx ends.
func (q *queue) run(ctx context.Context) {
	pace := backoff.NewExponentialBackOff()
	pace.InitialInterval, pace.MaxInterval, pace.Multiplier = firstWait, longestWait, 2
	for {
		it := q.next(ctx, time.Now())
		if it == nil {
			select {
			case <-ctx.Done():
				return
			case <-q.wake:
			}
			continue
		}
		err := q.try(ctx, it)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			pace.Reset()
			continue
		}
		wait := pace.NextBackOff()
		var busy *Busy
		if errors.As(err, &busy) && busy.After > wait {
			wait = min(busy.After, mostWait)
		}
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			return
		case <-again.C:
		}
	}
}

// next returns the message to send now, nil if there is none. What is too old is
// given up.
func (q *queue) next(ctx context.Context, now time.Time) *item {
	q.mu.Lock()
	var drop []string
	for len(q.items) > 0 && now.Sub(q.items[0].Notice.Time) > giveUpAfter {
		drop = append(drop, q.key(q.items[0]))
		q.gaveUp("it did not arrive within " + giveUpAfter.String())
		q.items = q.items[1:]
	}
	q.sending = nil
	if len(q.items) > 0 {
		q.sending = q.items[0]
	}
	it := q.sending
	q.mu.Unlock()
	q.n.drop(ctx, drop...)
	return it
}

// try sends one message once. nil: it is done with, delivered or given up.
func (q *queue) try(ctx context.Context, it *item) error {
	within, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	_, err := q.To.Send(within, it.Notice)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	} // what has arrived is noted also at the end, or the next leader sends it again
	final := errors.Is(err, ErrRefused)
	q.mu.Lock()
	it.Tries++
	now := time.Now().UTC()
	if err == nil {
		q.st.Sent, q.st.LastSent, q.st.FailingSince, q.st.LastError = q.st.Sent+1, now, time.Time{}, ""
	} else {
		q.failed(err, it, now)
	}
	if final {
		q.gaveUp(err.Error())
	}
	if err == nil || final {
		if i := slices.Index(q.items, it); i >= 0 {
			q.items = slices.Delete(q.items, i, i+1)
		}
	}
	q.sending = nil
	q.mu.Unlock()
	if err != nil && !final {
		return err
	}
	q.n.drop(ctx, q.key(it))
	return nil
}

// failed notes a try that failed; a row of them is logged once. The caller holds
// the lock.
func (q *queue) failed(err error, it *item, now time.Time) {
	if q.st.FailingSince.IsZero() {
		q.st.FailingSince = now
		q.n.o.Log.Warn("a notification did not arrive and is tried again", "sink", q.Name, "event", it.Notice.Event, "error", escape.Terminal(err.Error()))
	}
	q.st.Failures, q.st.LastError = q.st.Failures+1, err.Error()
}

// gaveUp counts a message that will not be sent. The caller holds the lock.
func (q *queue) gaveUp(why string) {
	q.st.GivenUp, q.st.LastGivenUp = q.st.GivenUp+1, time.Now().UTC()
	q.n.o.Log.Error("a notification was given up", "sink", q.Name, "why", escape.Terminal(why))
}

// status says how the sink stands; lost are messages that no sink got.
func (q *queue) status(lost int, now time.Time) control.SinkStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.st
	out.Queued, out.Lost = len(q.items), lost
	if len(q.items) > 0 {
		out.Oldest = q.items[0].Notice.Time
	}
	f := finding.Finding{Code: finding.NotifyFailing, Subject: "sink " + q.Name, Why: out.LastError,
		Remedy: "mend what it says and try it with: samlfailover notify test --sink " + q.Name}
	switch {
	case !out.FailingSince.IsZero() && now.Sub(out.FailingSince) >= failingFor:
		f.What = plural(out.Queued, "message") + " could not be delivered since " + out.FailingSince.Format(time.RFC3339) + "; they are tried again"
	case !out.LastGivenUp.IsZero() && now.Sub(out.LastGivenUp) < time.Hour:
		f.What = plural(out.GivenUp, "message") + " given up, the last one at " + out.LastGivenUp.Format(time.RFC3339)
	default:
		return out
	}
	out.Finding = &f
	return out
}

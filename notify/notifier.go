package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

// Box is where messages wait: durable, written by whoever leads, and read by the
// next leader. *store.Box is one.
type Box interface {
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, keys ...string) error
	All(ctx context.Context) (map[string][]byte, error)
}

// Sender delivers one message. receipt says in a few words what came back. An
// error that wraps ErrRefused is for good: the same message will never be taken.
// Every other one is tried again, after a *Busy's time at the earliest.
type Sender interface {
	Send(ctx context.Context, n Notice) (receipt string, err error)
}

// ErrRefused is wrapped by the error of a message that will never be taken.
var ErrRefused = errors.New("the message itself was refused")

// Busy is an error that names the time after which to try again.
type Busy struct {
	After time.Duration
	Err   error
}

// Error implements error.
func (b *Busy) Error() string { return b.Err.Error() }

// Unwrap returns the cause.
func (b *Busy) Unwrap() error { return b.Err }

// Sink is one place that is told. Federations limits it to some; none: all, and
// the store's findings.
type Sink struct {
	Name        string
	Kind        string
	Events      []Event
	Federations []string
	To          Sender
}

// wants reports whether the sink is to be told; told says that it was told of
// the topic before.
func (s Sink) wants(n Notice, told bool) bool {
	if n.Closes && told || n.Event == Test {
		return true
	}
	return slices.Contains(s.Events, n.Event) && (len(s.Federations) == 0 || slices.Contains(s.Federations, n.Federation))
}

// Standing is what is known now of a topic.
type Standing int

// The standings.
const (
	Unknown Standing = iota // not looked yet
	Stands
	Gone
)

// Options of a Notifier. Stands says how a topic stands now, for those whose end
// nobody reports; nil: nobody knows.
type Options struct {
	Sinks  []Sink
	Box    Box
	Stands func(Topic) Standing
	Log    *slog.Logger
}

const (
	// intake is how many messages wait to be kept.
	intake = 512
	// lookEvery is how often open topics are compared with how things stand, and
	// goneFor how long one has to be gone before that is told.
	lookEvery = 10 * time.Second
	goneFor   = 30 * time.Second
	// keepWithin bounds the writing of one message, and of all that are left when
	// the notifier stops.
	keepWithin = 3 * time.Second
)

// Notifier keeps and sends messages while this controller leads. Make one for
// each leadership. Safe for concurrent use.
type Notifier struct {
	o      Options
	in     chan Notice
	queues []*queue
	topics *topics

	mu     sync.Mutex
	lost   int // messages that came faster than they could be kept
	last   string
	broken error // why the box cannot be written
}

// New makes a notifier; it starts nothing.
func New(o Options) (*Notifier, error) {
	if o.Box == nil || o.Log == nil {
		return nil, errors.New("a notifier needs a box and a log")
	}
	n := &Notifier{o: o, in: make(chan Notice, intake)}
	n.topics = newTopics(n)
	for _, s := range o.Sinks {
		if s.To == nil || s.Name == "" {
			return nil, fmt.Errorf("a sink needs a name and a way to send (%q)", s.Name)
		}
		n.queues = append(n.queues, newQueue(s, n, min(longestQueue, allQueues/len(o.Sinks))))
	}
	return n, nil
}

// Tell takes a message. It never blocks and never waits for anything: where
// messages come faster than they can be kept, they are dropped and counted.
func (n *Notifier) Tell(m Notice) {
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	m.Time = m.Time.UTC()
	select {
	case n.in <- m:
	default:
		n.mu.Lock()
		n.lost++
		n.mu.Unlock()
	}
}

// Run takes up what is left of an earlier leadership, and keeps and sends until
// ctx ends; what was told until then is kept for the next. Call it once.
func (n *Notifier) Run(ctx context.Context) {
	n.load(ctx)
	var senders sync.WaitGroup
	defer senders.Wait()
	for _, q := range n.queues {
		senders.Go(func() { q.run(ctx) })
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			n.drain(ctx)
			return
		case m := <-n.in:
			n.take(ctx, m)
		case <-look.C:
			for _, m := range n.topics.gone(n.o.Stands, time.Now()) {
				n.take(ctx, m)
			}
			n.keepLeft(ctx)
		}
	}
}

// keepLeft keeps what could not be kept so far, until the box fails.
func (n *Notifier) keepLeft(ctx context.Context) {
	for _, q := range n.queues {
		if !q.keepLeft(ctx) {
			return
		}
	}
	n.topics.keepLeft(ctx)
}

// drain keeps what was told before the end.
func (n *Notifier) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	for {
		select {
		case m := <-n.in:
			n.take(ctx, m)
		default:
			n.keepLeft(ctx)
			return
		}
	}
}

// load takes up what waits in the box. A box that cannot be read stops nobody
// from being told: then a repetition is not known as one.
func (n *Notifier) load(ctx context.Context) {
	var all map[string][]byte
	for try := 0; ; try++ {
		var err error
		if all, err = n.within(ctx); err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		if try == 3 {
			n.o.Log.Error("the messages that an earlier leader left cannot be read; what is told from now on is sent all the same", "error", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
	left := n.topics.load(all)
	for _, q := range n.queues {
		left = append(left, q.load(all)...)
	}
	for key := range all {
		if sink, is := sinkOf(key); is && !slices.ContainsFunc(n.queues, func(q *queue) bool { return q.Name == sink }) {
			left = append(left, key)
			n.o.Log.Warn("a message waits for a sink that the config does not name any more; it is dropped", "sink", escape.Terminal(sink))
		}
	}
	n.drop(ctx, left...)
}

func (n *Notifier) within(ctx context.Context) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	return n.o.Box.All(ctx)
}

// take decides who is told a message, keeps it for each, and notes that it was
// told. The order is a promise: a crash in between tells it twice, never not at
// all.
func (n *Notifier) take(ctx context.Context, m Notice) {
	before, news := n.topics.news(&m)
	if !news {
		return
	}
	m.ID = n.newID(m.Time)
	var told []string
	for _, q := range n.queues {
		if q.wants(m, slices.Contains(before, q.Name)) {
			q.add(ctx, m)
			told = append(told, q.Name)
		}
	}
	n.topics.note(ctx, m, told)
}

// newID names a message. Ids sort by their time, also within one tick.
func (n *Notifier) newID(at time.Time) string {
	stamp := at.UTC().Format("20060102T150405.000000000")
	n.mu.Lock()
	defer n.mu.Unlock()
	if prefix, _, _ := strings.Cut(n.last, "-"); stamp <= prefix {
		last, err := time.Parse("20060102T150405.000000000", prefix)
		if err == nil {
			stamp = last.Add(time.Nanosecond).Format("20060102T150405.000000000")
		}
	}
	n.last = stamp + "-" + strings.ToLower(rand.Text()[:6])
	return n.last
}

// failing reports whether the last record could not be kept.
func (n *Notifier) failing() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.broken != nil
}

// put writes a record of the box; false: it is not kept, and was logged once.
func (n *Notifier) put(ctx context.Context, key string, value []byte) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	err := n.o.Box.Put(ctx, key, value)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil && n.broken == nil {
		n.o.Log.Error("a message cannot be kept; it is sent all the same, and lost if this controller ends first", "error", err)
	}
	n.broken = err
	return err == nil
}

// drop deletes records of the box. What stays is sent again by the next leader.
func (n *Notifier) drop(ctx context.Context, keys ...string) {
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	if err := n.o.Box.Delete(ctx, keys...); err != nil {
		n.o.Log.Warn("messages that have arrived are still kept and may be sent again", "messages", len(keys), "error", err)
	}
}

// Status says how each sink stands.
func (n *Notifier) Status() []control.SinkStatus {
	n.mu.Lock()
	lost := n.lost
	n.mu.Unlock()
	out := make([]control.SinkStatus, 0, len(n.queues))
	for _, q := range n.queues {
		out = append(out, q.status(lost, time.Now()))
	}
	return out
}

package copies

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/finding"
)

// Sink is one place outside. Its methods end with their context, or late: a file
// on a dead mount may not return at all.
type Sink interface {
	// Last is the head of the newest record that the sink holds, zero for none.
	Last(ctx context.Context) (audit.Head, error)
	// Put adds records, oldest first. An error leaves open how many it took.
	Put(ctx context.Context, records []audit.Record) error
}

const (
	// answerTime is how long a sink may take.
	answerTime = 10 * time.Second
	// batch is how many records go at a time.
	batch = 100
	// firstWait and longestWait are between two tries.
	firstWait   = time.Second
	longestWait = time.Minute
)

// Copier copies one audit file to one sink. Set the fields once; Run it once.
type Copier struct {
	Name string // the operator's word for the sink
	Path string // the audit file
	Sink Sink
	Log  *slog.Logger

	tail  *audit.Tail
	stuck chan struct{} // closed when the call that hung has returned; nil: none hangs

	mu    sync.Mutex
	why   error // why the sink lacks records; nil: it lacks none that it was asked to take
	since time.Time
	other *audit.Head // what the sink held, where that is no record of this file
}

// Run copies until ctx ends: at once what is there, then whenever news says that
// there may be more. It does not wait for a call that hangs.
func (c *Copier) Run(ctx context.Context, news <-chan struct{}) {
	wait := firstWait
	for {
		err := c.catchUp(ctx)
		if ctx.Err() != nil {
			return
		}
		c.note(err)
		if err == nil {
			wait = firstWait
			select {
			case <-ctx.Done():
				return
			case <-news:
			}
			continue
		}
		c.tail = nil // what the sink took of it is not known
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, longestWait)
	}
}

// catchUp copies everything that the sink lacks.
func (c *Copier) catchUp(ctx context.Context) error {
	if c.tail == nil {
		if err := c.resume(ctx); err != nil {
			return err
		}
	}
	for {
		records, err := c.tail.Next(batch)
		if err != nil || len(records) == 0 {
			return err
		}
		if err := c.call(ctx, func(ctx context.Context) error { return c.Sink.Put(ctx, records) }); err != nil {
			return err
		}
	}
}

// resume finds out how far the sink is. A sink that ends with a record which the
// file does not hold has another record, or this one was changed: a person has
// to look, and this one is copied from its beginning.
func (c *Copier) resume(ctx context.Context) (err error) {
	var last audit.Head
	// The call may outlive this function, so it hands its answer over.
	answer := make(chan audit.Head, 1)
	if err := c.call(ctx, func(ctx context.Context) error {
		h, err := c.Sink.Last(ctx)
		answer <- h
		return err
	}); err != nil {
		return err
	}
	last = <-answer
	c.tail, err = audit.NewTail(c.Path, last)
	if !errors.Is(err, audit.ErrBroken) {
		return err
	}
	if whole, _, bad := audit.Verify(c.Path); bad != nil || whole.Seq == 0 {
		return errors.Join(err, bad)
	}
	c.Log.Error("the outside sink ends with a record that this machine's audit file does not hold: the file was set aside or changed; it is copied from its beginning", "sink", c.Name, "sink_has", last.String())
	c.mu.Lock()
	c.other = &last
	c.mu.Unlock()
	c.tail, err = audit.NewTail(c.Path, audit.Head{})
	return err
}

// errHangs says that a call has not come back.
var errHangs = errors.New("it does not answer")

// call makes one call of the sink and waits for it so long. While one hangs no
// other is made.
func (c *Copier) call(ctx context.Context, f func(context.Context) error) error {
	if c.stuck != nil {
		select {
		case <-c.stuck:
			c.stuck = nil
		default:
			return fmt.Errorf("%w: an earlier call still hangs", errHangs)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	done, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		done <- f(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done: // it has just come back, and ended the context by that
			return err
		default:
		}
		c.stuck = ended
		return fmt.Errorf("%w within %s: %w", errHangs, answerTime, ctx.Err())
	}
}

// note keeps how the last try ended, and says so once when that changes.
func (c *Copier) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil && c.why == nil:
		c.since = time.Now()
		c.Log.Error("audit records are in this machine's file and could not be copied to the outside sink", "sink", c.Name, "error", err)
	case err == nil && c.why != nil:
		c.Log.Info("the outside sink has every audit record again", "sink", c.Name)
	}
	c.why = err
}

// Findings say what a person should know of the copy; none while all is well.
func (c *Copier) Findings() []finding.Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []finding.Finding
	if c.why != nil {
		out = append(out, finding.Finding{Code: finding.AuditCopy, Subject: "audit sink " + c.Name,
			What:   "it lacks records that this machine's file has, since " + c.since.UTC().Format(time.RFC3339),
			Why:    c.why.Error(),
			Remedy: "mend the sink; what it lacks is copied then by itself. The file " + c.Path + " is complete: keep it"})
	}
	if c.other != nil {
		out = append(out, finding.Finding{Code: finding.AuditForeign, Subject: "audit sink " + c.Name,
			What:   "it ended with a record that this machine's file does not hold (" + c.other.String() + ")",
			Why:    "the record was set aside, or it was changed or replaced, or two controllers write to one sink",
			Remedy: "compare the two: samlfailover audit verify --sink " + c.Name + "; if the record was set aside on purpose, restart the controller"})
	}
	return out
}

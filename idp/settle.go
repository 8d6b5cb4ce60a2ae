package idp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
)

const (
	readBackFor  = 15 * time.Second
	firstPoll    = 100 * time.Millisecond
	slowestPoll  = 2 * time.Second
	namedAtMost  = 20
	valuesAtMost = 300
	callsAtMost  = 4 // spec 2.3
	writesAtMost = 4
)

// settle finds out what the write did by reading the app back until it is what
// we meant, or time is up. writeErr is what Write returned: an answer alone
// decides nothing, neither way. again asks for another try of a write that
// failed and left no trace.
func (s *step) settle(ctx context.Context, writeErr error, try int) (again bool, err error) {
	retry := retryable(writeErr) && try < writesAtMost
	if retry && !s.rest(ctx, writeErr) {
		retry = false
	}
	limit := s.hooks.ReadBack
	if limit <= 0 {
		limit = readBackFor
	}
	deadline := time.Now().Add(limit)
	var last check
	var readErr error
	for wait := firstPoll; ; wait = min(2*wait, slowestPoll) {
		last, readErr = s.readBack(ctx, last)
		switch {
		case last.done && last.equal():
			s.finish()
			return false, nil
		case retry && last.pristine:
			return true, nil
		case writeErr != nil && !retryable(writeErr) && last.absent:
			return false, writeErr
		}
		if time.Now().Add(wait).After(deadline) || !pause(ctx, wait) {
			return false, s.verdict(last, writeErr, readErr)
		}
	}
}

// rest waits as long as the vendor asked for; false when the deadline comes
// first, then there is no sense in waiting.
func (s *step) rest(ctx context.Context, writeErr error) bool {
	var r *RetryError
	errors.As(writeErr, &r)
	if end, ok := ctx.Deadline(); ok && time.Now().Add(r.After).After(end) {
		return false
	}
	return pause(ctx, r.After)
}

func retryable(err error) bool {
	var r *RetryError
	return errors.As(err, &r)
}

// readBack reads the app after the write and compares; the first time it is the
// fourth call, then a poll. A failed read leaves the last comparison standing.
func (s *step) readBack(ctx context.Context, last check) (check, error) {
	if s.result.Calls >= callsAtMost {
		s.result.Polls++
		s.result.Calls--
	}
	after, err := s.read(ctx)
	if err != nil {
		return last, err
	}
	return s.compare(after)
}

// check is one comparison of the app as read back with what was meant.
type check struct {
	done      bool
	absent    bool      // every field of ours holds what it held before our write
	untouched bool      // so does every other, volatile values aside
	pristine  bool      // the same, volatile values and number forms included
	wrong     []Pointer // ours, not as meant
	others    []Pointer // not ours, not as before
}

func (c check) equal() bool { return len(c.wrong) == 0 && len(c.others) == 0 }

// compare holds the whole document against what was meant.
func (s *step) compare(after Document) (check, error) {
	diff, err := Changed(s.sent.Raw, after.Raw, s.codec.Volatile())
	if err != nil {
		return check{}, err
	}
	moved, err := Changed(s.result.Before.Raw, after.Raw, s.codec.Volatile())
	if err != nil {
		return check{}, err
	}
	exact, err := ChangedText(s.result.Before.Raw, after.Raw, nil)
	if err != nil {
		return check{}, err
	}
	s.result.After = after
	c := check{done: true, absent: !slices.ContainsFunc(moved, s.ours), untouched: len(moved) == 0, pristine: len(exact) == 0}
	for _, p := range diff {
		if s.ours(p) {
			c.wrong = append(c.wrong, p)
		} else {
			c.others = append(c.others, p)
		}
	}
	return c, nil
}

// ours reports whether a difference at p concerns a value that we wrote.
func (s *step) ours(p Pointer) bool {
	for _, c := range s.result.Changes {
		if p.Within(c.Pointer) || c.Pointer.Within(p) {
			return true
		}
	}
	return false
}

// finish describes the app as it is now.
func (s *step) finish() {
	s.result.App = s.codec.Describe(s.result.After)
}

// verdict names what is wrong when the app never became what we meant.
func (s *step) verdict(last check, writeErr, readErr error) error {
	evidence := map[string]string{"reads": fmt.Sprint(s.result.Polls + 1)}
	switch {
	case !last.done:
		return s.unconfirmed(writeErr, readErr)
	case last.absent && writeErr != nil:
		return fmt.Errorf("the app was not changed: %w", writeErr)
	case last.untouched:
		s.values(evidence)
		return finding.Finding{Code: finding.NotVisible, Subject: subject(s.id),
			What:   "the IdP accepted the write, but the app still reads back as it was",
			Why:    "a success status proves nothing; the IdP may be read-only or slow behind its answer",
			Remedy: "run the move again; if it repeats, change the app by hand and show the request id to the vendor", Evidence: evidence}
	}
	s.finish()
	s.values(evidence)
	if writeErr != nil {
		evidence["the write answered"] = clip(writeErr.Error())
	}
	if len(last.wrong) > 0 {
		evidence["ours, not as sent"] = pointerList(last.wrong)
	}
	if len(last.others) > 0 {
		evidence["others', not as before"] = pointerList(last.others)
	}
	return finding.Finding{Code: finding.LostUpdate, Subject: subject(s.id),
		What:   "after our write the app is not what it was meant to be",
		Why:    "the IdP dropped or changed a value, or somebody edited the app at the same moment",
		Remedy: "compare the values below with the app in the IdP's console and set right what was lost", Evidence: evidence}
}

// unconfirmed is the verdict when the app could not be read back at all.
func (s *step) unconfirmed(writeErr, readErr error) error {
	cause := writeErr
	if cause == nil {
		cause = readErr
	}
	f := finding.Finding{Code: finding.NotVisible, Subject: subject(s.id), What: "a write was sent and could not be read back",
		Why: fmt.Sprint(readErr), Remedy: "the app may have changed: run the move again, it continues from what it finds"}
	if writeErr != nil {
		f.Evidence = map[string]string{"write": clip(writeErr.Error())}
	}
	return fmt.Errorf("%w (%w)", f, cause)
}

// values adds before, sent and after of the fields that we changed: they are
// endpoints and landing pages, never secrets. Nobody else's values are shown.
func (s *step) values(evidence map[string]string) {
	for _, c := range s.result.Changes {
		after, ok, _ := Get(s.result.After.Raw, c.Pointer)
		evidence[string(c.Pointer)] = fmt.Sprintf("before %s, sent %s, after %s",
			shown(c.Before, c.Before != nil), shown(c.After, c.After != nil), shown(after, ok))
	}
	if id := s.result.After.RequestID; id != "" {
		evidence["request id of the read"] = id
	}
}

func shown(raw []byte, ok bool) string {
	switch {
	case !ok:
		return "(absent)"
	case len(raw) > valuesAtMost:
		return string(raw[:valuesAtMost]) + "..."
	}
	return string(raw)
}

// pause waits unless the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func pointerList(ps []Pointer) string {
	names := make([]string, 0, namedAtMost)
	for i, p := range ps {
		if i == namedAtMost {
			names = append(names, fmt.Sprintf("and %d more", len(ps)-i))
			break
		}
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

package killtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// end is what the world holds when a story is over.
type end struct {
	to       string            // where the apps should be
	writes   map[string]int    // by app: how often the vendor was asked to write it
	acs      map[string]string // by app: where an assertion goes
	moves    int               // that the controller knows of
	messages []string          // of the incident channel that tell of a move; nil: nobody asked in Slack
	orphan   bool              // the program may have been killed as Slack gave the message its name
	audit    error             // of the record's verification
}

// judge says what is not as it has to be: every app written once and moved, one
// move, and one message for everybody that ends in the true state.
func judge(e end) error {
	var errs []error
	for app, n := range e.writes {
		if n != 1 {
			errs = append(errs, fmt.Errorf("app %s was written %d times", app, n))
		}
	}
	there := 0
	for app, acs := range e.acs {
		if strings.Contains(acs, e.to) {
			there++
		} else {
			errs = append(errs, fmt.Errorf("app %s signs in at %s", app, acs))
		}
	}
	if len(e.writes) == 0 || len(e.acs) != len(e.writes) {
		errs = append(errs, fmt.Errorf("%d apps, %d were written", len(e.acs), len(e.writes)))
	}
	if e.moves != 1 {
		errs = append(errs, fmt.Errorf("%d moves", e.moves))
	}
	if e.audit != nil {
		errs = append(errs, fmt.Errorf("the audit record: %w", e.audit))
	}
	if e.messages == nil {
		return errors.Join(errs...)
	}
	told := e.messages
	if e.orphan && len(told) == 2 && strings.Contains(told[0], "the end is in a newer one") {
		told = told[1:]
	}
	if len(told) != 1 {
		errs = append(errs, fmt.Errorf("%d messages: %q", len(told), told))
	}
	if want := fmt.Sprintf("%d of %d apps moved to %s", there, len(e.acs), e.to); !slices.ContainsFunc(told, func(m string) bool {
		return strings.Contains(m, want) && !strings.Contains(m, "[Approve]")
	}) {
		errs = append(errs, fmt.Errorf("no message says %q: %q", want, e.messages))
	}
	return errors.Join(errs...)
}

// The judge refuses every end that is not the true one.
func TestJudge(t *testing.T) {
	t.Parallel()
	good := func() end {
		return end{to: "us-west-2", writes: map[string]int{"a": 1, "b": 1}, acs: map[string]string{"a": "https://us-west-2.signin", "b": "https://us-west-2.signin"}, moves: 1,
			messages: []string{"2 of 2 apps moved to us-west-2"}}
	}
	orphaned := good()
	orphaned.orphan, orphaned.messages = true, []string{"Moving to us-west-2. Should this change no more, the end is in a newer one.", orphaned.messages[0]}
	for _, e := range []end{good(), orphaned} {
		if err := judge(e); err != nil {
			t.Error(err)
		}
	}
	for why, spoil := range map[string]func(*end){
		"an app was written twice":           func(e *end) { e.writes["a"] = 2 },
		"an app was not written":             func(e *end) { e.writes["a"] = 0 },
		"nothing was":                        func(e *end) { e.writes, e.acs, e.messages = nil, nil, []string{"0 of 0 apps moved to us-west-2"} },
		"an app is elsewhere":                func(e *end) { e.acs["b"] = "https://us-east-1.signin" },
		"there were two moves":               func(e *end) { e.moves = 2 },
		"the record does not verify":         func(e *end) { e.audit = errors.New("line 3") },
		"the message stays as acknowledged":  func(e *end) { e.messages = []string{"Taken: move us-west-2"} },
		"the message says more than is true": func(e *end) { e.acs["b"] = "https://us-east-1.signin"; e.writes["b"] = 1 },
		"the message has its buttons":        func(e *end) { e.messages[0] += "\n[Approve]" },
		"there are two messages":             func(e *end) { e.messages = append(e.messages, e.messages[0]) },
		"there is none":                      func(e *end) { e.messages = []string{} },
		"a message stays as it was": func(e *end) {
			e.messages = []string{"Moving to us-west-2. Should this change no more, the end is in a newer one.", e.messages[0]}
		},
		"there is no newer message":   func(e *end) { e.orphan, e.messages = true, []string{"the end is in a newer one"} },
		"two messages tell of it all": func(e *end) { e.orphan, e.messages = true, append(e.messages, e.messages[0]) },
	} {
		e := good()
		spoil(&e)
		if judge(e) == nil {
			t.Errorf("%s, and the judge did not see it", why)
		}
	}
}

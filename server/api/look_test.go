package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/people"
)

// counted answers with how often it was asked, by whom and what it was told.
type counted struct {
	cases
	n *int
}

func (c counted) Status(_ context.Context, who control.Actor) control.Status {
	*c.n++
	return control.Status{At: time.Now(), Federations: []control.FederationStatus{{Name: fmt.Sprintf("<%d> %s", *c.n, who.Grants)}}}
}

// One look answers all who may see the same, until anything is known to have
// happened: a person who has changed something sees it at once.
func TestLooksAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := counted{newCases(), new(int)}
		c.move = func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
			return control.MoveAnswer{}, &control.Failure{Kind: control.NotFound, Message: "no"}
		}
		a, h, _ := stand(t, c)
		look := func(who string) string {
			r := call(h, who, "GET", Base+"/status", "")
			var st control.Status
			if err := json.Unmarshal([]byte(r.body), &st); err != nil || r.status != http.StatusOK || len(st.Federations) != 1 {
				t.Fatalf("%d %s %v", r.status, r.body, err)
			}
			return st.Federations[0].Name
		}
		seen := look("ada")
		for _, path := range []string{"/status", "/federations", "/health"} {
			if r := call(h, "ada", "GET", Base+path, ""); r.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, r.status, r.body)
			}
		}
		if got := look("ada"); got != seen || *c.n != 1 {
			t.Fatalf("%q then %q, %d looks", seen, got, *c.n)
		}
		for _, step := range []struct {
			why string
			do  func()
		}{
			{"time went by", func() { time.Sleep(fresh) }},
			{"an event is in the feed", func() { c.feed.Decided(controller.Event{}) }},
			{"a pause was set", func() { call(h, "ada", "POST", Base+"/pauses", `{"reason":"r"}`) }},
			{"something was refused, perhaps half done", func() { call(h, "ada", "POST", Base+"/moves", `{}`) }},
			{"a command was carried out over the network", func() { call(h, "ada", "POST", CommandsBase+"/v1/pause", `{}`) }},
			{"another leadership began", func() { a.Use(c) }},
		} {
			before, n := look("ada"), *c.n
			step.do()
			if after := look("ada"); after == before || *c.n != n+1 {
				t.Errorf("%s: %q, then %q after %d looks", step.why, before, after, *c.n-n)
			}
			if again := look("ada"); *c.n != n+1 {
				t.Errorf("%s: then %q at once, in another look", step.why, again)
			}
		}
	})
}

// What one caller may see is never another's answer.
func TestLooksAreOfOnesOwnRoles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := counted{newCases(), new(int)}
		a, _, _ := stand(t, c)
		for i := range 3 * sights {
			who := people.Caller{Name: "x", Grants: people.Grants{fmt.Sprintf("fed-%d", i): people.Viewer}}
			if got := a.look(t.Context(), who).Federations[0].Name; !strings.Contains(got, who.Grants.String()) {
				t.Fatalf("%s saw %q", who.Grants, got)
			}
			if len(a.looks.kept) > sights {
				t.Fatalf("%d looks are kept", len(a.looks.kept))
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		who := people.Caller{Name: "y", Grants: people.Grants{"fed-y": people.Viewer}}
		if bad, good := a.look(gone, who), a.look(t.Context(), who); bad == good {
			t.Error("what a caller who hung up made of it was shown to another")
		}
	})
}

// Each part of the comparison is needed: what leaves one out is refused.
func TestStillTrue(t *testing.T) {
	t.Parallel()
	var one, two UseCases
	was := look{of: &one, at: time.Unix(100, 0), news: 7, changing: 3}
	for why, change := range map[string]func(*look){
		"":                                    func(*look) {},
		"other use cases":                     func(l *look) { l.of = &two },
		"an event since":                      func(l *look) { l.news++ },
		"fewer events: a new run of the feed": func(l *look) { l.news-- },
		"a change since":                      func(l *look) { l.changing++ },
		"too old":                             func(l *look) { l.at = l.at.Add(fresh) },
	} {
		now := was
		change(&now)
		if got := was.stillTrue(&now); got != (why == "") {
			t.Errorf("%q: %v", why, got)
		}
	}
}

func BenchmarkStatus(b *testing.B) {
	c := newCases()
	for range 200 {
		c.status.Federations = append(c.status.Federations, control.FederationStatus{Name: "a federation", Notes: []string{strings.Repeat("note ", 20)}})
	}
	_, h, _ := stand(b, c)
	for b.Loop() {
		call(h, "ada", "GET", Base+"/status", "")
	}
}

package app_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/server"
)

// answers plays a controller that answers every request in one way.
func answers(t *testing.T, h http.HandlerFunc) *app.Client {
	t.Helper()
	dir := t.TempDir()
	place, err := server.PlaceOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := place.Listen()
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h} //nolint:gosec // a test's own
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	c, err := app.Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func says(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Nobody there: each way of not being there gets the same clear words.
func TestNoController(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := app.Dial(dir); !errors.Is(err, app.ErrNoController) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "samlfailover serve") {
		t.Errorf("an empty data folder: %v", err)
	}
	if _, err := app.Dial(filepath.Join(dir, "not", "there")); !errors.Is(err, app.ErrNoController) {
		t.Errorf("no data folder: %v", err)
	}
	place, err := server.PlaceOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, unlink := range []bool{true, false} { // it has stopped, or was killed
		l, _, err := place.Listen()
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(unlink)
		_ = l.Close()
		c, err := app.Dial(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Status(t.Context()); !errors.Is(err, app.ErrNoController) || !strings.Contains(err.Error(), "samlfailover serve") {
			t.Errorf("unlinked %v: %v", unlink, err)
		}
		if _, err := c.Move(t.Context(), control.MoveRequest{}, nil); !errors.Is(err, app.ErrNoController) {
			t.Errorf("unlinked %v: %v", unlink, err)
		}
	}
}

// A problem becomes the failure that it describes; what is no problem is said to
// be none.
func TestClientProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body, says string
		kind             control.Kind
		rule             string
	}{
		{"all of it", `{"title":"held","status":409,"detail":"wait","kind":"held","rule":"cooldown"}`, "wait", control.Held, "cooldown"},
		{"no detail", `{"title":"no valid token","status":401}`, "no valid token", "", ""},
	} {
		client := answers(t, says(409, "application/problem+json", c.body))
		_, status := client.Status(t.Context())
		_, plan := client.Plan(t.Context(), control.MoveRequest{})
		_, moved := client.Move(t.Context(), control.MoveRequest{}, nil)
		for _, err := range []error{status, plan, moved} {
			var f *control.Failure
			if !errors.As(err, &f) || f.Kind != c.kind || f.Message != c.says || f.Rule != c.rule {
				t.Errorf("%s: %#v", c.name, err)
			}
		}
	}
	client := answers(t, says(502, "text/html", "<html>"))
	if _, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("a page instead of a problem: %v", err)
	}
	client = answers(t, says(200, "text/html", "<html>"))
	if _, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "read the controller's answer") {
		t.Errorf("a page instead of an answer: %v", err)
	}
}

// The stream of a move: events in order, then the answer or the problem; when it
// breaks, the person is told that the move may go on. An answer may be long.
func TestClientMoveStream(t *testing.T) {
	t.Parallel()
	const one, two = `{"event":{"text":"one"}}` + "\n", `{"event":{"text":"two"}}` + "\n"
	long := strings.Repeat("x", 256<<10)
	for _, c := range []struct {
		name, body string
		why, err   string
	}{
		{"an answer", one + two + `{"answer":{"decision":{"why":"` + long + `"}}}` + "\n", long, ""},
		{"a problem at the end", one + two + `{"problem":{"title":"failed","status":500,"detail":"cut off","kind":"failed"}}`, "", "cut off"},
		{"nothing after the events", one + two, "", "may go on"},
		{"half a line", one + two + `{"answer":{"deci`, "", "may go on"},
		{"rubbish", one + two + `<html>`, "", "may go on"},
	} {
		var heard []string
		a, err := answers(t, says(200, "application/x-ndjson", c.body)).Move(t.Context(), control.MoveRequest{}, func(e move.Event) { heard = append(heard, e.Text) })
		if strings.Join(heard, " ") != "one two" || a.Decision.Why != c.why || (err == nil) != (c.err == "") {
			t.Errorf("%s: heard %v, error %v", c.name, heard, err)
		}
		if err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	client := answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, one)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	_, err := client.Move(ctx, control.MoveRequest{}, func(move.Event) { cancel() })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may go on") {
		t.Errorf("the person leaves: %v", err)
	}
}

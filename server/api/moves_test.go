package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/server/problem"
)

// lasting is a move that begins and ends so long after it was asked for.
func lasting(begins, ends time.Duration) func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
	return func(ctx context.Context, _ control.MoveRequest, tell func(control.MoveEvent)) (control.MoveAnswer, error) {
		wait := func(d time.Duration) {
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
		}
		wait(begins)
		tell(control.MoveEvent{Move: "m1", Kind: "started"})
		tell(control.MoveEvent{Move: "m1", Kind: "app"})
		wait(ends - begins)
		return control.MoveAnswer{Result: &control.MoveResult{ID: "m1"}}, nil
	}
}

// An answer comes when the move is over, or once it has begun and the caller has
// waited as long as it wanted to.
func TestWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why          string
		begins, ends time.Duration
		wait         string
		status       int
		state        MoveState
		location     string
		after        time.Duration
	}{
		{"no wait: as soon as it has begun", 2 * time.Second, time.Hour, "", 202, MoveRunning, "/api/v1/moves/m1", 2 * time.Second},
		{"over within the wait", time.Second, 5 * time.Second, "30s", 200, MoveDone, "/api/v1/moves/m1", 5 * time.Second},
		{"not over within the wait", time.Second, time.Hour, "30s", 202, MoveRunning, "/api/v1/moves/m1", 30 * time.Second},
		{"begun after the wait", 20 * time.Second, time.Hour, "10s", 202, MoveRunning, "/api/v1/moves/m1", 20 * time.Second},
		// Not in the journal yet: a controller that is killed now would forget it.
		{"not begun for long", 2 * time.Minute, time.Hour, "", 503, "", "", 30 * time.Second},
		{"not begun within the wait", 2 * time.Minute, time.Hour, "60s", 503, "", "", time.Minute},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				u := newCases()
				u.move = lasting(c.begins, c.ends)
				a, h, _ := stand(t, u)
				begun := time.Now()
				res := call(h, "ada", "POST", Base+"/moves?wait="+c.wait, `{"federation":"prod","to":"us-west-2","reason":"r"}`)
				var m MoveStanding
				if err := json.Unmarshal([]byte(res.body), &m); err != nil || res.status != c.status || m.State != c.state || res.header.Get("Location") != c.location {
					t.Errorf("%d %s, Location %q, %v", res.status, res.body, res.header.Get("Location"), err)
				}
				if c.status == 503 && res.problem(t).Code() != problem.NotBegun {
					t.Errorf("the problem is %s", res.body)
				}
				if took := time.Since(begun); took != c.after {
					t.Errorf("answered after %s, want %s", took, c.after)
				}
				a.Close() // joins whoever waits for the move
			})
		})
	}
}

// What a rule holds is a problem with the rule, its words and what would change
// it, and no finding that has nothing to do with the rule; nothing to do is none.
func TestHeld(t *testing.T) {
	t.Parallel()
	u := newCases()
	var ends control.MoveAnswer
	var fails error
	u.move = func(context.Context, control.MoveRequest, func(control.MoveEvent)) (control.MoveAnswer, error) {
		return ends, fails
	}
	_, h, _ := stand(t, u)
	const body = `{"federation":"prod","to":"us-west-2","reason":"r"}`
	ends.Decision = control.Decision{Outcome: failover.Hold, Rule: "quorum", Why: "one vantage of three", WouldChange: "two more", Findings: []control.Finding{{Code: "x", What: "y"}}}
	res := call(h, "ada", "POST", Base+"/moves", body)
	p := res.problem(t)
	if res.status != 409 || p.Code() != problem.Held || p.Rule != "quorum" || p.Detail != "one vantage of three" || p.Next != "two more" || p.Decision == nil || p.Finding != nil || p.Kind != "held" {
		t.Errorf("held: %d %+v", res.status, p)
	}
	ends.Decision.Rule = failover.NothingToMove
	if res := call(h, "ada", "POST", Base+"/moves", body); res.status != 200 || !strings.Contains(res.body, `"nothing"`) {
		t.Errorf("nothing to move: %d %s", res.status, res.body)
	}
	ends.Proposal = &control.Proposal{ID: "prop-1"}
	if res := call(h, "ada", "POST", Base+"/moves", body); res.status != 202 || res.header.Get("Location") != Base+"/proposals/prop-1" || !strings.Contains(res.body, `"asked"`) {
		t.Errorf("a move that others have to approve: %d %s", res.status, res.body)
	}
	fails = errors.New("inside")
	if res := call(h, "ada", "POST", Base+"/moves", body); res.status != 500 || strings.Contains(res.body, "inside") {
		t.Errorf("a failure: %d %s", res.status, res.body)
	}
}

// The last approval sets the move off; one before it only counts.
func TestApprove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newCases()
		first := true
		u.approve = func(r control.VoteRequest, tell func(control.MoveEvent)) (control.VoteAnswer, error) {
			p := control.Proposal{ID: r.ID, Federation: "prod"}
			if first {
				first = false
				return control.VoteAnswer{Proposal: p}, nil
			}
			tell(control.MoveEvent{Move: "m1"})
			time.Sleep(5 * time.Second)
			return control.VoteAnswer{Proposal: p, Move: &control.MoveAnswer{Result: &control.MoveResult{ID: "m1"}}}, nil
		}
		a, h, _ := stand(t, u)
		defer a.Close()
		get := func(path string) (reply, VoteStanding) {
			res := call(h, "ada", "POST", Base+path, `{}`)
			var v VoteStanding
			if err := json.Unmarshal([]byte(res.body), &v); err != nil {
				t.Fatal(res.body, err)
			}
			return res, v
		}
		if res, v := get("/proposals/prop-1/approve"); res.status != 200 || v.Move != nil || v.Proposal == nil || v.Proposal.ID != "prop-1" {
			t.Errorf("the first approval: %d %s", res.status, res.body)
		}
		if res, v := get("/proposals/prop-1/approve"); res.status != 202 || v.Move == nil || v.Move.Move != "m1" || v.Proposal == nil || res.header.Get("Location") != Base+"/moves/m1" {
			t.Errorf("the last approval: %d %s", res.status, res.body)
		}
		if res, v := get("/proposals/prop-1/approve?wait=30s"); res.status != 200 || v.Move == nil || v.Move.State != MoveDone || v.Proposal == nil {
			t.Errorf("the last approval, waited for: %d %s", res.status, res.body)
		}
	})
}

// A vote whose move has not begun is not acknowledged: it may be kept, the move is
// not.
func TestApprovedAndNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newCases()
		u.approve = func(control.VoteRequest, func(control.MoveEvent)) (control.VoteAnswer, error) {
			time.Sleep(time.Minute)
			return control.VoteAnswer{}, errors.New("stopped")
		}
		a, h, _ := stand(t, u)
		res := call(h, "ada", "POST", Base+"/proposals/prop-1/approve", `{}`)
		if p := res.problem(t); res.status != 503 || p.Code() != problem.NotBegun || !strings.Contains(p.Next, "/proposals/prop-1") {
			t.Errorf("%d %s", res.status, res.body)
		}
		a.Close()
	})
}

// The same key and request is done once; each other use of a key is refused.
//
// spec 13.5
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newCases()
		u.move = lasting(time.Second, time.Minute)
		a, h, _ := stand(t, u)
		defer a.Close()
		const one, other = `{"federation":"prod","to":"us-west-2","reason":"r"}`, `{"federation":"prod","to":"eu-west-1","reason":"r"}`
		post := func(who, path, body string) reply { return call(h, who, "POST", Base+path, body, KeyHeader, "key-1") }
		asked := func() int {
			u.mu.Lock()
			defer u.mu.Unlock()
			return len(*u.asked)
		}
		early := make(chan reply, 1)
		go func() { early <- post("ada", "/moves", one) }()
		synctest.Wait()
		if res := post("ada", "/moves", one); res.status != 409 || res.problem(t).Code() != problem.KeyRunning || res.header.Get("Retry-After") == "" {
			t.Errorf("while the first runs: %d %s", res.status, res.body)
		}
		if res := post("ada", "/moves", other); res.status != 422 || res.problem(t).Code() != problem.KeyReused {
			t.Errorf("another body while the first runs: %d %s", res.status, res.body)
		}
		first := <-early
		again := post("ada", "/moves?wait=1s", one)
		if first.status != 202 || again.status != 202 || again.body != first.body || again.header.Get("Location") != first.header.Get("Location") || again.header.Get("Idempotency-Replayed") != "true" || asked() != 1 {
			t.Errorf("again: %d %s, first %d %s, asked %d times", again.status, again.body, first.status, first.body, asked())
		}
		if res := post("ada", "/moves", other); res.status != 422 || res.problem(t).Code() != problem.KeyReused {
			t.Errorf("another body: %d %s", res.status, res.body)
		}
		if res := post("bob", "/moves", other); res.status != 202 || asked() != 2 {
			t.Errorf("another caller's key is another key: %d %s", res.status, res.body)
		}
		if res := post("ada", "/plan", one); res.status != 200 || res.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("on another route it is another key: %d %s", res.status, res.body)
		}
		n := asked()
		if res := call(h, "ada", "GET", Base+"/moves", "", KeyHeader, "key-1"); res.status != 200 || asked() != n+1 {
			t.Errorf("a question with a key: %d", res.status)
		}
		time.Sleep(25 * time.Hour)
		if res := post("ada", "/moves", other); res.status != 202 || res.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("a day later: %d %s", res.status, res.body)
		}
	})
}

// box is a Box that fails as told.
type box struct {
	*Memory
	get, put error
}

// Get implements Box.
func (b *box) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if b.get != nil {
		return nil, false, b.get
	}
	return b.Memory.Get(ctx, key)
}

// Put implements Box.
func (b *box) Put(ctx context.Context, key string, v []byte) error {
	if b.put != nil {
		return b.put
	}
	return b.Memory.Put(ctx, key, v)
}

// A refused request leaves its key free; one that was cut off does not look as if
// nothing had happened; and without a place for keys nothing is done.
func TestKeysKept(t *testing.T) {
	t.Parallel()
	u := newCases()
	u.err = &control.Failure{Kind: control.Held, Message: "not now"}
	a, h, _ := stand(t, u)
	b := &box{Memory: NewMemory()}
	a.Keep(b)
	pause := func(want int) reply {
		t.Helper()
		res := call(h, "ada", "POST", Base+"/pauses", `{"reason":"r"}`, KeyHeader, "k")
		if res.status != want {
			t.Errorf("%d %s, want %d", res.status, res.body, want)
		}
		return res
	}
	pause(409)
	if len(b.all) != 0 {
		t.Error("a refusal is kept")
	}
	b.put = errors.New("not the leader")
	if p := pause(503).problem(t); p.Code() != problem.Unavailable || len(*u.asked) != 1 {
		t.Errorf("no place to keep it: %+v, asked %d times", p, len(*u.asked))
	}
	b.put, b.get = nil, errors.New("store gone")
	if p := pause(503).problem(t); p.Code() != problem.Unavailable || len(*u.asked) != 1 {
		t.Errorf("what was before cannot be read: %+v", p)
	}
	b.get = nil
	// The controller died after it had begun: another one finds the key.
	key := digest("token", "token 1", "ada", "ada", http.MethodPost, Base+"/pauses", "k")
	raw, err := json.Marshal(kept{Request: digest(http.MethodPost, Base+"/pauses", `{"reason":"r"}`), At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), key, raw); err != nil {
		t.Fatal(err)
	}
	if p := pause(409).problem(t); p.Code() != problem.KeyUncertain || !strings.Contains(p.Next, "/moves") || len(*u.asked) != 1 {
		t.Errorf("after a crash: %+v", p)
	}
	for key := range b.all {
		if strings.Contains(key, "ada") || len(key) != 64 {
			t.Errorf("a key in the box is %q: want a digest", key)
		}
	}
}

// dying is somebody who asks; before is called as the answer begins to arrive.
type dying struct {
	*httptest.ResponseRecorder
	before func()
}

// WriteHeader implements http.ResponseWriter.
func (d dying) WriteHeader(status int) {
	d.before()
	d.ResponseRecorder.WriteHeader(status)
}

// sentFirst is a door that keeps its answers behind the caller's back: a wrong
// one.
func sentFirst(b Box) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = b.Put(r.Context(), "k", []byte(`{"status":200}`))
	})
}

// Whoever has been answered gets the same answer from the next controller, even if
// this one was killed at once: the answer is kept before it is sent.
//
// spec 13.5
func TestAnswerIsKeptFirst(t *testing.T) {
	t.Parallel()
	u := newCases()
	a, h, _ := stand(t, u)
	b := &box{Memory: NewMemory()}
	a.Keep(b)
	keptFirst := func(h http.Handler) (is bool) {
		r := httptest.NewRequest("POST", Base+"/pauses", strings.NewReader(`{"reason":"r"}`))
		r.Host = "failover.example"
		for name, value := range map[string]string{"Authorization": "Bearer ada", "Content-Type": "application/json", KeyHeader: "k"} {
			r.Header.Set(name, value)
		}
		h.ServeHTTP(dying{httptest.NewRecorder(), func() {
			all, _ := b.All(t.Context())
			for _, raw := range all {
				var k kept
				is = is || json.Unmarshal(raw, &k) == nil && k.Status == http.StatusOK
			}
		}}, r)
		return is
	}
	if keptFirst(sentFirst(b)) || len(b.all) != 1 {
		t.Error("the check does not see an answer that is sent first")
	}
	_ = b.Delete(t.Context(), "k")
	if !keptFirst(h) {
		t.Error("the answer is sent before it is kept")
	}
	again := call(h, "ada", "POST", Base+"/pauses", `{"reason":"r"}`, KeyHeader, "k")
	if again.status != 200 || again.header.Get("Idempotency-Replayed") != "true" || len(*u.asked) != 1 {
		t.Errorf("again: %d %s, asked %d times", again.status, again.body, len(*u.asked))
	}
}

// A move that has not begun when it is answered keeps its key: it may still begin.
func TestKeyOfWhatHasNotBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := newCases()
		u.move = lasting(10*time.Minute, time.Hour)
		a, h, _ := stand(t, u)
		ask := func(want int, code problem.Code) {
			t.Helper()
			res := call(h, "ada", "POST", Base+"/moves", `{"federation":"prod","to":"us-west-2","reason":"r"}`, KeyHeader, "k")
			if p := res.problem(t); res.status != want || p.Code() != code {
				t.Errorf("%d %s", res.status, res.body)
			}
		}
		ask(503, problem.NotBegun)
		ask(409, problem.KeyUncertain)
		a.Close()
		if len(*u.asked) != 1 {
			t.Errorf("asked %d times", len(*u.asked))
		}
	})
}

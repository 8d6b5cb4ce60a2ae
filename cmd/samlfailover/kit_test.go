package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox"
)

// lived is a simulated world that a test can reach into, with its folder and
// the environment that its env file sets.
type lived struct {
	*sandbox.World
	dir string
	env map[string]string
}

// worldKeys are shared by all worlds of the tests, to make them once.
var worldKeys keyRing

// keyRing makes keys when they are first needed. Safe for concurrent use.
type keyRing struct {
	mu   sync.Mutex
	made []*rsa.PrivateKey
}

// turn gives a world keys of which no two are the same.
func (k *keyRing) turn() func() (*rsa.PrivateKey, error) {
	n := 0
	return func() (*rsa.PrivateKey, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if n == len(k.made) {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return nil, err
			}
			k.made = append(k.made, key)
		}
		n++
		return k.made[n-1], nil
	}
}

// newWorld serves a world until the test ends.
func newWorld(t *testing.T) *lived {
	t.Helper()
	return newWorldOf(t, sandbox.Options{})
}

// newWorldOf is newWorld with something different about the world.
func newWorldOf(t *testing.T, o sandbox.Options) *lived {
	t.Helper()
	o.Seed.NewKey = worldKeys.turn()
	o.Logger, o.Probing = slog.New(slog.DiscardHandler), "interval: 5s"
	w, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	l := &lived{World: w, dir: t.TempDir()}
	if err := w.WriteDir(l.dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(l.dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	if l.env, err = sourced(string(text)); err != nil {
		t.Fatal(err)
	}
	l.env["TMPDIR"] = t.TempDir() // where sandbox login leaves its assertions
	background(t, w.Run)
	return l
}

// background runs something until the test ends, and joins it.
func background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// ran is what one run of the program left behind.
type ran struct {
	code     int
	out, err string
}

// cli runs the program once, as in a shell with this environment.
func cli(t *testing.T, env map[string]string, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), &program{Args: args, Env: env, In: strings.NewReader(""), Out: &out, Err: &errs})
	return ran{code, out.String(), errs.String()}
}

// wants fails the test unless the run ended like this. Texts must appear in
// either stream.
func (r ran) wants(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, want := range texts {
		if !strings.Contains(r.out+r.err, want) {
			t.Errorf("the words %q are missing", want)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.out, r.err)
	}
}

// allKnown reports whether a status has read every app and scanned every role.
func allKnown(status []byte) bool {
	var st control.Status
	if json.Unmarshal(status, &st) != nil || len(st.Federations) == 0 {
		return false
	}
	for _, f := range st.Federations {
		if slices.ContainsFunc(f.Apps, func(a control.AppStatus) bool { return a.ReadAt.IsZero() }) ||
			slices.ContainsFunc(f.Regions, func(r control.RegionStatus) bool { return r.ScannedAt.IsZero() }) {
			return false
		}
	}
	return true
}

// serve runs a controller in this process until the test ends, and returns its
// log once it has read the apps.
func (l *lived) serve(t *testing.T, flags ...string) *syncBuffer {
	t.Helper()
	log := &syncBuffer{}
	background(t, func(ctx context.Context) error {
		p := &program{Args: append([]string{"serve"}, flags...), Env: l.env, In: strings.NewReader(""), Out: io.Discard, Err: log}
		if code := run(ctx, p); code != exitDone {
			return errors.New("serve ended badly:\n" + log.String())
		}
		return nil
	})
	if !poll(func() bool {
		r := cli(t, l.env, "status", "--output", "json")
		return r.code == exitDone && allKnown([]byte(r.out))
	}) {
		t.Fatalf("the controller does not come up:\n%s", log.String())
	}
	return log
}

// edited returns the environment with a config in which each pair of texts was
// exchanged, in a file of its own next to the first.
func (l *lived) edited(t *testing.T, pairs ...string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(l.env["SAMLFAILOVER_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(text, []byte(pairs[i])) {
			t.Fatalf("the config lacks %q:\n%s", pairs[i], text)
		}
		text = bytes.ReplaceAll(text, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	path := filepath.Join(l.dir, "edited.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	env := maps.Clone(l.env)
	env["SAMLFAILOVER_CONFIG"] = path
	return env
}

// state is everything in the world that the program could have changed: apps
// and trust policies, by name.
func (l *lived) state() map[string]string {
	out := map[string]string{}
	for _, a := range l.Demo().Apps {
		doc, _ := l.AppJSON(a.ID)
		out["app "+a.Label] = string(doc)
	}
	for _, a := range l.Cloud().Accounts() {
		for _, r := range a.Roles() {
			out[r.ARN()] = r.Trust
		}
	}
	return out
}

// writes are the requests so far that can have changed an app or a role.
func (l *lived) writes() []string {
	var out []string
	entries, _ := l.Requests().Since(0)
	for _, e := range entries {
		text := e.Host + " " + e.Method + " " + e.Path + " " + e.Note
		if e.Method == "PUT" || e.Method == "PATCH" || e.Method == "DELETE" || strings.Contains(text, "UpdateAssumeRolePolicy") {
			out = append(out, text)
		}
	}
	return out
}

// syncBuffer is a bytes.Buffer for a writer and a reader at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String returns what was written so far.
func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

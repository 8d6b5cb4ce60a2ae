package store

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

// blob is an app snapshot that does not pack.
func blob(size int, state uint32) inventory.AppSnapshot {
	text := make([]byte, size)
	for i := range text {
		state = state*1664525 + 1013904223
		text[i] = '!' + byte(state>>24)%90
	}
	return inventory.AppSnapshot{Federation: "corp", Apps: []inventory.AppRead{{Label: string(text)}}}
}

// A database that has reached its quota refuses in words, and is cleared of what
// no longer counts; then it takes writes again.
func TestQuota(t *testing.T) {
	t.Parallel()
	o := single(t, private(t))
	o.Embedded.Quota = 16 << 20
	s := open(t, o)
	term := lead(t, s)
	var err error
	for i := uint32(1); i < 200 && err == nil; i++ {
		err = term.Inventory().SaveApps(blob(900<<10, i))
	}
	reported(t, err, finding.StoreFull, "quota")
	st, err := s.Status(t.Context())
	must(t, err)
	if len(st.Findings) == 0 || st.Findings[0].Code != finding.StoreFull || st.Quota != 16<<20 {
		t.Errorf("the state is %+v", st)
	}
	must(t, s.Maintain(t.Context()))
	if st, err = s.Status(t.Context()); err != nil || len(st.Findings) != 0 || st.Size > st.Quota {
		t.Errorf("after the maintenance: %+v %v", st, err)
	}
	must(t, term.Inventory().SaveApps(blob(100, 1)), term.Journal().Begin(t.Context(), record("m1", "corp", 1)))
	if found := verify(t, s); len(found) > 0 {
		t.Errorf("reported are %v", found)
	}
}

// What etcd logs comes out of slog, with its fields; what it would end the
// process for ends a goroutine, and is told.
func TestBridge(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := newBridge(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	said := ""
	b.broken = func(s string) { said = s }
	log := b.zap().With(zap.String("member", "one"))
	log.Warn("nothing is here yet")
	log.Debug("put a key")
	if text := out.String(); strings.Contains(text, "WARN") || strings.Contains(text, "put a key") {
		t.Errorf("what etcd misses while it starts is loud, or every key is told:\n%s", text)
	}
	b.started()
	log.Info("hello", zap.Int("n", 7))
	log.Warn("beware", zap.Error(errors.New("odd")))
	for _, want := range []string{`"level":"DEBUG","msg":"etcd: hello","member":"one","n":7`, `"level":"WARN","msg":"etcd: beware","member":"one","error":"odd"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log does not hold %s:\n%s", want, out.String())
		}
	}
	done := make(chan bool, 1)
	fatal := log.Fatal // the linter knows that it never returns; the test does not
	go func() {
		defer close(done)
		fatal("cannot write", zap.Error(errors.New("no space left on device")))
		done <- true
	}()
	if <-done {
		t.Error("it goes on")
	}
	<-b.failed
	if err := b.failure(); err == nil || !strings.Contains(err.Error(), "cannot write, error=no space left on device") || said == "" {
		t.Errorf("it says %v, and %q", err, said)
	}
	quiet := newBridge(slog.New(slog.DiscardHandler))
	if quiet.zap().Core().Enabled(zap.InfoLevel) {
		t.Error("what nobody reads is written")
	}
}

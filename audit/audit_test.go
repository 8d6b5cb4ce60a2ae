package audit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/secret"
)

// filled returns the path of a closed log with n records.
func filled(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := l.Record(context.Background(), "ann", "move.start", "federation corp", map[string]any{"n": i, "html": "<&>", "nothing": nil}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// spec 14
func TestChain(t *testing.T) {
	t.Parallel()
	path := filled(t, 5)
	head, count, err := Verify(path)
	if err != nil || count != 5 || head.Seq != 5 || len(head.Hash) != 64 {
		t.Fatalf("verified %d records to %s: %v", count, head, err)
	}
	l, err := Open(Options{Path: path})
	if err != nil || l.Head() != head {
		t.Fatalf("opened at %v: %v", l, err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := l.Record(t.Context(), "bob", "pause", "federation corp", secret.New("s3cr3t")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, count, err := Verify(path); err != nil || count != 13 {
		t.Errorf("after eight at once: %d records, %v", count, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || bytes.Contains(raw, []byte("s3cr3t")) || !bytes.Contains(raw, []byte("[redacted]")) {
		t.Errorf("a secret is in the record (%v)", err)
	}
	for _, name := range []string{path, path + headSuffix, path + ".lock"} {
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// spec 14: each row is a saboteur of the file; the chain must refuse it and name
// the first bad record.
func TestTampering(t *testing.T) {
	t.Parallel()
	join := func(lines [][]byte) []byte { return append(bytes.Join(lines, []byte("\n")), '\n') }
	rows := []struct {
		name   string
		change func(lines [][]byte) []byte
		names  string
	}{
		{"a value flipped", func(l [][]byte) []byte { l[1] = bytes.Replace(l[1], []byte("ann"), []byte("eve"), 1); return join(l) }, "record 2"},
		{"a hash flipped", func(l [][]byte) []byte { l[2][len(l[2])-4] ^= 1; return join(l) }, "record 3"},
		{"white space added", func(l [][]byte) []byte { l[0] = append(l[0], ' '); return join(l) }, "record 1"},
		{"an unknown key added", func(l [][]byte) []byte {
			l[0] = bytes.Replace(l[0], []byte(`{"seq"`), []byte(`{"x":1,"seq"`), 1)
			return join(l)
		}, "record 1"},
		{"a duplicate key added", func(l [][]byte) []byte {
			l[0] = bytes.Replace(l[0], []byte(`{"seq"`), []byte(`{"actor":"eve","seq"`), 1)
			return join(l)
		}, "record 1"},
		{"the first deleted", func(l [][]byte) []byte { return join(l[1:]) }, "record 1"},
		{"one deleted", func(l [][]byte) []byte { return join(append(l[:2:2], l[3:]...)) }, "record 3"},
		{"two changed places", func(l [][]byte) []byte { l[1], l[2] = l[2], l[1]; return join(l) }, "record 2"},
		{"one repeated", func(l [][]byte) []byte { return join(append(l[:2:2], l[1:]...)) }, "record 3"},
		{"the end cut off", func(l [][]byte) []byte { return join(l[:3]) }, "record 4"},
		{"cut in the middle of the last", func(l [][]byte) []byte { b := join(l); return b[:len(b)-20] }, "record 5"},
		{"the last newline cut", func(l [][]byte) []byte { b := join(l); return b[:len(b)-1] }, "record 5"},
		{"emptied", func([][]byte) []byte { return nil }, "record 1"},
		{"a line of nothing", func(l [][]byte) []byte { return append(join(l), '\n') }, "record 6"},
		{"another chain", func([][]byte) []byte {
			var out []byte
			var h Head
			for range 5 {
				r, line, _ := seal(Record{Seq: h.Seq + 1, Prev: h.Hash, Actor: "eve"})
				h, out = Head{r.Seq, r.Hash}, append(append(out, line...), '\n')
			}
			return out
		}, "record 5"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filled(t, 5)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := row.change(bytes.Split(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n")))
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Verify(path); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), row.names+":") {
				t.Errorf("verify says %v, want %s", err, row.names)
			}
			if l, err := Open(Options{Path: path}); !errors.Is(err, ErrBroken) {
				t.Errorf("opened for appending: %v %v", l, err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
				t.Errorf("the evidence was changed (%v)", err)
			}
			l, err := Open(Options{Path: path, SetBrokenAside: true})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			aside, _ := filepath.Glob(path + ".broken-*Z")
			if len(aside) != 1 || l.Head().Seq != 1 {
				t.Errorf("set aside as %v, new head %s", aside, l.Head())
			}
		})
	}
}

// spec 14: any one changed byte is found.
func TestAnyByte(t *testing.T) {
	t.Parallel()
	path := filled(t, 4)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		at, bit := rapid.IntRange(0, len(raw)-1).Draw(t, "at"), rapid.IntRange(0, 7).Draw(t, "bit")
		bad := bytes.Clone(raw)
		bad[at] ^= 1 << bit
		head, _, err := scan(bytes.NewReader(bad), func(Record) error { return nil })
		if err == nil && head.Seq == 4 {
			t.Fatalf("bit %d of byte %d does not matter", bit, at)
		}
	})
}

// A crash in the middle of a write leaves a line that nobody was told of; it
// must not stop the next move.
func TestTornLineIsMended(t *testing.T) {
	t.Parallel()
	path := filled(t, 3)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"seq":4,"ti`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Verify(path); err == nil || errors.Is(err, ErrBroken) {
		t.Errorf("verify says %v", err)
	}
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	kept, err := os.ReadFile(path + ".torn-4")
	if err != nil || string(kept) != `{"seq":4,"ti` {
		t.Errorf("kept %q (%v)", kept, err)
	}
	if _, n, err := Verify(path); err != nil || n != 4 {
		t.Errorf("%d records after mending: %v", n, err)
	}
}

// A crash after a record and before its head is no damage either.
func TestHeadMayBeOneBehind(t *testing.T) {
	t.Parallel()
	path := filled(t, 3)
	older, err := os.ReadFile(path + headSuffix)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Record(t.Context(), "a", "b", "c", nil), l.Close(), os.WriteFile(path+headSuffix, older, 0o600)); err != nil {
		t.Fatal(err)
	}
	l, err = Open(Options{Path: path})
	if err != nil || l.Head().Seq != 4 {
		t.Fatalf("opened %v: %v", l, err)
	}
	if err := errors.Join(l.Close(), os.Remove(path+headSuffix)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: path}); !errors.Is(err, ErrBroken) {
		t.Errorf("opened without its head file: %v", err)
	}
}

// heldOf is a sink that holds one head.
func heldOf(h Head) Outside { return Outside{Heads: []Head{h}, Last: h, Count: 1} }

// spec 14
func TestCovers(t *testing.T) {
	t.Parallel()
	path := filled(t, 3)
	outside, _, err := Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Record(t.Context(), "a", "b", "c", nil), l.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := Covers(path, heldOf(outside)); err != nil || n != 4 {
		t.Errorf("nothing is proven from record %d on (%v), want 4", n, err)
	}
	if _, err := Covers(path, heldOf(Head{Seq: 2, Hash: outside.Hash})); !errors.Is(err, ErrBroken) {
		t.Errorf("a foreign head gives %v", err)
	}
	if n, err := Covers(path, Outside{}); err != nil || n != 1 {
		t.Errorf("without an outside head: %d %v", n, err)
	}
}

func TestOneProcess(t *testing.T) {
	t.Parallel()
	path := filled(t, 1)
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: path}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(t.Context(), "a", "b", "c", nil); err == nil {
		t.Error("a closed log takes records")
	}
	again, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	path := filled(t, 1)
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Path: path}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("a file that others can read: %v", err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Record(t.Context(), "a", "b", "c", func() {}); err == nil {
		t.Error("what cannot be encoded was recorded")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Record(ended, "a", "b", "c", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	if err := l.Record(t.Context(), "a\xff", "b\xfe", "c\u2028", []any{nil, "\xff"}); err != nil {
		t.Error(err)
	}
	if _, n, err := Verify(path); err != nil || n != l.Head().Seq {
		t.Errorf("after odd texts: %d records, %v", n, err)
	}
	l.file.Close() // a disk that fails
	if err := l.Record(t.Context(), "a", "b", "c", nil); err == nil {
		t.Error("recorded without a file")
	}
	if err := l.Record(t.Context(), "a", "b", "c", nil); err == nil || !strings.Contains(err.Error(), "out of use") {
		t.Errorf("after a failure: %v", err)
	}
}

func FuzzScan(f *testing.F) {
	_, line, _ := seal(Record{Seq: 1, Actor: "a", Detail: []byte(`{"x":[1,null]}`)})
	f.Add(append(line, '\n'))
	f.Add([]byte("{}\n"))
	f.Add(line)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var out []byte
		head, end, err := scan(bytes.NewReader(raw), func(r Record) error {
			_, line, err := seal(r)
			out = append(append(out, line...), '\n')
			return err
		})
		if !bytes.Equal(out, raw[:end]) {
			t.Fatalf("%d good records (%v) are not the %d bytes that were read", head.Seq, err, end)
		}
	})
}

package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copied writes what a sink holds of the first n records, as heads or whole.
func copied(t *testing.T, path string, n int, heads bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := Read(path, func(r Record) error {
		line, err := r.Line()
		if heads {
			line, err = json.Marshal(HeadLine{Time: r.Time, Head: r.Head()})
		}
		if err == nil && r.Seq <= uint64(n) {
			out.Write(append(line, '\n'))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "outside.jsonl")
	if err := os.WriteFile(name, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// spec 14: whoever can write this machine's file can make a chain that is whole
// in itself, head file and all. Each row is such a saboteur; what stands outside
// names the first record that differs, or says from where on it proves nothing.
func TestOutsideSinkTells(t *testing.T) {
	t.Parallel()
	// forged is a whole chain of n records that equals the first same of path.
	forged := func(t *testing.T, path string, same, n int) string {
		out := filepath.Join(t.TempDir(), "audit.jsonl")
		l, err := Open(Options{Path: out})
		if err != nil {
			t.Fatal(err)
		}
		if err := Read(path, func(r Record) error {
			if r.Seq > uint64(same) {
				return nil
			}
			line, err := r.Line()
			if err != nil {
				return err
			}
			return l.append(r, line)
		}); err != nil {
			t.Fatal(err)
		}
		for range n - same {
			if err := l.Record(t.Context(), "eve", "nothing.happened", "x", nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		why       string
		same, n   int // of the file
		sink      int // records that the sink has
		unproven  uint64
		complains string
	}{
		{"nothing was changed", 6, 6, 6, 7, ""},
		{"the sink is behind", 6, 6, 4, 5, ""},
		{"the end was rewritten", 4, 6, 6, 0, "record 5: "},
		{"the end was rewritten where the sink is behind: nobody can tell", 4, 6, 4, 5, ""},
		{"everything was rewritten", 0, 6, 6, 0, "record 1: "},
		{"records were cut off", 3, 3, 6, 0, "record 4: "},
		{"records were added", 6, 9, 6, 7, ""},
	} {
		for _, heads := range []bool{true, false} {
			path := filled(t, 6)
			held, err := ReadOutside(copied(t, path, c.sink, heads))
			if err != nil || held.Count != c.sink {
				t.Fatalf("%s: %+v %v", c.why, held, err)
			}
			n, err := Covers(forged(t, path, c.same, c.n), held)
			if n != c.unproven || (err != nil) != (c.complains != "") || err != nil && (!errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), c.complains)) {
				t.Errorf("%s, heads %v: from %d on, %v", c.why, heads, n, err)
			}
		}
	}
}

func TestReadOutside(t *testing.T) {
	t.Parallel()
	a, b := filled(t, 5), filled(t, 2)
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	whole, again := read(copied(t, a, 5, false)), read(copied(t, b, 2, true))
	second := strings.SplitAfter(whole, "\n")[1]
	for _, c := range []struct {
		why, text                    string
		count, earlier, unread, last int
	}{
		{"delivered twice", whole + whole, 5, 0, 0, 5},
		{"one delivered twice", whole + second, 5, 0, 0, 5},
		{"a new chain after the old", whole + again, 2, 1, 0, 2},
		{"a line cut off", whole[:len(whole)-30], 4, 0, 1, 4},
		{"a line of another kind", whole + "hello\n\n" + `{"seq":9}` + "\n", 5, 0, 2, 5},
	} {
		name := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := ReadOutside(name)
		if err != nil || o.Count != c.count || o.Earlier != c.earlier || o.Unreadable != c.unread || o.Last.Seq != uint64(c.last) {
			t.Errorf("%s: %+v %v", c.why, o, err)
		}
	}
	name := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(name, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOutside(name); err == nil {
		t.Error("an empty file is a sink")
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := filled(t, 5)
	tail, err := NewTail(path, Head{})
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	var third Head
	for range 4 {
		records, err := tail.Next(2)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			got = append(got, r.Seq)
			if r.Seq == 3 {
				third = r.Head()
			}
		}
	}
	if len(got) != 5 || got[4] != 5 {
		t.Errorf("%v", got)
	}
	tail, err = NewTail(path, third)
	if err != nil {
		t.Fatal(err)
	}
	if records, err := tail.Next(9); err != nil || len(records) != 2 || records[0].Seq != 4 {
		t.Errorf("behind the third: %v %v", records, err)
	}
	if _, err := NewTail(path, Head{Seq: 3, Hash: strings.Repeat("0", 64)}); !errors.Is(err, ErrBroken) {
		t.Errorf("behind a foreign record: %v", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"seq":6,`); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	if records, err := tail.Next(9); err != nil || len(records) != 0 {
		t.Errorf("a line that is being written: %v %v", records, err)
	}
}

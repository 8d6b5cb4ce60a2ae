package app

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// spec 4.3: only what stands in a chain that verifies can be taken back; what a
// restore wrote is no write of an apply.
func TestPastWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	record := func(run string, entries ...[2]string) string {
		path := filepath.Join(dir, run, "audit.jsonl")
		l, err := audit.Open(audit.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := l.Record(t.Context(), "ada", e[0], e[1], fleet.Write{Role: e[1], Before: "former of " + run, After: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	record("20261101T000000.000000Z-trust", [2]string{control.TrustWritten, "a"}, [2]string{control.TrustWritten, "b"})
	second := record("20261102T000000.000000Z-trust", [2]string{control.TrustWritten, "a"}, [2]string{"trust-applied", "corp"})
	record("20261103T000000.000000Z-trust", [2]string{control.TrustRestored, "a"})
	if err := os.MkdirAll(filepath.Join(dir, "20261104T000000.000000Z-trust"), 0o700); err != nil { // a run that is only beginning
		t.Fatal(err)
	}
	p := pastWrites{dir}
	for role, former := range map[string]string{"a": "former of 20261102T000000.000000Z-trust", "b": "former of 20261101T000000.000000Z-trust", "c": ""} {
		w, ok, err := p.OfRole(role)
		if err != nil || ok != (former != "") || w.Before != former {
			t.Errorf("%s: %+v %t %v", role, w, ok, err)
		}
	}
	if w, err := p.OfRun("20261101T000000.000000Z-trust"); err != nil || len(w) != 2 {
		t.Errorf("%+v %v", w, err)
	}
	if _, err := p.OfRun("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such run: %v", err)
	}
	for _, bad := range []string{"", "..", "../runs/x", "."} {
		if _, err := p.OfRun(bad); err == nil {
			t.Errorf("run %q is read", bad)
		}
	}
	text, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second, bytes.Replace(text, []byte("former"), []byte("farmer"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"a", "b"} { // b's chain is whole, but nobody can say that the changed one did not write it last
		if _, _, err := p.OfRole(role); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("%s, from a chain that was changed: %v", role, err)
		}
	}
	if _, _, err := (pastWrites{filepath.Join(dir, "nowhere")}).OfRole("a"); err != nil {
		t.Errorf("without any run: %v", err)
	}
}

package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/people"
)

// spec 14: what cannot be encoded is refused and not recorded; the record goes
// on afterwards, with a chain that verifies.
func TestRecorderRecovers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), AuditFile)
	r, err := openRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	good := func() {
		t.Helper()
		if err := r.Record(t.Context(), "ada", "act", "thing", nil); err != nil {
			t.Fatal(err)
		}
	}
	good()
	if err := r.log.Close(); err != nil { // the file is gone below the recorder's feet
		t.Fatal(err)
	}
	if err := r.Record(t.Context(), "ada", "lost", "thing", nil); err == nil {
		t.Fatal("an entry that could not be written was acknowledged")
	}
	good()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, n, err := audit.Verify(path); err != nil || n != 2 {
		t.Errorf("%d records, %v; want the two that were acknowledged", n, err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

// The saboteur: a record that somebody changed stays refused.
func TestRecorderRefusesABrokenChain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), AuditFile)
	r, err := openRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Record(t.Context(), "ada", "act", "thing", nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte(" "), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Record(t.Context(), "eve", "act", "thing", nil); err == nil {
		t.Fatal("a broken chain was continued")
	}
	if err := SetAuditAside(path, people.Local("ada", people.CLI)); err != nil {
		t.Fatal(err)
	}
	if v, err := VerifyAudit(path); err != nil || !v.Whole || v.Records != 2 {
		t.Errorf("after setting aside: %+v, %v", v, err)
	}
}

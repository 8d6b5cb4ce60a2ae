package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/finding"
)

// papered is an engine whose config wants runbooks in a folder.
func papered(t *testing.T, dir string) *engine {
	t.Helper()
	c, err := config.Parse(filepath.Join(t.TempDir(), "samlfailover.yaml"), []byte(`
tenants: [{name: acme, kind: okta, url: "https://acme.okta.com", token: "env:TOKEN"}]
federations:
  - {name: corp, regions: [us-east-1, us-west-2], apps: [{name: console, tenant: acme, id: 0oa1}], lead: console}
  - {name: labs, regions: [us-east-1, us-west-2], apps: [{name: other, tenant: acme, id: 0oa2}], lead: other}
runbook: {dir: `+dir+`, call: [{who: Ada, how: "555", federation: labs}]}
store: {dir: `+t.TempDir()+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	return &engine{o: Options{Setup: Setup{Config: c, Log: slog.New(slog.DiscardHandler)}}}
}

// noMoves is a journal without a move.
func noMoves(t *testing.T) *memory.Journal {
	t.Helper()
	j, _ := memory.New().Lead()
	return j
}

func TestRunbookJob(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "paper")
	s := papered(t, dir)
	for range 2 { // the second replaces the first
		if err := s.runbook(t.Context(), noMoves(t)); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 4 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
	for name, calls := range map[string]bool{"corp": false, "labs": true} {
		text, err := os.ReadFile(filepath.Join(dir, "runbook-"+name+".md"))
		if err != nil || strings.Contains(string(text), "Ada") != calls || !strings.Contains(string(text), "no controller has read them yet") {
			t.Errorf("%s (%v):\n%s", name, err, text)
		}
	}
	if runbookAt(s.o.Config.Runbook) != "30 6 * * *" || runbookAt(config.Runbook{Schedule: "@daily"}) != config.Off {
		t.Error("it runs at another time than it should")
	}
}

// A failure is a finding that people see, and what was there stays.
func TestRunbookJobFails(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "paper")
	if err := papered(t, dir).runbook(t.Context(), noMoves(t)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "runbook-corp.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := papered(t, filepath.Join(dir, "runbook-corp.md", "below"))
	s.o.Config.Runbook.Dir = filepath.Join(dir, "runbook-corp.md")
	err = s.runbook(t.Context(), noMoves(t))
	if !finding.Is(err, finding.RunbookStale) {
		t.Fatalf("%v", err)
	}
	l := &ledger{log: s.o.Log}
	l.add("runbook", "@daily")
	l.ends(t.Context(), "runbook", control.JobFailed, err)
	if j := l.list()[0]; j.Finding == nil || j.Finding.Code != finding.RunbookStale || j.Finding.Remedy == "" {
		t.Errorf("%+v", j)
	}
	l.ends(t.Context(), "runbook", control.JobDone, nil)
	if j := l.list()[0]; j.Finding != nil {
		t.Errorf("after a good run: %+v", j)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "runbook-corp.md")); err != nil || string(after) != string(before) {
		t.Errorf("the runbook from before is gone (%v)", err)
	}
}

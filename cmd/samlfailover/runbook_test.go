package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/secret/secrettest"
)

// runbookConfig names whom to call and where the runbooks go.
func (l *lived) runbookConfig(t *testing.T, dir string) map[string]string {
	t.Helper()
	return l.edited(t, "\nfederations:", "\nrunbook:\n  dir: "+dir+`
  schedule: "@every 1m"
  call:
    - {who: Identity on call, how: "+1 555 0100 (the red phone)"}
    - {who: AWS landing zone team, how: "bridge 4711, no login needed"}

federations:`)
}

// With a controller that has read the apps once, the runbook says what a plan
// says; it needs neither the controller nor a secret nor anybody's answer.
func TestRunbookExport(t *testing.T) {
	t.Parallel()
	l := newWorld(t)
	env := l.runbookConfig(t, filepath.Join(l.dir, "paper"))
	l.env = env
	l.serve(t)
	plan := cli(t, env, "plan", "--to", "us-west-2", "--output", "json")
	var d struct {
		Plan struct {
			Steps []struct {
				App         struct{ ID string }
				After       struct{ Region, Suffix string }
				RelayBefore string `json:"relay_before"`
				RelayAfter  string `json:"relay_after"`
			}
		}
	}
	if err := json.Unmarshal([]byte(plan.out), &d); err != nil || len(d.Plan.Steps) == 0 {
		t.Fatalf("%v\n%s", err, plan.out)
	}
	bare := map[string]string{"SAMLFAILOVER_CONFIG": env["SAMLFAILOVER_CONFIG"]} // no secret, no proxy
	before, _ := l.Requests().Since(0)
	r := cli(t, bare, "runbook", "export", "--output", "json")
	var books []app.Runbook
	if err := json.Unmarshal([]byte(r.out), &books); err != nil || len(books) != 1 || r.code != exitDone {
		t.Fatalf("%v, code %d\n%s%s", err, r.code, r.out, r.err)
	}
	i := slices.IndexFunc(books[0].Moves, func(m app.RunbookMove) bool { return m.To.String() == "us-west-2" })
	move := books[0].Moves[i]
	if len(move.Steps) != len(d.Plan.Steps) || !move.Steps[0].Lead {
		t.Fatalf("%d steps, the plan has %d; the first is %+v", len(move.Steps), len(d.Plan.Steps), move.Steps[0])
	}
	for j, want := range d.Plan.Steps {
		got := move.Steps[j]
		acs := "https://us-west-2.signin.aws.amazon.com/saml"
		if got.App.ID != want.App.ID || want.After.Region != "us-west-2" || got.Fields[0].Target != acs {
			t.Errorf("step %d: %+v, the plan has %+v", j, got, want)
		}
		relay := slices.ContainsFunc(got.Fields, func(f failover.HandStep) bool {
			return f.Current == want.RelayBefore && f.Target == want.RelayAfter
		})
		if relay != (want.RelayBefore != want.RelayAfter) {
			t.Errorf("step %d: RelayState %q becomes %q in the plan, and the fields are %+v", j, want.RelayBefore, want.RelayAfter, got.Fields)
		}
	}
	after, _ := l.Requests().Since(0)
	if slices.ContainsFunc(after[len(before):], func(e reqlog.Entry) bool { return strings.Contains(e.Path, "/apps") }) {
		t.Error("an IdP was asked for the runbook")
	}

	out := filepath.Join(t.TempDir(), "new", "folder")
	cli(t, bare, "runbook", "export", "-f", books[0].Federation, "--out", out).wants(t, exitDone, ".md", ".html")
	secrets := map[string]string{}
	for _, tn := range l.Demo().Tenants {
		secrets[tn.Name] = tn.Secret
	}
	secrets["aws"] = l.Demo().Controller.SecretKey
	for _, ext := range []string{".md", ".html"} {
		name := filepath.Join(out, "runbook-"+books[0].Federation+ext)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
		if found := secrettest.Find(string(text), secrets); len(found) > 0 {
			t.Errorf("%s holds the secrets of %v", name, found)
		}
		for _, want := range []string{"Identity on call", "us-west-2.signin.aws.amazon.com/saml", "Single sign-on URL", "red phone", "AWS sign-in now goes through"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
	}
	left, err := os.ReadDir(out)
	if err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
}

func TestRunbookUsage(t *testing.T) {
	t.Parallel()
	l := newWorld(t)
	for _, c := range []struct {
		why  string
		args []string
		code int
		text string
	}{
		{"one stream is no place for two documents", []string{"--format", "both"}, exitUsage, "--out"},
		{"there is no such format", []string{"--format", "pdf"}, exitUsage, "markdown, html and both"},
		{"there is no such federation", []string{"-f", "nobody"}, exitUsage, "nobody"},
		{"what was never read is said, not left out", nil, exitDone, "no controller has read them yet"},
		{"a folder that cannot be made", []string{"--out", "/dev/null/x"}, exitFailed, "make the folder of runbooks"},
	} {
		r := cli(t, l.env, append([]string{"runbook", "export"}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.out+r.err, c.text) {
			t.Errorf("%s: code %d, %s%s", c.why, r.code, r.out, r.err)
		}
	}
}

// docs/runbook-example.md is the demo's runbook at a fixed time: go test
// ./cmd/samlfailover -update.
func TestRunbookExample(t *testing.T) {
	t.Parallel()
	l := newWorld(t)
	l.env = l.runbookConfig(t, filepath.Join(l.dir, "paper"))
	l.serve(t)
	cfg, err := config.Load(l.env["SAMLFAILOVER_CONFIG"], config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 6, 30, 0, 0, time.UTC)
	keeper, name := inventory.Keeper{Dir: filepath.Join(cfg.Store.Dir, "inventory")}, cfg.Federations()[0].Name
	still := inventory.Keeper{Dir: filepath.Join(t.TempDir(), "inventory")} // where no controller writes
	apps, err1 := keeper.LoadApps(name)
	roles, err2 := keeper.LoadRoles(name)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	for i := range apps.Apps {
		apps.Apps[i].ReadAt = now.Add(-4 * time.Minute)
	}
	roles.TakenAt = now.Add(-30 * time.Minute)
	if err1, err2 = still.SaveApps(apps), still.SaveRoles(roles); err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	cfg.Store.Dir = filepath.Dir(still.Dir)
	books, err := app.Runbooks(cfg, "v0.0.0-example", name, noMove, now)
	if err != nil {
		t.Fatal(err)
	}
	books[0].ConfigDigest = "0123456789abcdef" // that of a written config depends on its place
	got := "<!-- Generated: go test ./cmd/samlfailover -update. See runbook.md. -->\n\n" + string(books[0].Markdown())
	const path = "../../docs/runbook-example.md"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/runbook-example.md is out of date (%v); run: go test ./cmd/samlfailover -update\n%s", err, diff)
	}
	if dir := os.Getenv("RUNBOOK_PAGE"); dir != "" {
		page, err := books[0].HTML()
		if err != nil || os.WriteFile(filepath.Join(dir, "runbook.html"), page, 0o600) != nil {
			t.Error(err)
		}
	}
}

// noMove is the past of a federation that never moved.
func noMove(string) ([]move.Record, error) { return nil, nil }

package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/signin"
)

// The Regions of the story in partition aws.
const (
	home    = "us-east-1"
	standby = "us-west-2"
)

// tell runs the whole story over real sockets and returns its lines.
func tell(t *testing.T, o Options) (Summary, []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	o.Out, o.JSON, o.Fast, o.Log = &out, true, true, slog.New(slog.DiscardHandler)
	sum, err := Run(t.Context(), o)
	if err != nil {
		t.Fatalf("the story cannot be told: %v\n%s", err, out.String())
	}
	var lines []map[string]any
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var v map[string]any
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			t.Fatalf("line %q: %v", l, err)
		}
		lines = append(lines, v)
	}
	return sum, lines
}

// The whole story: spec 9.2 (no call to what lives in us-east-1), spec 8.5 (the
// failback waits for a person), spec 3 (P4: a login through the moved app),
// spec 7.2 (suspect, then confirmed), spec 8.3 (the first Region by preference).
func TestStory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	sum, err := Run(t.Context(), Options{Out: &out, Fast: true, Width: 100, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("the story cannot be told: %v\n%s", err, out.String())
	}
	wantSummary(t, sum, home, standby)
	for _, l := range sum.Logins {
		if l.Phase == "after-failover" && l.App == "AWS Retail" && l.Landing != "https://us-west-2.console.aws.amazon.com/ecs/v2/home?region=us-west-2#/clusters" {
			t.Errorf("the path of a landing page is lost: %s", l.Landing)
		}
	}
	wantREADME(t, out.String())
}

// The same story in AWS GovCloud (US), told for programs. Its home Region has
// the host without a Region code: the apps move from it to the one with a code,
// and back.
func TestStoryInGovCloud(t *testing.T) {
	t.Parallel()
	var world *sandbox.World
	sum, lines := tell(t, Options{Partition: signin.GovCloud, During: func(_ context.Context, w *sandbox.World, _ *config.Config) { world = w }})
	wantSummary(t, sum, "us-gov-west-1", "us-gov-east-1")
	for _, l := range sum.Logins {
		if l.OK && !strings.HasPrefix(l.Landing, "https://"+l.Region+".console.amazonaws-us-gov.com/") {
			t.Errorf("login %+v", l)
		}
	}
	for _, a := range world.Demo().Apps {
		if doc, _ := world.AppJSON(a.ID); !strings.Contains(string(doc), `"https://signin.amazonaws-us-gov.com/saml"`) {
			t.Errorf("%s did not come home: %s", a.Label, doc)
		}
	}
	last := lines[len(lines)-1]
	if last["type"] != "summary" || last["ok"] != true || last["forbidden_calls"] != 0.0 || last["apps_moved"] != 6.0 {
		t.Errorf("last line %v", last)
	}
	for _, key := range []string{"detect_ms", "move_ms", "decide_ms", "proof", "logins"} {
		if _, ok := last[key]; !ok {
			t.Errorf("the summary lacks %s", key)
		}
	}
	wantLeadFirst(t, lines)
}

// wantSummary wants every check of a whole story and every login right.
func wantSummary(t *testing.T, sum Summary, home, standby string) {
	t.Helper()
	if !sum.OK || len(sum.Failed) > 0 {
		t.Errorf("checks failed: %v", sum.Failed)
	}
	if sum.AppsMoved != 6 || sum.ForbiddenCalls != 0 || sum.Proof != "P4 login" || sum.RolesReady != 75 || sum.Roles != 78 || sum.Home != home || sum.Standby != standby {
		t.Errorf("summary %+v", sum)
	}
	want := map[string]string{"before": home, "during-outage": "", "after-failover": standby, "after-failback": home}
	seen := map[string]map[string]bool{}
	for _, l := range sum.Logins {
		if seen[l.Phase] == nil {
			seen[l.Phase] = map[string]bool{}
		}
		seen[l.Phase][l.App] = true
		r, ok := signin.RegionOfRelayState(l.Landing)
		if region, known := want[l.Phase]; !known || l.Region != region || l.OK != (region != "") || l.OK && (!ok || r.String() != region) {
			t.Errorf("login %+v", l)
		}
	}
	for phase := range want {
		if len(seen[phase]) != 6 {
			t.Errorf("logins in phase %s: %v, want one per app", phase, seen[phase])
		}
	}
}

// wantLeadFirst: spec 9.1: in both moves no other app is written before the lead
// app is proved.
func wantLeadFirst(t *testing.T, lines []map[string]any) {
	t.Helper()
	var order []string
	for _, l := range lines {
		text, _ := l["text"].(string)
		for _, mark := range []string{" is about to be written", " proved: P4 login"} {
			if strings.HasSuffix(text, mark) {
				order = append(order, text)
			}
		}
	}
	const apps = 6
	if len(order) != 2*2*apps {
		t.Fatalf("%d writes and proofs, want %d: %q", len(order), 2*2*apps, order)
	}
	for move := range 2 {
		if first := order[move*2*apps:][:2]; !slices.Equal(first, []string{"AWS Production is about to be written", "AWS Production proved: P4 login"}) {
			t.Errorf("move %d begins with %q", move+1, first)
		}
	}
}

// The saboteur: somebody asks IAM during the outage. The count must show it and
// the story must not be ok.
func TestForbiddenCallIsSeen(t *testing.T) {
	t.Parallel()
	sum, lines := tell(t, Options{During: func(ctx context.Context, w *sandbox.World, _ *config.Config) {
		tr := w.Transport()
		defer tr.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://iam.amazonaws.com/?Action=ListRoles", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if res, err := tr.RoundTrip(req); err == nil {
			t.Errorf("IAM answers %d during the outage", res.StatusCode)
			_ = res.Body.Close()
		}
	}})
	if sum.OK || sum.ForbiddenCalls != 1 {
		t.Errorf("ok %v, %d forbidden calls, want not ok and 1", sum.OK, sum.ForbiddenCalls)
	}
	if last := lines[len(lines)-1]; last["ok"] != false || last["forbidden_calls"] != 1.0 {
		t.Errorf("last line %v", last)
	}
}

// The saboteur: somebody takes a role's audience away while nobody looks, so
// the login after the move must fail and the story must not be ok.
func TestFalseReadinessIsSeen(t *testing.T) {
	t.Parallel()
	sum, _ := tell(t, Options{During: func(_ context.Context, w *sandbox.World, _ *config.Config) {
		for _, a := range w.Demo().Accounts {
			acc := w.Cloud().AddAccount(a.ID, a.Name)
			for _, r := range acc.Roles() {
				r.Trust = strings.ReplaceAll(r.Trust, "us-west-2.signin", "eu-north-1.signin")
				if err := acc.PutRole(r); err != nil {
					t.Error(err)
				}
			}
		}
	}})
	if sum.OK || sum.Proof == "P4 login" {
		t.Errorf("a world in which nobody gets in at %s counts as ok %v with proof %q", standby, sum.OK, sum.Proof)
	}
}

// The prover: no proof without a login that works, and no proof of another
// Region than the one that was asked for.
func TestProver(t *testing.T) {
	t.Parallel()
	w, err := sandbox.New(sandbox.Options{Seed: seed.Options{}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	d := w.Demo()
	for _, a := range d.Apps {
		if level, err := (prover{w}).Prove(t.Context(), fedApp(a), d.Home()); err != nil || level.String() != "P4 login" {
			t.Errorf("%s proves %v, %v", a.Label, level, err)
		}
	}
	ref := fedApp(d.Apps[0])
	if level, err := (prover{w}).Prove(t.Context(), ref, d.Regions[0]); err != nil || level.String() != "P4 login" {
		t.Errorf("an app that works proves %v, %v", level, err)
	}
	if level, err := (prover{w}).Prove(t.Context(), ref, d.Regions[1]); err == nil || level.String() != "P1 read-back" {
		t.Errorf("an app that is still elsewhere proves %v, %v", level, err)
	}
	if _, err := w.Fault(fault.Fault{Target: home, Effect: fault.Effect{Kind: fault.Down}}); err != nil {
		t.Fatal(err)
	}
	if level, err := (prover{w}).Prove(t.Context(), ref, d.Regions[0]); err == nil || level.String() != "P1 read-back" {
		t.Errorf("an app in a dead Region proves %v, %v", level, err)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, l := range wrap(strings.Repeat("word ", 50), 40) {
		if len(l) > 40 {
			t.Errorf("line of %d characters", len(l))
		}
	}
	if got := wrap(strings.Repeat("x", 90), 40); len(got) != 1 {
		t.Errorf("a word without spaces was broken: %q", got)
	}
}

func TestChangedLines(t *testing.T) {
	t.Parallel()
	got := changedLines("--- a\n+++ b\n@@ x @@\n same\n-old\n+new\n")
	if strings.Join(got, "|") != "-old|+new" {
		t.Errorf("%q", got)
	}
}

func fedApp(a seed.App) federation.AppRef {
	return federation.AppRef{Name: a.Label, Tenant: a.Tenant, ID: a.ID}
}

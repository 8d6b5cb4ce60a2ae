package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A move and its undo from the command line, with an administrator's edit in
// between, which survives. spec 4.1
func TestUndoKeepsLaterEdits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.acceptedWith(t)
	w.serve(t)
	before := w.state()
	all := fmt.Sprintf("%d of %[1]d", len(w.Demo().Apps))
	cli(t, w.env, "history").wants(t, exitDone, "No move so far.")
	cli(t, w.env, "undo", "--reason", "x").wants(t, exitUsage, "no finished move")
	moved := cli(t, w.env, "move", "--to", "us-west-2", "--reason", "drill of the team")
	moved.wants(t, exitDone, all+" apps moved to us-west-2", "app "+w.Demo().Apps[5].Label+": tenant acme-onelogin has no section proof")
	if n := strings.Count(moved.out, "no test user"); n != 1 {
		t.Errorf("what keeps the apps from being proven is told %d times:\n%s", n, moved.out)
	}

	edited := w.Demo().Apps[1]
	if err := w.Org().EditApp(edited.ID, func(app map[string]any) {
		app["label"] = "Renamed"
		settings(app)["defaultRelayState"] = "https://us-east-2.console.aws.amazon.com/"
	}); err != nil {
		t.Fatal(err)
	}
	list := cli(t, w.env, "history", "--output", "json")
	var h struct {
		Moves []struct{ ID, Reason string }
	}
	if err := json.Unmarshal([]byte(list.out), &h); err != nil || len(h.Moves) != 1 || h.Moves[0].Reason != "drill of the team" {
		t.Fatalf("history --output json: %v, %s", err, list.out)
	}
	id := h.Moves[0].ID
	cli(t, w.env, "history", id).wants(t, exitDone, "switchover to us-west-2", "drill of the team", "P1 read-back", "us-east-1")
	written := len(w.writes())
	cli(t, w.env, "undo", "--dry-run").wants(t, exitPending, "back to us-east-1", "ssoAcsUrl", "[later-edit-kept]", "Nothing holds this undo.")
	cli(t, w.env, "undo", id).wants(t, exitUsage, "--reason")
	if n := len(w.writes()); n != written {
		t.Fatalf("%d writes by looking", n-written)
	}
	cli(t, w.env, "undo", id, "--reason", "back again").wants(t, exitDone, "undo of move "+id, all+" apps moved back to us-east-1", "an undo is read back", "[later-edit-kept]", "us-east-2.console")
	after := w.state()
	for name, was := range before {
		switch now := after[name]; {
		case name == "app "+edited.Label:
			if !strings.Contains(now, `"Renamed"`) || !strings.Contains(now, "us-east-2.console") || !strings.Contains(now, `"overrideAcsURL":null`) {
				t.Errorf("the edited app is now %s", now)
			}
		case strings.HasPrefix(name, "app ") && sameButDates(t, was, now) != "":
			t.Errorf("%s is not as before: %s", name, sameButDates(t, was, now))
		}
	}
	cli(t, w.env, "undo", "--reason", "once more").wants(t, exitUsage, "the undo of "+id, "samlfailover move --to")
	cli(t, w.env, "history").wants(t, exitDone, "undo of "+id, "back again")
	cli(t, w.env, "status").wants(t, exitDone, "Last move: switchover back to us-east-1")

	cli(t, w.env, "audit", "list", "--action", "undo").wants(t, exitDone, "undo.requested", "federation workforce")
	cli(t, w.env, "audit", "list", "--since", "yesterday").wants(t, exitUsage, "--since")
	out := filepath.Join(t.TempDir(), "export.jsonl")
	cli(t, w.env, "audit", "export", "-o", out).wants(t, exitDone, "records written")
	cli(t, w.env, "audit", "verify", out).wants(t, exitDone, "whole")
	cli(t, w.env, "audit", "export", "-o", out).wants(t, exitFailed, "exists")
	cli(t, w.env, "audit", "export", "--format", "csv", "--action", "move.write").wants(t, exitDone, "seq,time,actor", "move.write")
	cli(t, w.env, "audit", "export", "--format", "xml").wants(t, exitUsage, "jsonl and csv")
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the export: %v, %v", info, err)
	}
}

// spec 4.1: toward a Region that is down an undo is refused, and done when a
// person puts that aside by name.
func TestUndoTowardABrokenRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.acceptedWith(t, "health: {interval: 5s}", "health: {interval: 1s, timeout: 1s, fast_interval: 200ms}")
	w.serve(t)
	cli(t, w.env, "move", "--to", "us-west-2", "--reason", "test").wants(t, exitDone)
	cli(t, w.env, "sandbox", "fault", "us-east-1", "down").wants(t, exitDone)
	if !poll(func() bool { return strings.Contains(cli(t, w.env, "status").out, "us-east-1  unhealthy") }) {
		t.Fatal("the fault is not seen")
	}
	written := len(w.writes())
	cli(t, w.env, "undo", "--reason", "test").wants(t, exitHeld, "Held by rule no-candidate", "leads back to us-east-1, which is unhealthy", "--override no-candidate")
	cli(t, w.env, "undo", "--dry-run").wants(t, exitHeld, "back to us-east-1", "no-candidate")
	if n := len(w.writes()); n != written {
		t.Fatalf("%d writes by an undo that is held", n-written)
	}
	cli(t, w.env, "undo", "--reason", "test", "--override", "no-candidate", "--output", "json").wants(t, exitDone, `"type":"event"`, `"type":"result"`, `"undoes":`)
}

// sameButDates compares two apps but for the time of their last change.
func sameButDates(t *testing.T, was, now string) string {
	t.Helper()
	var a, b map[string]any
	if json.Unmarshal([]byte(was), &a) != nil || json.Unmarshal([]byte(now), &b) != nil {
		return "it is no JSON"
	}
	for _, volatile := range []string{"lastUpdated", "updatedAt", "updated_at"} {
		delete(a, volatile)
		delete(b, volatile)
	}
	ra, _ := json.Marshal(a)
	rb, _ := json.Marshal(b)
	if string(ra) != string(rb) {
		return string(rb)
	}
	return ""
}

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a person sees of a full restore, from the comparison to the record; the
// exit codes tell it too. spec 4.2 spec 14
func TestFullRestoreOnTheCommandLine(t *testing.T) {
	t.Parallel()
	w := peopled(t)
	cli(t, w.env, "move", "--to", "us-west-2", "--reason", "drill", "--override", "approval").wants(t, exitDone, "apps moved to us-west-2")
	var h struct{ Moves []struct{ ID string } }
	if err := json.Unmarshal([]byte(cli(t, w.env, "history", "--output", "json").out), &h); err != nil || len(h.Moves) != 1 {
		t.Fatal(err)
	}
	id, app := h.Moves[0].ID, w.Demo().Apps[1]
	if err := w.Org().EditApp(app.ID, func(doc map[string]any) { doc["label"] = "Renamed\x1b[31m" }); err != nil {
		t.Fatal(err)
	}
	written := len(w.writes())
	restore := []string{"restore", "--full", "--app", app.ID, "--move", id}
	cli(t, w.env, "restore", "--app", app.ID, "--move", id).wants(t, exitUsage, "say --full", "samlfailover undo")
	cli(t, w.env, restore...).wants(t, exitUsage, "--reason")
	cli(t, w.env, "restore", "--full", "--reason", "x").wants(t, exitUsage, "name the app and the move")
	w.as(t, "grace", append(restore, "--reason", "x")...).wants(t, exitHeld, "needs the role admin")
	dry := cli(t, w.env, append(restore, "--dry-run")...)
	dry.wants(t, exitPending, "as it was before move "+id, "/label", "somebody has changed it", "the move wrote it", "Without --dry-run")
	if strings.Contains(dry.out, "\x1b[31m") {
		t.Error("an app's text reaches the terminal as it is")
	}
	cli(t, w.env, append(restore, "--dry-run", "--output", "json")...).wants(t, exitPending, `"comparison":{`, `"pointer":"/label"`, `"seen":"`)
	cli(t, w.env, append(restore, "--reason", "a mistake")...).wants(t, exitPending, "/label", "waits for 1 approval", "samlfailover approve prop-")
	if n := len(w.writes()); n != written {
		t.Fatalf("%d writes without an approval", n-written)
	}
	prop := w.proposed(t)
	cli(t, w.env, "proposals", prop).wants(t, exitDone, "whole as it was before move "+id, "/label", app.Label)
	cli(t, w.env, "approve", prop).wants(t, exitHeld, "ask another approver")
	w.as(t, "grace", "approve", prop).wants(t, exitDone, "goes back whole as it was before move "+id, "1 of 1 apps moved back to us-east-1")
	cli(t, w.env, append(restore, "--dry-run")...).wants(t, exitDone, "Nothing to put back")
	cli(t, w.env, "history").wants(t, exitDone, "full restore of before "+id, "a mistake")
	cli(t, w.env, "audit", "list", "--action", "restore-full").wants(t, exitDone, "restore-full.requested")
	cli(t, w.env, "lock", "--app", app.ID, "--reason", "vendor at work").wants(t, exitDone)
	if err := w.Org().EditApp(app.ID, func(doc map[string]any) { doc["label"] = "Again" }); err != nil {
		t.Fatal(err)
	}
	cli(t, w.env, append(restore, "--reason", "x")...).wants(t, exitHeld, "locked")
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A pause and a lock from the command line: set, shown everywhere, obeyed,
// overridden by name, released. spec 8.6
func TestPauseAndLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.acceptedWith(t)
	w.serve(t)
	apps := len(w.Demo().Apps)
	app := w.Demo().Apps[1]
	id := func(args ...string) string {
		t.Helper()
		r := cli(t, w.env, append(args, "--output", "json")...)
		r.wants(t, exitDone)
		var a struct{ Brake struct{ ID string } }
		if err := json.Unmarshal([]byte(r.out), &a); err != nil || a.Brake.ID == "" {
			t.Fatalf("%q answers %q (%v)", args, r.out, err)
		}
		return a.Brake.ID
	}
	cli(t, w.env, "pause").wants(t, exitUsage, "--reason")
	pause := id("pause", "--reason", "change freeze", "--for", "2h")
	const said = "paused every federation at "
	for _, args := range [][]string{{"status"}, {"explain"}} {
		cli(t, w.env, args...).wants(t, exitDone, pause, said, "change freeze")
	}
	move := []string{"move", "--to", "us-west-2", "--reason", "test"}
	cli(t, w.env, "plan", "--to", "us-west-2").wants(t, exitHeld, pause, "Held by rule paused", "samlfailover resume "+pause)
	cli(t, w.env, move...).wants(t, exitHeld, "Held by rule paused", said)
	cli(t, w.env, "unlock", pause).wants(t, exitUsage, "no lock has the id")
	cli(t, w.env, "resume").wants(t, exitDone, "Released "+pause)
	cli(t, w.env, "resume").wants(t, exitDone, "Nothing to release.")

	lock := id("lock", "--app", app.ID, "--reason", "vendor tests")
	cli(t, w.env, "plan", "--to", "us-west-2").wants(t, exitPending, lock, "stays: ", "vendor tests")
	cli(t, w.env, move...).wants(t, exitFailed, fmt.Sprintf("%d of %d apps moved", apps-1, apps), "incomplete", lock, "By hand, app", "https://us-west-2.signin.aws.amazon.com/saml")
	if written := w.writes(); len(written) != apps-1 || strings.Contains(strings.Join(written, " "), app.ID) {
		t.Errorf("written: %v", written)
	}
	cli(t, w.env, move...).wants(t, exitHeld, "Held by rule locked", "samlfailover unlock "+lock)
	cli(t, w.env, append(move, "--override", "locked")...).wants(t, exitDone, "1 of 1 apps moved")
	cli(t, w.env, "unlock", lock).wants(t, exitDone, "Released "+lock)
	cli(t, w.env, "status").wants(t, exitDone, "Last move:")
	cli(t, w.env, "audit", "verify").wants(t, exitDone, "whole")
	raw, err := os.ReadFile(filepath.Join(w.dir, "data", "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if record := string(raw); strings.Count(record, `"pause.set"`) != 1 || strings.Count(record, `"lock.released"`) != 1 || !strings.Contains(record, `"overrides":["locked"]`) {
		t.Errorf("the record is:\n%s", record)
	}
}

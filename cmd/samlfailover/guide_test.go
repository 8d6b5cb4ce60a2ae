package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/control"
)

// tools skips where a tool that the guides use is not there; with TEST_ALL=1 that
// fails.
func tools(t *testing.T, names ...string) {
	t.Helper()
	for _, n := range names {
		if _, err := exec.LookPath(n); err != nil {
			if os.Getenv("TEST_ALL") == "1" {
				t.Fatal(err)
			}
			t.Skipf("%s is not installed: the guides' commands cannot be run", n)
		}
	}
}

// shell are the commands of a guide's sh blocks, one each, as a person would copy
// them: lines that end with a backslash belong together.
func shell(t *testing.T, guide string) (out []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", guide))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(raw), -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", "")) {
			if line = strings.TrimSpace(line); line != "" {
				out = append(out, line)
			}
		}
	}
	return out
}

// reader follows the guide of the API in a world.
type reader struct {
	t    *testing.T
	w    *lived
	defs string // the guide's own shell function
	last string // what the last command printed
}

// bash runs one command as a person would who has the token of somebody.
func (r *reader) bash(who, command string) (string, error) {
	cmd := exec.CommandContext(r.t.Context(), "bash", "-c", "set -eu\n"+r.defs+"\n"+command)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SAMLFAILOVER_URL=" + r.w.ControllerURL(), "SAMLFAILOVER_TOKEN=" + r.w.StaffToken(who)}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// proposal is one that waits: the guide's reader has just asked for it.
func (r *reader) proposal(to string) (p control.Proposal) {
	r.t.Helper()
	out, err := r.bash("ada", `api $SAMLFAILOVER_URL/api/v1/proposals -d '{"federation":"workforce","to":"`+to+`","reason":"a test"}'`)
	var a struct{ Proposal control.Proposal }
	if err != nil || json.Unmarshal([]byte(out), &a) != nil || a.Proposal.ID == "" {
		r.t.Fatalf("propose: %v\n%s", err, out)
	}
	return a.Proposal
}

// move is the newest move.
func (r *reader) move() string {
	r.t.Helper()
	out, err := r.bash("ada", "api $SAMLFAILOVER_URL/api/v1/moves")
	var h control.History
	if err != nil || json.Unmarshal([]byte(out), &h) != nil || len(h.Moves) == 0 {
		r.t.Fatalf("moves: %v\n%s", err, out)
	}
	return string(h.Moves[0].ID)
}

// run does one command of the guide, with what it leaves open filled in, and says
// what is wrong with the outcome.
func (r *reader) run(command string) error {
	who, needs := "ada", ""
	switch {
	case strings.Contains(command, "/approve"):
		p := r.proposal("us-west-2")
		who, command = "grace", strings.ReplaceAll(strings.ReplaceAll(command, "prop-...", p.ID), `"digest":"..."`, `"digest":"`+p.Digest+`"`)
		needs = `"state":"done"`
	case strings.Contains(command, "/reject"):
		who, command, needs = "grace", strings.ReplaceAll(command, "prop-...", r.proposal("eu-west-1").ID), `"state":"rejected"`
	case strings.Contains(command, "/events"):
		out, err := r.bash(who, strings.Replace(command, "-N", "-N --max-time 1", 1))
		if code := (*exec.ExitError)(nil); !asExit(err, &code) || code.ExitCode() != 28 || !strings.Contains(out, "event: alive") { // curl's own time is over
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	case strings.Contains(command, "/moves/20261127-..."):
		command = strings.ReplaceAll(command, "20261127-...", r.move())
	case strings.Contains(command, "/moves?"):
		needs = `"state":"asked"` // one approval is needed
	case strings.Contains(command, "/pauses/pause-..."):
		var a struct{ Brake control.Brake }
		if err := json.Unmarshal([]byte(r.last), &a); err != nil || a.Brake.ID == "" {
			return fmt.Errorf("no pause was set: %s", r.last)
		}
		command = strings.ReplaceAll(command, "pause-...", a.Brake.ID)
	}
	out, err := r.bash(who, command)
	r.last = out
	if err != nil || !json.Valid([]byte(out)) || !strings.Contains(out, needs) {
		return fmt.Errorf("as %s: %w, wanted JSON with %s:\n%s\n%.600s", who, err, needs, command, out)
	}
	return nil
}

func asExit(err error, into **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError) //nolint:errorlint // as os/exec returns it
	*into = e
	return ok
}

// docs/api.md, step by step, by curl: every command that it shows works as it
// stands, but for ids, which stand for those of the command before.
func TestGuideOfTheAPI(t *testing.T) {
	t.Parallel()
	tools(t, "curl", "bash")
	w := newWorld(t)
	w.env = w.acceptedWith(t, "inventory_max_age: 24h", "inventory_max_age: 24h\n    approvals: 1")
	w.serve(t)
	all := shell(t, "api.md")
	r := &reader{t: t, w: w}
	steps := 0
	for _, c := range all {
		switch {
		case strings.HasPrefix(c, "export "): // the world's env file has both
		case strings.HasPrefix(c, "api() "):
			r.defs = c
		case strings.HasPrefix(c, "api "):
			steps++
			if err := r.run(c); err != nil {
				t.Errorf("%s: %v", c, err)
			}
		default:
			t.Errorf("a command of another kind: %s", c)
		}
	}
	if steps < 14 {
		t.Errorf("%d commands were run", steps)
	}
	// Saboteurs: a guide with a route, a field or a method that is none.
	for _, c := range []string{
		"api $SAMLFAILOVER_URL/api/v1/federation/workforce",
		`api $SAMLFAILOVER_URL/api/v1/plan -d '{"federation":"workforce","region":"us-west-2"}'`,
		"api -X PUT $SAMLFAILOVER_URL/api/v1/pauses",
		`api "$SAMLFAILOVER_URL/api/v1/moves?wait=30s" -d '{"federation":"workforce","to":"us-west-2"}'`,
	} {
		if r.run(c) == nil {
			t.Errorf("%s was taken for right", c)
		}
	}
}

// The recipe of docs/hooks.md signs a request with openssl and sends it by curl;
// without the signature it is refused.
func TestGuideOfTheHooks(t *testing.T) {
	t.Parallel()
	tools(t, "curl", "bash", "openssl")
	w := newWorld(t)
	secret := strings.Repeat("0123456789abcdef", 4)
	if err := os.WriteFile(filepath.Join(w.dir, "secrets", "runbook-secret"), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = w.acceptedWith(t, "hooks:\n", "hooks:\n  - {name: runbook, kind: hmac, federation: workforce, action: propose, secret: \"file:secrets/runbook-secret\"}\n")
	log := w.serve(t)
	recipe := strings.ReplaceAll(strings.Join(shell(t, "hooks.md"), "\n"), "https://failover.corp.example:8443", "$SAMLFAILOVER_URL")
	r := &reader{t: t, w: w, defs: "cd " + w.dir}
	if out, err := r.bash("ada", recipe); err != nil || !json.Valid([]byte(out[strings.Index(out, "{"):])) {
		t.Errorf("the recipe: %v\n%s", err, out)
	}
	for _, spoil := range [][2]string{{"/hooks/runbook", "/hooks/pagerduty"}, {"$(date +%s)", "1"}, {`v1=$sig`, `v1=00$sig`}} {
		if out, err := r.bash("ada", strings.ReplaceAll(recipe, spoil[0], spoil[1])); err == nil || !strings.Contains(out, "urn:samlfailover:problem:") {
			t.Errorf("with %s: %v\n%s", spoil[1], err, out)
		}
	}
	if strings.Contains(log.String(), secret) {
		t.Error("the secret is in the log")
	}
}

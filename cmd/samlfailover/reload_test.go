package main

import (
	"os"
	"strings"
	"testing"
)

// A config that is spoiled while the controller runs changes nothing, and status
// says so with the reason; mended, the word goes away. spec 15.3
func TestSpoiledConfigIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.acceptedWith(t)
	w.serve(t)
	path := w.env["SAMLFAILOVER_CONFIG"]
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := strings.Replace(string(good), "mode: approve", "mode: atuo", 1)
	for _, step := range []struct{ text, says string }{
		{spoiled, "stays in force"}, {strings.Replace(string(good), "mode: approve", "mode: observe", 1), "Federation workforce: mode observe"},
	} {
		if err := os.WriteFile(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if !poll(func() bool { return strings.Contains(cli(t, w.env, "status").out, step.says) }) {
			t.Fatalf("status does not say %q:\n%s", step.says, cli(t, w.env, "status").out)
		}
	}
	cli(t, w.env, "status").wants(t, exitDone, "The config was read again at", "values changed: 1")
	if err := os.WriteFile(path, []byte(spoiled), 0o600); err != nil {
		t.Fatal(err)
	}
	cli(t, w.env, "status").wants(t, exitDone, "warning: the config has errors; the controller goes on", "atuo")
	cli(t, w.env, "check").wants(t, exitFailed, "atuo")
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	cli(t, w.env, "audit", "list", "--action", "config").wants(t, exitDone, "config.refused", "config.reload")
}

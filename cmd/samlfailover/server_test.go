package main

import (
	"maps"
	"strings"
	"testing"
)

// Commands ask a controller over the network with a token, as the world's env
// file has both, and without a config of their own.
func TestServerFlag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t)
	env := maps.Clone(w.env)
	delete(env, "SAMLFAILOVER_CONFIG")
	url := env["SAMLFAILOVER_URL"]
	if url == "" || !strings.HasPrefix(env["SAMLFAILOVER_TOKEN"], "sfo_") {
		t.Fatalf("the env file sets %q and %q", url, env["SAMLFAILOVER_TOKEN"])
	}
	here := cli(t, w.env, "status", "--output", "json")
	there := cli(t, env, "status", "--server", url, "--output", "json")
	there.wants(t, exitDone, `"name":"workforce"`, `"version"`)
	if !allKnown([]byte(here.out)) || !allKnown([]byte(there.out)) {
		t.Error("the two statuses differ in what they know")
	}
	cli(t, env, "plan", "--server", url, "--to", "us-west-2").wants(t, exitHeld, "Held by rule not-ready")
	cli(t, env, "explain", "--server", url+"/").wants(t, exitDone, "active-healthy")
	cli(t, env, "history", "--server", url).wants(t, exitDone)
	cli(t, env, "pause", "--server", url, "--reason", "over the network").wants(t, exitDone, "ada via token")
	cli(t, env, "resume", "--server", url).wants(t, exitDone, "Released")
	cli(t, env, "store", "status", "--server", url).wants(t, exitDone)
	cli(t, env, "schedule", "list", "--server", url).wants(t, exitDone, "app_reads", "NEXT RUNS")
	cli(t, env, "readiness", "--server", url, "--region", "us-west-2").wants(t, exitDone, "71 of 78 roles will work in us-west-2")
	cli(t, env, "lock", "--server", url, "--app", "AWS Retail", "--reason", "over the network").wants(t, exitDone, "ada via token")
	cli(t, env, "unlock", "lock-x", "--server", url).wants(t, exitUsage, "no lock has the id")
	cli(t, env, "proposals", "--server", url).wants(t, exitDone)
	cli(t, env, "undo", "--server", url, "--reason", "x").wants(t, exitUsage, "no finished move that could be taken back")
	cli(t, env, "plan", "--server", url, "--to", "moon-1").wants(t, exitUsage, "moon-1")

	wrong := maps.Clone(env)
	wrong["SAMLFAILOVER_TOKEN"] = "sfo_wrong-token-marker"
	r := cli(t, wrong, "status", "--server", url)
	r.wants(t, exitFailed, "the token is nobody's here", "next: ")
	if strings.Contains(r.out+r.err, "marker") {
		t.Errorf("the token is shown: %s%s", r.out, r.err)
	}
	delete(wrong, "SAMLFAILOVER_TOKEN")
	cli(t, wrong, "status", "--server", url).wants(t, exitFailed, "SAMLFAILOVER_TOKEN")
	cli(t, env, "status", "--server", "http://failover.example").wants(t, exitFailed, "credentials go over https only")
	cli(t, env, "status", "--server", "http://127.0.0.1:1").wants(t, exitFailed, "ask the controller at http://127.0.0.1:1", "next: ")

	token := cli(t, env, "sandbox", "oidc-token", "--subject", "00ugrace")
	token.wants(t, exitDone, "eyJ")
	env["SAMLFAILOVER_TOKEN"] = strings.TrimSpace(token.out)
	cli(t, env, "status", "--server", url).wants(t, exitDone, "workforce")
	forged := cli(t, env, "sandbox", "oidc-token", "--subject", "00ugrace", "--fault", "none")
	env["SAMLFAILOVER_TOKEN"] = strings.TrimSpace(forged.out)
	cli(t, env, "status", "--server", url).wants(t, exitFailed, "signed in a way that does not count")
	cli(t, env, "sandbox", "oidc-token").wants(t, exitUsage, "--subject")
}

package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/samlfailover/samlfailover/secret/secrettest"
)

// acting returns the characters of a text that act on a terminal; line ends are
// ours.
func acting(text string) []rune {
	var out []rune
	for _, r := range text {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			out = append(out, r)
		}
	}
	return out
}

// spec 13.7: what an administrator of the IdP wrote into an app never acts on
// the terminal, in text, in JSON and in the log.
func TestOutsideTextIsEscaped(t *testing.T) {
	t.Parallel()
	const nasty = "Prod\x1b[31m\x1b]0;owned\x07\u202egnp.exe\u2066\u009b1m\x7f\r\nDecision: move by rule nothing"
	w := newWorld(t)
	for _, a := range w.Demo().Apps {
		if err := w.EditApp(a.ID, func(app map[string]any) {
			const page = "https://evil.example/" + nasty
			switch { // Okta, PingOne, OneLogin
			case app["settings"] != nil:
				app["label"], settings(app)["defaultRelayState"] = nasty, page
			case app["acsUrls"] != nil:
				app["name"], app["defaultTargetUrl"] = nasty, page
			default:
				app["name"], app["configuration"].(map[string]any)["relaystate"] = nasty, page
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	w.env = w.acceptedWith(t)
	log := w.serve(t, "--verbose")
	for _, args := range [][]string{
		{"pause", "--reason", nasty}, {"pause", "--reason", "x", "--for", nasty}, {"lock", "--all", "--reason", nasty}, {"lock", "--app", nasty, "--reason", "x"},
		{"check"}, {"status"}, {"explain"}, {"plan", "--to", "us-west-2"}, {"resume", nasty}, {"resume", "--all"}, {"unlock", nasty},
		{"move", "--to", "us-west-2", "--override", "locked", "--reason", nasty},
		{"history"}, {"history", nasty}, {"undo", "--dry-run"}, {"undo", "--reason", nasty}, {"audit", "list"}, {"audit", "list", "--subject", nasty}, {"audit", "export", "--format", "csv"},
		{"status"}, {"explain", "--region", "us-west-2"}, {"sandbox", "login"}, {"sandbox", "requests"},
		{"sandbox", "login", "--app", nasty}, {"status", "-c", nasty}, {"explain", "--federation", nasty}, {nasty}, {"trust", "apply", nasty, "--yes"},
		{"plan", "--to", nasty}, {"sandbox", "fault", nasty, "down"}, {"sandbox", "fault", "iam", nasty}, {"version", "--" + nasty},
	} {
		for _, form := range []string{"text", "json"} {
			r := cli(t, w.env, append([]string{"--verbose", "--output", form}, args...)...)
			if bad := acting(r.out + r.err); len(bad) > 0 {
				t.Errorf("%q as %s writes %q:\n%q", args, form, bad, r.out+r.err)
			}
			if strings.Contains(r.out+r.err, "\nDecision: move by rule nothing") {
				t.Errorf("%q as %s lets outside text forge a line:\n%s", args, form, r.out+r.err)
			}
		}
	}
	if bad := acting(log.String()); len(bad) > 0 {
		t.Errorf("the log holds %q", bad)
	}
	r := cli(t, w.env, "status")
	r.wants(t, exitDone, `Prod\u001b[31m`, `\u202egnp.exe`, "foreign-relaystate")
	var st struct {
		Federations []struct {
			Apps []struct{ Label string }
		}
	}
	if err := json.Unmarshal([]byte(cli(t, w.env, "status", "--output", "json").out), &st); err != nil || len(st.Federations[0].Apps) != 6 {
		t.Fatalf("%v, %q", err, st)
	}
	for _, a := range st.Federations[0].Apps {
		if a.Label != nasty {
			t.Errorf("JSON must keep the value: %q", a.Label)
		}
	}
}

// A saboteur of the escaping in JSON, and what it must leave alone.
func TestVisibleJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", "東京 ü ☃", "a\u202eb", "\U000e0041tag", "\u009b31m\x7f", "\u2028", `back\slash"quote`, "\x1b[0m\n"} {
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := visibleJSON(append(plain, '\n'))
		if bad := acting(string(got)); len(bad) > 0 {
			t.Errorf("%q: %q still acts", got, bad)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != text {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}
	}
	if acting("a\u202eb") == nil || acting("a\x1bb") == nil || acting("plain\n") != nil {
		t.Error("the check does not see what acts")
	}
}

// leaked names the secrets that a text holds, in whatever form.
func leaked(text string, secrets map[string]string) []string { return secrettest.Find(text, secrets) }

// spec 15.1: no output of any command, and no file of the controller, holds a
// secret; neither when everything works nor when Okta refuses the token.
func TestNoOutputHoldsASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.Demo()
	secrets := map[string]string{
		"the controller's AWS secret key": d.Controller.SecretKey, "the operator's AWS secret key": d.Operator.SecretKey,
		"the sandbox's token": w.Token(), "a person's password": d.Users[0].Password,
	}
	for _, tn := range d.Tenants {
		secrets["the secret of "+tn.Name] = tn.Secret
	}
	w.env = w.acceptedWith(t)
	log := w.serve(t, "--verbose")
	token, err := os.ReadFile(filepath.Join(w.dir, "data", "run", "token"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["the socket's token"] = strings.TrimSpace(string(token))
	login := cli(t, w.env, "sandbox", "login", "--output", "json")
	secrets["an assertion"] = assertionIn(t, login.out)

	refused := maps.Clone(w.env)
	wrong := "00" + strings.Repeat("wrong", 8)
	secrets["a token that Okta refuses"] = wrong
	if err := os.WriteFile(filepath.Join(w.dir, "secrets", "wrong"), []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(w.env["SAMLFAILOVER_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	refused["SAMLFAILOVER_CONFIG"] = filepath.Join(w.dir, "refused.yaml")
	config = []byte(strings.ReplaceAll(strings.ReplaceAll(string(config), "secrets/acme-okta-token", "secrets/wrong"), "dir: data", "dir: other"))
	if err := os.WriteFile(refused["SAMLFAILOVER_CONFIG"], config, 0o600); err != nil {
		t.Fatal(err)
	}
	proxied := maps.Clone(w.env)
	proxied["HTTPS_PROXY"] = strings.Replace(w.env["HTTPS_PROXY"], "http://", "http://me:hunter2secret@", 1)
	secrets["the proxy's password"] = "hunter2secret"

	seen := 0
	for _, args := range [][]string{
		{"check"}, {"status"}, {"explain", "--region", "us-west-2", "--rules"}, {"trust", "scan"}, {"trust", "plan", "-o", filepath.Join(w.dir, "plan.json")},
		{"trust", "apply", "--yes"}, {"plan", "--to", "us-west-2"}, {"move", "--to", "us-west-2", "--reason", "a test"}, {"audit", "verify"},
		{"sandbox", "login"}, {"sandbox", "requests"}, {"sandbox", "fault", "iam", "down"}, {"sandbox", "heal"}, {"probe", "--explain", "--region", "us-west-2"},
		{"endpoints"}, {"version"}, {"sandbox", "login", "--user", "nobody@acme.example"},
	} {
		for _, form := range []string{"text", "json"} {
			envs := []map[string]string{w.env}
			if form == "text" {
				envs = append(envs, refused, proxied)
			}
			for _, env := range envs {
				r := cli(t, env, append([]string{"--verbose", "--output", form}, args...)...)
				seen += len(r.out) + len(r.err)
				for _, name := range leaked(r.out+r.err, secrets) {
					t.Errorf("%q as %s shows %s:\n%s\n%s", args, form, name, r.out, r.err)
				}
			}
		}
	}
	for _, name := range leaked(log.String(), secrets) {
		t.Errorf("the controller's log shows %s", name)
	}
	if seen < 10_000 || !strings.Contains(log.String(), "level=DEBUG") {
		t.Errorf("%d characters of output, log %q: too little to prove anything", seen, log.String())
	}
	searchFiles(t, filepath.Join(w.dir, "data"), secrets)
}

// assertionIn returns a part of the SAML response that sandbox login has kept,
// and removes the file.
func assertionIn(t *testing.T, line string) string {
	t.Helper()
	var l loginLine
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(l.AssertionFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the SAML response: %v %v", info, err)
	}
	xml, err := os.ReadFile(l.AssertionFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(xml), "SignatureValue>")
	if !ok || len(rest) < 80 {
		t.Fatalf("the SAML response has no signature: %s", xml)
	}
	if err := os.Remove(l.AssertionFile); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(rest)[:40]
}

// searchFiles looks for secrets in what the controller keeps; its own token
// file is where that one belongs.
func searchFiles(t *testing.T, dir string, secrets map[string]string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "token" || filepath.Ext(path) == ".store-key" {
			return err
		}
		text, err := os.ReadFile(path)
		files++
		for _, name := range leaked(withoutGaps(text), secrets) {
			t.Errorf("%s holds %s", path, name)
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("searched %d files: %v", files, err)
	}
}

// withoutGaps leaves out the zeros with which a database reserves its space.
func withoutGaps(text []byte) string {
	pieces := bytes.FieldsFunc(text, func(r rune) bool { return r == 0 })
	return string(bytes.Join(pieces, []byte{0}))
}

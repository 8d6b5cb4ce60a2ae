package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

// acceptedWith returns the environment with a config whose roles count as ready
// enough, so that nothing but the case at hand holds a move.
func (l *lived) acceptedWith(t *testing.T, pairs ...string) map[string]string {
	t.Helper()
	return l.edited(t, append([]string{"min_ready_share: 0.9", "min_ready_share: 0.1", "mode: auto", "mode: approve", "accept_fewer_vantages: true", "inventory_max_age: 24h"}, pairs...)...)
}

// Bad config: a clear message, the right exit code, and nobody outside was
// asked to change anything. spec 15.3, spec 2.11
func TestBadConfigChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.state()
	other := filepath.Join(w.dir, "not.pem")
	if err := os.WriteFile(other, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		edit []string
		mode os.FileMode
		want []string
	}{
		{"a typo in a key", []string{"    lead:", "    leed:"}, 0o600, []string{":5: federations[0]: unknown key", `unknown key "leed"; did you mean "lead"?`}},
		{"an unknown Region", []string{"us-west-2, eu-west-1", "us-west-9, eu-west-1"}, 0o600, []string{`"us-west-9" is not a Region with a SAML sign-in endpoint; did you mean "us-west-1"`}},
		{"a Region of another partition", []string{"us-west-2, eu-west-1", "us-gov-west-1, eu-west-1"}, 0o600, []string{"regions[1]", "us-gov-west-1", "partition"}},
		{"two problems are told at once", []string{"us-west-2, eu-west-1", "us-west-9, eu-west-1", "mode: auto", "mode: automatic"}, 0o600, []string{"us-west-9", `"automatic"`}},
		{"the CA file is not there", []string{"ca_file: ca.pem", "ca_file: none.pem"}, 0o600, []string{"none.pem does not exist", "next: point network.ca_file at a PEM file"}},
		{"the CA file is a folder", []string{"ca_file: ca.pem", "ca_file: secrets"}, 0o600, []string{"secrets", "directory"}},
		{"the CA file is not PEM", []string{"ca_file: ca.pem", "ca_file: not.pem"}, 0o600, []string{"not.pem", "PEM"}},
		{"a secret file that is not there", []string{"file:secrets/acme-okta-token", "file:secrets/none"}, 0o600, []string{"secrets/none"}},
		{"a token in the config itself", []string{"file:secrets/acme-okta-token", "00abcdefghijklmnop"}, 0o600, []string{"tenants[0].token"}},
		{"others can change the config", nil, 0o666, []string{"edited.yaml", "can be changed by other users (mode 0666)", "run: chmod go-w "}},
	} {
		env := w.edited(t, c.edit...)
		if err := os.Chmod(env["SAMLFAILOVER_CONFIG"], c.mode); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"check"}, {"serve"}, {"trust", "scan"}, {"trust", "apply", "--yes"}} {
			r := cli(t, env, command...)
			if r.code != exitFailed || r.out != "" {
				t.Errorf("%s, %v: exit code %d, stdout %q", c.why, command, r.code, r.out)
			}
			for _, want := range c.want {
				if !strings.Contains(r.err, want) {
					t.Errorf("%s, %v: %q is missing in\n%s", c.why, command, want, r.err)
				}
			}
			if strings.Contains(r.err, "00abcdefghijklmnop") {
				t.Errorf("%s, %v: the message shows the token", c.why, command)
			}
		}
	}
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("the world changed: %s", diff)
	}
	if entries, _ := w.Requests().Since(0); len(entries) > 0 {
		t.Errorf("a bad config asked somebody: %+v", entries[0])
	}
}

// settings returns the SAML settings inside an app's JSON.
func settings(app map[string]any) map[string]any {
	s, _ := app["settings"].(map[string]any)
	on, _ := s["signOn"].(map[string]any)
	return on
}

const foreign = "https://us-west-2.signin.aws.amazon.com.evil.example/saml"

// Apps that must not be written: each is named with its reason, keeps every
// byte, and the other app moves. spec 1.4
func TestBadAppsAreNotWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why   string
		edit  func(map[string]any)
		code  string
		words string
	}{
		{"its ACS is on a foreign host", func(a map[string]any) {
			a["settings"].(map[string]any)["app"].(map[string]any)["overrideAcsURL"] = foreign
		}, "foreign-acs", "evil.example"},
		{"only its Recipient is on a foreign host", func(a map[string]any) { settings(a)["recipientOverride"] = foreign }, "foreign-acs", "evil.example"},
		{"it does not sign in with SAML", func(a map[string]any) {
			a["signOnMode"] = "OPENID_CONNECT"
			delete(a["settings"].(map[string]any), "signOn")
		}, "not-saml", "SAML 2.0"},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			bad, good := w.Demo().Apps[1], w.Demo().Apps[0]
			if err := w.Org().EditApp(bad.ID, c.edit); err != nil {
				t.Fatal(err)
			}
			before := w.state()
			w.env = w.acceptedWith(t)
			cli(t, w.env, "check").wants(t, exitFailed, c.code, c.words, bad.Label)
			w.serve(t)
			cli(t, w.env, "status").wants(t, exitDone, c.code, "cannot be moved")
			if diff := cmp.Diff(before, w.state()); diff != "" || len(w.writes()) > 0 {
				t.Fatalf("looking changed something: %v %s", w.writes(), diff)
			}
			cli(t, w.env, "move", "--to", "us-west-2", "--reason", "a test").wants(t, exitFailed, "5 of 6 apps moved to us-west-2: incomplete", c.code)
			after := w.state()
			if before["app "+bad.Label] != after["app "+bad.Label] {
				t.Errorf("%s: the app was written:\n%s", c.why, cmp.Diff(before["app "+bad.Label], after["app "+bad.Label]))
			}
			if before["app "+good.Label] == after["app "+good.Label] {
				t.Error("the good app was not moved")
			}
			if len(w.writes()) == 0 {
				t.Error("the good app's write is not in the request log: the search is broken")
			}
		})
	}
}

// A trust policy that is not JSON: named, never written, and the other roles
// are mended all the same.
func TestTrustPolicyThatIsNotJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.Demo().NotReady()[0]
	account, r, _ := w.Cloud().RoleByARN(role.ARN)
	account.ChangeRole(r.Name, func(r *world.Role) { r.Trust = strings.TrimSuffix(strings.TrimSpace(r.Trust), "}") })
	before := w.state()
	cli(t, w.env, "trust", "scan").wants(t, exitDone, role.ARN, "JSON")
	cli(t, w.env, "trust", "plan").wants(t, exitPending, role.ARN, "JSON")
	if diff := cmp.Diff(before, w.state()); diff != "" || len(w.writes()) > 0 {
		t.Fatalf("looking changed something: %v %s", w.writes(), diff)
	}
	cli(t, w.env, "trust", "apply", "--yes").wants(t, exitDone, "written")
	if len(w.writes()) == 0 {
		t.Error("the writes of roles are not in the request log: the search is broken")
	}
	after := w.state()
	if after[role.ARN] != before[role.ARN] {
		t.Errorf("the broken policy was written: %s", after[role.ARN])
	}
	delete(before, role.ARN)
	delete(after, role.ARN)
	if maps.Equal(before, after) {
		t.Error("nothing was mended")
	}
}

// spec 9.1: without a lead app the first listed one moves first, and check says
// that nobody chose it.
func TestCheckDoubtsAMissingLead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const doubt = `no lead app is named, so "AWS Production" moves first`
	if r := cli(t, w.env, "check"); r.code != exitDone || strings.Contains(r.out+r.err, "no lead app") {
		t.Errorf("with a lead app: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	cli(t, w.edited(t, "    lead: ", "    # lead: "), "check").wants(t, exitDone, doubt, "name the on-call team's app in lead")
}

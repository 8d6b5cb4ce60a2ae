package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// guard puts a Deny on sign-ins anywhere but at home into a role that lacks the
// standby, and returns its ARN.
func guard(t *testing.T, w *lived) string {
	t.Helper()
	for _, n := range w.Demo().NotReady() {
		if !n.Mendable {
			continue
		}
		account, r, _ := w.Cloud().RoleByARN(n.ARN)
		account.ChangeRole(r.Name, func(r *world.Role) {
			r.Trust = strings.TrimSuffix(strings.TrimRight(strings.TrimSpace(r.Trust), "} \n"), "]") +
				`,{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithSAML","Condition":{"StringNotEquals":{"SAML:aud":["https://signin.aws.amazon.com/saml"]}}}]}`
		})
		if _, r, _ := w.Cloud().RoleByARN(n.ARN); !json.Valid([]byte(r.Trust)) {
			continue
		}
		return n.ARN
	}
	t.Fatal("the demo world has no role to guard")
	return ""
}

// spec 5.1, 5.4, 5.5: Deny edits are planned apart and refused; a run that
// stopped is finished by its id, and no role is written twice.
func TestTrustPlanAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := guard(t, w)
	_, r, _ := w.Cloud().RoleByARN(role)
	guarded, before := r.Trust, w.state()
	file := filepath.Join(t.TempDir(), "plan.json")
	cli(t, w.env, "trust", "plan", "-o", file).wants(t, exitPending, "needs-approver", role, "of 2048 characters", "apply "+file)
	text, err := os.ReadFile(file)
	var plan control.TrustPlan
	if err != nil || json.Unmarshal(text, &plan) != nil || len(plan.Denies) != 1 || len(plan.Edits) < 2 {
		t.Fatalf("%v: %d deny edits, %d edits", err, len(plan.Denies), len(plan.Edits))
	}
	first := cli(t, w.env, "trust", "apply", file, "--yes", "--max-roles", "1", "--ticket", "CHG-7")
	first.wants(t, exitDone, "needs-approver", "--resume ")
	if n := len(w.writes()); n != 1 {
		t.Fatalf("%d writes: %v", n, w.writes())
	}
	id := regexp.MustCompile(`--resume (\S+)`).FindStringSubmatch(first.out)[1]
	journal := filepath.Join(w.dir, "data", "runs", id, "journal.jsonl")
	kept, err := os.ReadFile(journal)
	if err != nil || !strings.Contains(string(kept), "CHG-7") {
		t.Fatalf("the journal: %v %s", err, kept)
	}
	if err := os.WriteFile(journal, append(kept, `{"outcome":{"role":"torn`...), 0o600); err != nil {
		t.Fatal(err)
	}
	cli(t, w.env, "trust", "apply", "--resume", id, "--yes").wants(t, exitDone, "written")
	if n := len(w.writes()); n != len(plan.Edits) {
		t.Errorf("%d writes of %d roles: %v", n, len(plan.Edits), w.writes())
	}
	cli(t, w.env, "trust", "apply", "--resume", id, "--yes").wants(t, exitDone, "written")
	if n := len(w.writes()); n != len(plan.Edits) {
		t.Errorf("a finished run has written again: %v", w.writes())
	}
	cli(t, w.env, "trust", "restore", "--run", id).wants(t, exitUsage, "--yes")
	cli(t, w.env, "trust", "restore", "--role", plan.Edits[0].Role, "--yes").wants(t, exitDone, "written")
	cli(t, w.env, "trust", "restore", "--run", id, "--yes").wants(t, exitDone, "written", "already")
	if diff := cmp.Diff(before, w.state()); diff != "" {
		t.Errorf("it is not as it was before:\n%s", diff)
	}
	cli(t, w.env, "trust", "restore", "--role", role, "--yes").wants(t, exitFailed, "nothing to take back")
	cli(t, w.env, "trust", "restore", "--yes").wants(t, exitUsage, "--role")
	if _, r, _ := w.Cloud().RoleByARN(role); r.Trust != guarded {
		t.Error("the Deny was edited")
	}
	for _, bad := range []string{"../../x", ".", "none"} {
		if r := cli(t, w.env, "trust", "apply", "--yes", "--resume="+bad); r.code != exitFailed {
			t.Errorf("run %q: exit code %d", bad, r.code)
		}
	}
	cli(t, w.env, "trust", "apply", "--yes", "--resume", id, file).wants(t, exitUsage)
}

// Whoever keeps roles in Terraform or CloudFormation gets the whole policies,
// also of roles that only they write.
// spec 5.5
func TestTrustPlanForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var plan control.TrustPlan
	r := cli(t, w.env, "trust", "plan", "--format", "json")
	r.wants(t, exitPending)
	if err := json.Unmarshal([]byte(r.out), &plan); err != nil || len(plan.Elsewhere) == 0 {
		t.Fatalf("%v, %d roles are kept elsewhere", err, len(plan.Elsewhere))
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Metadata   map[string]string
			Properties struct{ AssumeRolePolicyDocument json.RawMessage }
		}
	}
	r = cli(t, w.env, "trust", "plan", "--format", "cloudformation")
	r.wants(t, exitPending)
	if err := json.Unmarshal([]byte(r.out), &template); err != nil || len(template.Resources) != len(elsewhere(plan)) {
		t.Fatalf("%v: %d resources for %d roles", err, len(template.Resources), len(elsewhere(plan)))
	}
	for id, r := range template.Resources {
		if !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(id) || r.Type != "AWS::IAM::Role" || !strings.Contains(string(r.Properties.AssumeRolePolicyDocument), "us-west-2") {
			t.Errorf("%s: %+v", id, r)
		}
	}
	hcl := cli(t, w.env, "trust", "plan", "--format", "terraform")
	hcl.wants(t, exitPending, "locals {")
	for _, e := range elsewhere(plan) {
		if !strings.Contains(hcl.out, `"`+e.Role+`" = jsonencode({`) {
			t.Errorf("%s is missing", e.Role)
		}
	}
	if len(w.writes()) > 0 {
		t.Errorf("a plan has written: %v", w.writes())
	}
	cli(t, w.env, "trust", "plan", "--format", "pulumi").wants(t, exitUsage, "terraform")
}

func TestHCL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a": "${aws:username}"}`: `{"a": "$${aws:username}"}`, // a policy variable is no template
		`"100%{x}"`:                `"100%%{x}"`,
		`"a\/b\\/c"`:               `"a/b\\/c"`, // HCL has no \/
		`"\b\f\n"`:                 `"\u0008\u000c\n"`,
		`"é $ % {}"`:               `"é $ % {}"`,
	} {
		if got := hcl(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// spec 6.1, 6.2: the last scan is shown with its age, also while AWS is gone, and
// each cell can be explained.
func TestReadinessAndExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cli(t, w.env, "readiness").wants(t, exitFailed, "trust scan")
	cli(t, w.env, "trust", "scan").wants(t, exitDone)
	bad := w.Demo().NotReady()[0].ARN
	before := w.Requests().Last()
	cli(t, w.env, "readiness").wants(t, exitDone, "Scanned ", "of 78 roles will work in us-west-2", bad, "not-ready", "next: ", "PROVIDER", "guardrails: unknown")
	var report control.ReadinessReport
	r := cli(t, w.env, "readiness", "--region", "us-west-2", "--why", "not-ready", "--output", "json")
	r.wants(t, exitDone)
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.Roles) != len(w.Demo().NotReady()) || len(report.Regions) != 1 || len(report.Providers) == 0 {
		t.Errorf("%v: %d roles, %d providers", err, len(report.Roles), len(report.Providers))
	}
	cli(t, w.env, "trust", "explain", bad, "--region", "us-west-2").wants(t, exitDone, "is not-ready for us-west-2", "sts:AssumeRoleWithSAML", "sts:TagSession")
	if n := w.Requests().Count(before, func(e reqlog.Entry) bool { return strings.Contains(e.Host, "amazonaws") }); n != 0 {
		t.Errorf("AWS was asked %d times", n)
	}
	cli(t, w.env, "trust", "explain", "nobody", "--region", "us-west-2").wants(t, exitFailed, "nobody")
	cli(t, w.env, "trust", "explain", bad).wants(t, exitUsage, "--region")
	cli(t, w.env, "readiness", "--why", "bad").wants(t, exitUsage, "conditional")
	cli(t, w.env, "readiness", "--region", "mars").wants(t, exitUsage, "mars")
}

package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// spec 5.8: check warns when the identity that serves could write to IAM, by
// itself or as an enforce role, and says so when it cannot find out. It assumes no
// enforce role to find out.
func TestCheckTellsOfAServingIdentityThatCanWrite(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := p.world.Demo().Controller
	for _, row := range []struct {
		why      string
		allow    []string
		verified bool
		code     finding.Code
		says     string
	}{
		{"it may not ask IAM", []string{"sts:AssumeRole"}, false, finding.ServingUnverified, "SimulatePrincipalPolicy"},
		{"it can do nothing but ask", []string{"iam:SimulatePrincipalPolicy"}, true, "", ""},
		{"it may assume the enforce roles", []string{"iam:SimulatePrincipalPolicy", "sts:AssumeRole"}, true, finding.ServingWrites, "sts:AssumeRole on arn:aws:iam::"},
		{"it may write trust policies", []string{"iam:SimulatePrincipalPolicy", "iam:UpdateAssumeRolePolicy"}, true, finding.ServingWrites, "iam:UpdateAssumeRolePolicy"},
		{"it may do everything", []string{"*"}, true, finding.ServingWrites, "iam:PutRolePolicy"},
	} {
		p.account(c.Account).AddAccessKey(c.User, c.AccessKeyID, c.SecretKey, row.allow)
		r, err := app.Check(t.Context(), p.setup(&journal{}))
		if err != nil || r.Serving == nil {
			t.Fatalf("%s: %+v %v", row.why, r.Serving, err)
		}
		got := r.Serving
		if got.Verified != row.verified || !strings.HasSuffix(got.Identity, ":user/"+c.User) || (row.code == "") != (len(got.Findings) == 0) {
			t.Errorf("%s: %+v", row.why, got)
			continue
		}
		if row.code != "" && (len(got.Findings) != 1 || got.Findings[0].Code != row.code || !strings.Contains(got.Findings[0].Why, row.says) || got.Findings[0].Remedy == "") {
			t.Errorf("%s: %v", row.why, got.Findings)
		}
	}
	before := stsCalls(p)
	if _, err := app.Check(t.Context(), p.setup(&journal{})); err != nil {
		t.Fatal(err)
	}
	if n := stsCalls(p) - before; n != len(p.world.Demo().Accounts)+1 { // each scan role, and who we are
		t.Errorf("%d calls of STS", n)
	}
}

// spec 5.8: no question is needed where the config itself has the reading
// identity write.
func TestCheckTellsOfOneRoleForBoth(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var edits []string
	for _, a := range p.world.Demo().Accounts {
		edits = append(edits, "\n        enforce_role: "+a.EnforceRole, "")
	}
	p.configure(edits...)
	r, err := app.Check(t.Context(), p.setup(&journal{}))
	if err != nil || r.Serving == nil {
		t.Fatal(err)
	}
	writes := 0
	for _, f := range r.Serving.Findings {
		if f.Code == finding.ServingWrites && strings.HasPrefix(f.Subject, "account ") {
			writes++
		}
	}
	if writes != len(p.world.Demo().Accounts) {
		t.Errorf("%v", r.Serving.Findings)
	}
}

// spec 5.6: check names exceptions that have ended or will soon, and no others.
func TestCheckTellsOfExceptionsThatEnd(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	accounts := p.world.Demo().Accounts
	var b strings.Builder
	for i, days := range []int{-2, 10, 90} {
		fmt.Fprintf(&b, "      - {account: %q, regions: [us-west-2], owner: legal, reason: residency, expires: %q}\n", accounts[i].ID, time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly))
	}
	p.configure("    owned_by:", "    exceptions:\n"+b.String()+"    owned_by:")
	r, err := app.Check(t.Context(), p.setup(&journal{}))
	if err != nil || len(r.Exceptions) != 2 {
		t.Fatalf("%v %v", r.Exceptions, err)
	}
	if r.Exceptions[0].Code != finding.ExceptionExpired || r.Exceptions[1].Code != finding.ExceptionEnding || !strings.Contains(r.Exceptions[1].Remedy, "legal") {
		t.Errorf("%v", r.Exceptions)
	}
}

func stsCalls(p *place) int {
	return p.world.Requests().Count(0, func(e reqlog.Entry) bool { return e.Service == "sts" && e.Kind == reqlog.Request })
}

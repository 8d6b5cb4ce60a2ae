package fleet

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

const deployDir = "../../deploy/aws"

type rights struct {
	Statement []struct {
		Effect           string
		Action, Resource any
	}
}

func deployed(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployDir, name))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// texts are the texts of a value that is one or a list.
func texts(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var out []string
	for _, x := range v.([]any) {
		out = append(out, x.(string))
	}
	return out
}

func (r rights) actions(effect string) []string {
	var out []string
	for _, s := range r.Statement {
		if s.Effect == effect {
			out = append(out, texts(s.Action)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// called are the rights that the calls so far took.
func called(f *fakeIAM) []string {
	var out []string
	for op, n := range f.calls {
		if n > 0 {
			if !strings.Contains(op, ":") {
				op = "iam:" + op
			}
			out = append(out, op)
		}
	}
	slices.Sort(out)
	return out
}

// spec 5.8: each of the two roles has exactly the rights that are used under it.
// Scan and plan read, apply writes; no right is left over, none is missing.
func TestDeployedRightsAreThoseUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := map[Purpose]*fakeIAM{ToRead: newFake(prod), ToWrite: newFake(prod)}
		fx := setUp(t, func(o *Options) {
			o.Federation.Accounts = o.Federation.Accounts[:1]
			o.Open = func(_ context.Context, _ federation.Account, p Purpose) (IAM, error) { return calls[p], nil }
			o.Regions = func(context.Context, federation.Account) (map[string]string, error) {
				calls[ToRead].calls["account:ListRegions"]++
				return nil, nil
			}
		})
		for _, f := range calls {
			f.add("/", "a", trust(prod, home))
			f.trusts(provider(prod), "")
		}
		fx.apply(t, fx.plan(t), ApplyOptions{})
		for name, purpose := range map[string]Purpose{"scan-policy.json": ToRead, "enforce-policy.json": ToWrite} {
			var r rights
			deployed(t, name, &r)
			if diff := cmp.Diff(called(calls[purpose]), r.actions("Allow")); diff != "" {
				t.Errorf("%s (-called +allowed):\n%s", name, diff)
			}
		}
	})
	if n := reflect.TypeFor[IAM]().NumMethod(); n != 6 {
		t.Errorf("the fleet may call %d operations of IAM: look at deploy/aws again", n)
	}
}

// spec 5.5, 5.8: the right to write stops before itself and before what the
// program never writes.
func TestEnforceRoleIsDeniedOnItself(t *testing.T) {
	t.Parallel()
	var r rights
	deployed(t, "enforce-policy.json", &r)
	denied := func(arn string) bool {
		for _, s := range r.Statement {
			if s.Effect == "Deny" && s.Resource != "*" && slices.ContainsFunc(texts(s.Resource), func(p string) bool { return trustpolicy.Like(p, arn) }) {
				return true
			}
		}
		return false
	}
	for arn, want := range map[string]bool{
		"arn:aws:iam::111122223333:role/samlfailover-enforce":                                      true,
		"arn:aws-us-gov:iam::111122223333:role/samlfailover-scan":                                  true,
		"arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX":       true,
		"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/us-east-1/AWSReservedSSO_x": true,
		"arn:aws:iam::111122223333:role/Admin":                                                     false,
	} {
		if denied(arn) != want {
			t.Errorf("%s: denied %t", arn, !want)
		}
	}
	if federation.Protected("/aws-reserved/") == "" || !slices.Equal(r.actions("Deny"), []string{"iam:UpdateAssumeRolePolicy"}) {
		t.Errorf("it denies %v", r.actions("Deny"))
	}
	text, err := os.ReadFile(filepath.Join(deployDir, "enforce-policy.json"))
	for _, key := range []string{"aws:ResourceTag/", "iam:ResourceTag/"} { // AWS documents both for roles
		if err != nil || !strings.Contains(string(text), `"`+key+neverTag+`": "false"`) {
			t.Errorf("the tag %s is not denied as %s: %v", neverTag, key, err)
		}
	}
}

// The three forms are one: the StackSet holds the JSON files, Terraform reads
// them, and the README of the project names the same rights.
func TestDeployFormsAgree(t *testing.T) {
	t.Parallel()
	var stack struct {
		Resources map[string]struct {
			Properties struct {
				RoleName                 string
				AssumeRolePolicyDocument any
				Policies                 []struct{ PolicyDocument any }
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(deployDir, "stackset.json"))
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`\{\s*"Ref":\s*"(\w+)"\s*\}`).ReplaceAllStringFunc(string(text), func(ref string) string {
		for name, placeholder := range map[string]string{"ScanPrincipal": "SCAN_PRINCIPAL_ARN", "EnforcePrincipal": "ENFORCE_PRINCIPAL_ARN", "ExternalId": "EXTERNAL_ID"} {
			if strings.Contains(ref, `"`+name+`"`) {
				return `"` + placeholder + `"`
			}
		}
		return ref
	})
	if err := json.Unmarshal([]byte(plain), &stack); err != nil || len(stack.Resources) != 6 { // two roles, and the alarm's four
		t.Fatalf("%v: %d resources", err, len(stack.Resources))
	}
	tf, err := os.ReadFile(filepath.Join(deployDir, "main.tf"))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for resource, kind := range map[string]string{"ScanRole": "scan", "EnforceRole": "enforce"} {
		var policy, trusts any
		deployed(t, kind+"-policy.json", &policy)
		deployed(t, kind+"-trust.json", &trusts)
		got := stack.Resources[resource].Properties
		if got.RoleName != "samlfailover-"+kind || len(got.Policies) != 1 || !cmp.Equal(got.Policies[0].PolicyDocument, policy) || !cmp.Equal(got.AssumeRolePolicyDocument, trusts) {
			t.Errorf("%s of stackset.json is not what the JSON files say", resource)
		}
		for _, want := range []string{`file("${path.module}/` + kind + `-policy.json")`, `file("${path.module}/` + kind + `-trust.json")`, `"samlfailover-` + kind + `"`} {
			if !strings.Contains(string(tf), want) {
				t.Errorf("main.tf lacks %s", want)
			}
		}
		var r rights
		deployed(t, kind+"-policy.json", &r)
		sentence := regexp.MustCompile(`(?is)the ` + kind + ` role needs\s+(.*?)[.;]`).FindStringSubmatch(string(readme))
		if sentence == nil {
			t.Errorf("README.md does not say what the %s role needs", kind)
			continue
		}
		named := regexp.MustCompile(`(?:iam|account):\w+`).FindAllString(sentence[1], -1)
		slices.Sort(named)
		if diff := cmp.Diff(r.actions("Allow"), named); diff != "" {
			t.Errorf("README.md on the %s role (-policy +README):\n%s", kind, diff)
		}
	}
	if strings.Contains(string(tf), `"Statement"`) || strings.Contains(string(tf), "jsonencode") {
		t.Error("main.tf has a policy of its own")
	}
}

package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

func (fx *fixture) plan(t *testing.T) TrustPlan {
	t.Helper()
	p, err := fx.Plan(context.Background(), fx.Scan(context.Background(), inventory.Snapshot{}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// spec 5.5, 5.2
func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	lacking := trust(prod, home)
	with := func(statement string) string { return strings.TrimSuffix(lacking, "]}") + "," + statement + "]}" }
	for _, c := range []struct {
		name, path, role, text string
		tags                   map[string]string
		change                 func(*fakeIAM)
		want                   finding.Code
		calls                  int // GetRole
	}{
		{"service-linked", "/aws-service-role/x.amazonaws.com/", "r", lacking, nil, nil, finding.TrustProtected, 0},
		{"Identity Center", "/aws-reserved/sso.amazonaws.com/", "AWSReservedSSO_x", lacking, nil, nil, finding.TrustProtected, 0},
		{"owned by name", "/", "tf-r", lacking, nil, nil, finding.TrustOwned, 0},
		{"owned by path", "/stacks/a/", "r", lacking, nil, nil, finding.TrustOwned, 0},
		{"owned by tag", "/", "r", lacking, map[string]string{"managed-by": "terraform"}, nil, finding.TrustOwned, 1},
		{"never", "/", "r", lacking, map[string]string{"samlfailover:never": ""}, nil, finding.TrustOwned, 1},
		{"unreadable tags", "/", "r", lacking, nil, func(f *fakeIAM) { f.fail["GetRole"] = errors.New("AccessDenied") }, finding.TrustOwned, 1},
		{"deleted principal", "/", "r", with(`{"Effect":"Allow","Principal":{"AWS":"AROA1234567890EXAMPLE"},"Action":"sts:AssumeRole"}`), nil, nil, finding.TrustDeletedRef, 0},
		{"too large", "/", "r", lacking, nil, func(f *fakeIAM) { f.quota = 290 }, finding.TrustTooLarge, 0},
		{"Deny without a list of exceptions", "/", "r", with(`{"Effect":"Deny","Principal":"*","Action":"*","Condition":{"StringEquals":{"SAML:aud":"` + standby + `"}}}`), nil, nil, finding.TrustRefused, 0},
		{"shared", "/", "r", strings.Replace(lacking, `"`+provider(prod)+`"`, `["`+provider(prod)+`","`+provider(prod)+`2"]`, 1), nil, nil, finding.TrustRefused, 0},
		{"nothing helps", "/", "r", with(`{"Effect":"Deny","Principal":"*","Action":"*"}`), nil, nil, finding.RoleNotReady, 0},
	} {
		fx := setUp(t, nil)
		fx.prod.add(c.path, c.role, c.text).tags = c.tags
		if c.change != nil {
			c.change(fx.prod)
		}
		p := fx.plan(t)
		if len(p.Edits) != 0 || len(p.Refused) != 1 || p.Refused[0].Code != c.want || fx.prod.calls["GetRole"] != c.calls {
			t.Errorf("%s: %d edits, refused %v, %d GetRole", c.name, len(p.Edits), p.Refused, fx.prod.calls["GetRole"])
			continue
		}
		if f := p.Refused[0]; f.Remedy == "" || f.Why == "" || (c.want == finding.TrustOwned && c.name != "unreadable tags" && !strings.Contains(f.Evidence["change"], standby)) {
			t.Errorf("%s: incomplete finding %+v", c.name, f)
		}
		if len(fx.prod.writes) != 0 {
			t.Errorf("%s: a plan has written", c.name)
		}
	}
}

// spec 5.3
func TestPlanEdits(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.add("/", "lacks", trust(prod, home))
	fx.prod.add("/", "complete", trust(prod, home, standby))
	fx.prod.add("/", "tf-complete", trust(prod, home, standby))
	fx.prod.add("/", "wide", strings.Replace(trust(prod, "https://*signin.aws.amazon.com/saml"), "StringEquals", "StringLike", 1))
	fx.shared.add("/", "lacks", trust(shared, home))
	p := fx.plan(t)
	if len(p.Edits) != 2 || len(p.Refused) != 0 || p.Totals.Complete != 3 || p.Totals.Roles != 5 {
		t.Fatalf("%+v", p)
	}
	if len(p.Notes) != 1 || p.Notes[0].Code != finding.AudTooWide || !strings.Contains(p.Notes[0].Evidence["admits"], "evil.example") {
		t.Errorf("notes: %+v", p.Notes)
	}
	e := p.Edits[0]
	if e.Role != fx.prod.arn("lacks") || e.Digest != Digest(trust(prod, home)) || e.SizeAfter != e.SizeBefore+len(standby)+3 || len(e.Changes) != 1 || e.Changes[0].Audience != standby {
		t.Errorf("%+v", e)
	}
	if want := "+            \"" + standby + "\"\n"; !strings.Contains(e.Diff, want) || !strings.HasPrefix(e.Diff, "--- lacks (now)\n+++ lacks (planned)\n@@ ") {
		t.Errorf("diff:\n%s", e.Diff)
	}
	b, err := json.Marshal(p)
	var back TrustPlan
	if err != nil || json.Unmarshal(b, &back) != nil || back.Edits[0].Digest != e.Digest || back.Regions[1] != west {
		t.Errorf("the plan does not survive JSON: %s %v", b, err)
	}
	if _, err := fx.Plan(context.Background(), inventory.Snapshot{Federation: "other"}); err == nil {
		t.Error("a snapshot of another federation is planned")
	}
}

// A condition that only the role's owner can judge is a note, not a refusal.
func TestPlanNotesConditions(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.add("/", "r", strings.Replace(trust(prod, home, standby), `"Condition":{`, `"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},`, 1))
	p := fx.plan(t)
	if len(p.Edits)+len(p.Refused) != 0 || p.Totals.Complete != 1 || len(p.Notes) != 2 || !strings.Contains(p.Notes[1].Remedy, "IpAddress") {
		t.Errorf("%+v", p)
	}
}

// A white-space rich policy that only fits when compacted is written compact.
func TestPlanCountsCompact(t *testing.T) {
	t.Parallel()
	text := strings.Replace(trust(prod, home), `"Action"`, strings.Repeat(" ", 2000)+`"Action"`, 1)
	p, why := consider(setUp(t, nil).Federation.Policy.OwnedBy, candidate{arn: "x", name: "r", path: "/", text: text, quota: 2048},
		mustRequest(t))
	if why != nil || strings.Contains(p.text, "  ") || !strings.Contains(p.text, standby) {
		t.Errorf("%v %q", why, p.text)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	if d := Diff("r", `{"a":1}`, `{ "a": 1 }`); d != "" {
		t.Errorf("white space: %q", d)
	}
	var a, b []string
	for i := range 40 {
		a = append(a, fmt.Sprint(i))
		if i != 3 && i != 30 {
			b = append(b, fmt.Sprint(i))
		}
		if i == 5 || i == 30 {
			b = append(b, "new")
		}
	}
	want := "--- r (now)\n+++ r (planned)\n@@ -1,9 +1,9 @@\n 0\n 1\n 2\n-3\n 4\n 5\n+new\n 6\n 7\n 8\n@@ -28,7 +28,7 @@\n 27\n 28\n 29\n-30\n+new\n 31\n 32\n 33\n"
	if got := Diff("r", strings.Join(a, "\n"), strings.Join(b, "\n")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

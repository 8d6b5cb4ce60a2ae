package fleet

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// Edits that would be dangerous are refused from plan to apply, each with a reason
// and a next step. The plan of apply is made by a saboteur: it names the role
// whatever trust plan said, and carries the text that a careless tool would write.
// Where the danger lies in that text, the proof refuses it as well.
// spec 5.1, 5.2, 5.3, 5.5, 5.7
func TestDangerousEdits(t *testing.T) {
	t.Parallel()
	lacking := trust(prod, home)
	theirs := `"` + provider(prod) + `2"`
	ours := `"` + provider(prod) + `"`
	with := func(statement string) string { return strings.TrimSuffix(lacking, "]}") + "," + statement + "]}" }
	widened := func(text string) string {
		return strings.ReplaceAll(text, `["`+home+`"]`, `["`+home+`","`+standby+`"]`)
	}
	for _, c := range []struct {
		name    string
		text    string
		change  func(*fakeIAM)
		code    finding.Code
		refusal trustpolicy.RefusalCode // "" = the danger is not in the text
		writes  string                  // what a careless tool would write; "" = the audience added wherever the home one stands
	}{
		{"shared statement with another federation's provider", strings.Replace(lacking, ours, "["+ours+","+theirs+"]", 1), nil, finding.TrustRefused, trustpolicy.RefusedShared, ""},
		{"Deny allow-list that would admit another provider", strings.Replace(strings.TrimSuffix(trust(prod, home, standby), "]}"), ours, "["+ours+","+theirs+"]", 1) +
			`,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringNotEquals":{"SAML:aud":["` + home + `"]}}}]}`, nil, finding.TrustRefused, trustpolicy.RefusedShared, ""},
		{"Principal *", strings.Replace(lacking, `{"Federated":`+ours+`}`, `{"Federated":`+ours+`,"AWS":"*"}`, 1), nil, finding.TrustRefused, trustpolicy.RefusedOpen, ""},
		{"wildcard proposed", lacking, nil, "", "", strings.Replace(strings.Replace(lacking, "StringEquals", "StringLike", 1), `"`+home+`"`, `"`+home+`","https://*.signin.aws.amazon.com/saml"`, 1)},
		{"orphaned principal", with(`{"Effect":"Allow","Principal":{"AWS":"AROA1234567890EXAMPLE"},"Action":"sts:AssumeRole"}`), nil, finding.TrustDeletedRef, "", ""},
		{"tag reads denied", lacking, func(f *fakeIAM) { f.fail["GetRole"] = errors.New("AccessDenied: iam:GetRole") }, finding.TrustOwned, "", ""},
		{"duplicate keys", strings.Replace(lacking, `"Effect":"Allow"`, `"Effect":"Deny","Effect":"Allow"`, 1), nil, finding.TrustRefused, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fx := setUp(t, nil)
				fx.prod.add("/", "r", c.text)
				if c.change != nil {
					c.change(fx.prod)
				}
				careless := c.writes
				if careless == "" {
					careless = widened(c.text)
				}
				plan := fx.plan(t)
				if c.code != "" && (len(plan.Edits) != 0 || len(plan.Denies) != 0 || len(plan.Refused) != 1 || plan.Refused[0].Code != c.code || plan.Refused[0].Why == "" || plan.Refused[0].Remedy == "") {
					t.Errorf("planned %+v, refused %v", plan.Edits, plan.Refused)
				}
				if c.refusal != "" && plan.Refused[0].Evidence["refusal"] != string(c.refusal) {
					t.Errorf("refused as %v", plan.Refused[0].Evidence)
				}
				sabotaged := plan
				sabotaged.Edits = []RoleEdit{{Account: prod, Role: fx.prod.arn("r"), Digest: Digest(c.text), Policy: careless,
					Changes: []trustpolicy.Insertion{{Condition: "StringEquals SAML:aud", Audience: "https://evil.example/saml"}}}}
				report := fx.apply(t, sabotaged, ApplyOptions{})
				if now := fx.prod.roles["r"].trust; c.code != "" && (len(fx.prod.writes) != 0 || report.Counts[Refused] != 1 || now != c.text) || strings.Contains(now, "*.signin") || strings.Contains(now, "evil") {
					t.Errorf("%+v\nwritten %s", report.Outcomes, now)
				}
				proofRefuses(t, c.text, careless, c.refusal != "" || c.writes != "")
			})
		})
	}
}

// proofRefuses holds a careless text against the proof of an edit.
func proofRefuses(t *testing.T, before, careless string, dangerous bool) {
	t.Helper()
	b, errB := trustpolicy.Parse(before)
	a, errA := trustpolicy.Parse(careless)
	if errB != nil || errA != nil {
		return // it is no policy at all
	}
	if before == careless {
		t.Fatal("the saboteur writes nothing")
	}
	if err := trustpolicy.Prove(b, a, mustRequest(t)); dangerous && err == nil {
		t.Errorf("proved: %s", careless)
	}
}

// spec 5.2: a value that admits foreign hosts already is found, and is not taken
// for one that admits the standby Region safely.
func TestWildcardTooWideIsFound(t *testing.T) {
	t.Parallel()
	fx := setUp(t, nil)
	fx.prod.add("/", "wide", strings.Replace(trust(prod, "https://*.signin.aws.amazon.com/saml", home), "StringEquals", "StringLike", 1))
	fx.prod.add("/", "narrow", strings.Replace(trust(prod, "https://us-????-?.signin.aws.amazon.com/saml", home), "StringEquals", "StringLike", 1))
	p := fx.plan(t)
	if len(p.Notes) != 1 || p.Notes[0].Code != finding.AudTooWide || p.Notes[0].Subject != fx.prod.arn("wide") || p.Notes[0].Severity() != finding.Page ||
		!strings.Contains(p.Notes[0].Evidence["admits"], "signin.aws.amazon.com/saml") || strings.HasPrefix(p.Notes[0].Evidence["admits"], "https://us-") {
		t.Errorf("%v", p.Notes)
	}
}

// spec 5.3: an altered plan.json writes nothing that the edit of now would not:
// neither a text of its own, nor other audiences, nor a role that lacks nothing.
func TestAlteredPlanFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx := setUp(t, nil)
		fx.prod.add("/", "a", trust(prod, home))
		fx.prod.add("/", "whole", trust(prod, home, standby))
		p := fx.plan(t)
		evil := trust(prod, home, "https://evil.example/saml")
		p.Edits[0].Policy, p.Edits[0].Digest, p.Edits[0].Diff = evil, Digest(evil), "nothing to see"
		p.Edits[0].Changes = []trustpolicy.Insertion{{Condition: "StringEquals SAML:aud", Audience: "https://evil.example/saml"}}
		p.Edits = append(p.Edits, RoleEdit{Account: prod, Role: fx.prod.arn("whole"), Policy: evil})
		r := fx.apply(t, p, ApplyOptions{})
		if r.Counts[Written] != 1 || r.Counts[Already] != 1 || !r.Outcomes[0].Moved || fx.prod.roles["a"].trust != trust(prod, home, standby) || fx.prod.roles["whole"].trust != trust(prod, home, standby) {
			t.Errorf("%+v\n%s\n%s", r, fx.prod.roles["a"].trust, fx.prod.roles["whole"].trust)
		}
	})
}

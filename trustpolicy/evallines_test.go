package trustpolicy

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestEvalLines(t *testing.T) {
	t.Parallel()
	policy := allowIf(audEast)
	quoted := strconv.Quote(policy)
	aud := `"principal":"` + okta + `","context":{"SAML:aud":"` + east + `"}`
	for _, c := range []struct{ name, in, out string }{
		{"object", `{"id":1,"policy":` + policy + `,` + aud + `}`, `{"id":1,"decision":"allow","statement":0,"condition":"StringEquals SAML:aud","reason":"allowed"}`},
		{"string", `{"id":"a","policy":` + quoted + `,` + aud + `}`, `{"id":"a","decision":"allow","statement":0,"condition":"StringEquals SAML:aud","reason":"allowed"}`},
		{"federated object", `{"policy":` + policy + `,"principal":{"Federated":"` + okta + `"},"context":{"saml:AUD":["` + east + `"]}}`, `{"decision":"allow","statement":0,"condition":"StringEquals SAML:aud","reason":"allowed"}`},
		{"implicit", `{"policy":` + policy + `,"principal":"` + okta + `","context":{}}`, `{"decision":"deny","statement":null,"condition":"StringEquals SAML:aud","reason":"implicit"}`},
		{"action", `{"policy":` + policy + `,"action":"sts:TagSession",` + aud + `}`, `{"decision":"deny","statement":null,"condition":"","reason":"implicit"}`},
		{"AWS", `{"policy":` + doc(`{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}`) + `,"action":"sts:AssumeRole","principal":{"AWS":"arn:aws:iam::123456789012:user/u"}}`, `{"decision":"allow","statement":0,"condition":"","reason":"allowed"}`},
		{"session of a role", `{"policy":` + doc(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/p/r"},"Action":"sts:AssumeRole"}`) + `,"action":"sts:AssumeRole","principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/r/s"}}`, `{"decision":"allow","statement":0,"condition":"","reason":"allowed"}`},
		{"service", `{"policy":` + doc(`{"Sid":"S","Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"*"}`) + `,"action":"sts:AssumeRole","principal":{"Service":"ec2.amazonaws.com"}}`, `{"decision":"deny","statement":0,"sid":"S","condition":"","reason":"explicit"}`},
		{"unsupported", `{"policy":` + allowIf(`{"DateLessThan":{"aws:CurrentTime":"2030-01-01"}}`) + `,` + aud + `}`, `{"decision":"conditional","statement":0,"condition":"DateLessThan aws:CurrentTime","reason":"unsupported-operator"}`},
		{"bad policy", `{"id":{"x":[1]},"policy":{},` + aud + `}`, `{"id":{"x":[1]},"error":"not a trust policy: at byte 0: it has no Statement"}`},
		{"no policy", `{"id":null,` + aud + `}`, `{"id":null,"error":"the line has no policy"}`},
		{"no principal", `{"policy":` + policy + `}`, `{"error":"the line has no principal: principal must be the ARN of a SAML provider or {\"Federated\"|\"AWS\"|\"Service\": \"...\"}"}`},
		{"context twice", `{"policy":` + policy + `,"principal":"x","context":{"SAML:aud":"a","saml:aud":"b"}}`, `{"error":"the context gives the key \"saml:aud\" twice (keys are compared without regard to case)"}`},
		{"not an object", `[]`, `{"error":"the line must be an object, this is a list"}`},
		{"empty", ``, `{"error":"the line is empty; expected an object with policy, principal and context"}`},
	} {
		var out bytes.Buffer
		if err := EvalLines(strings.NewReader(c.in+"\n"), &out); err != nil || strings.TrimRight(out.String(), "\n") != c.out {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, out.String(), c.out)
		}
	}
}

// One answer per line, in order, whatever stands in it; the last line may lack
// its end; a line over the limit is answered and skipped.
func TestEvalLinesOrder(t *testing.T) {
	t.Parallel()
	q := func(id string) string { return `{"id":` + id + `,"policy":{"Statement":[]},"principal":"x"}` }
	long := `{"id":3,"policy":"` + strings.Repeat("x", maxLine) + `"}`
	fits := `{"id":4,"policy":{"Statement":[]},"principal":"` + strings.Repeat("x", maxLine-200) + `"}`
	var out bytes.Buffer
	if err := EvalLines(strings.NewReader(q("1")+"\r\n\nnonsense\n"+long+"\n"+fits+"\n"+q("5")), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	want := []string{`{"id":1,`, `{"error":"the line is empty`, `{"error":"the line cannot be read`, `{"error":"the line is longer`, `{"id":4,"decision"`, `{"id":5,`}
	if len(lines) != len(want) {
		t.Fatalf("%d answers", len(lines))
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) || !json.Valid([]byte(lines[i])) {
			t.Errorf("answer %d: %s", i, lines[i])
		}
	}
	out.Reset()
	if err := EvalLines(strings.NewReader(""), &out); err != nil || out.Len() != 0 {
		t.Errorf("no line, but %q (%v)", out.String(), err)
	}
}

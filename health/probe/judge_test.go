package probe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/health"
)

func sts(code string) string {
	return fmt.Sprintf(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code)
}

// spec 7.1
func TestSTSAnswers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		a       answer
		outcome health.Outcome
		code    string
	}{
		{"the expected refusal", answer{status: 400, body: []byte(sts("InvalidIdentityToken"))}, health.OK, "serving"},
		{"expired", answer{status: 400, body: []byte(sts("ExpiredTokenException"))}, health.OK, "sts-expiredtokenexception"},
		{"claim", answer{status: 403, body: []byte(sts("IDPRejectedClaim"))}, health.OK, "sts-idprejectedclaim"},
		{"denied by policy", answer{status: 403, body: []byte(sts("AccessDenied"))}, health.OK, "sts-accessdenied"},
		{"request fault", answer{status: 400, body: []byte(sts("ValidationError"))}, health.OK, "sts-validationerror"},
		{"Region off", answer{status: 403, body: []byte(sts("RegionDisabledException"))}, health.Blocked, "sts-regiondisabledexception"},
		{"throttled as 400", answer{status: 400, body: []byte(sts("Throttling"))}, health.Blocked, "throttled"},
		{"throttled as 429", answer{status: 429}, health.Blocked, "throttled"},
		{"STS's own 500", answer{status: 500, body: []byte(sts("InternalFailure"))}, health.Failed, "http-5xx"},
		{"5xx with a good code", answer{status: 503, body: []byte(sts("InvalidIdentityToken"))}, health.Failed, "http-5xx"},
		{"unavailable as 400", answer{status: 400, body: []byte(sts("ServiceUnavailable"))}, health.Failed, "sts-serviceunavailable"},
		{"block page", answer{status: 403, body: []byte("<html>blocked</html>")}, health.Blocked, "blocked-403"},
		{"HTML", answer{status: 400, body: []byte("<html>hello</html>")}, health.Failed, "wrong-content"},
		{"200 for junk", answer{status: 200, body: []byte("<AssumeRoleWithSAMLResponse/>")}, health.Failed, "wrong-content"},
		{"an error with status 200", answer{status: 200, body: []byte(sts("InvalidIdentityToken"))}, health.Failed, "wrong-content"},
		{"cut short", answer{status: 400, body: []byte(sts("InvalidIdentityToken")[:90])}, health.Failed, "wrong-content"},
		{"redirect to another Region", answer{status: 302, location: "https://sts.us-west-2.amazonaws.com/"}, health.Failed, "redirected-away"},
		{"DTD", answer{status: 400, body: []byte(`<!DOCTYPE x>` + sts("InvalidIdentityToken"))}, health.Failed, "wrong-content"},
		{"a code that is no word", answer{status: 400, body: []byte(sts("Invalid&lt;b&gt;"))}, health.Failed, "wrong-content"},
		{"empty", answer{status: 400}, health.Failed, "wrong-content"},
	}
	for _, c := range cases {
		c.a.host = "sts.us-east-1.amazonaws.com"
		if got := judgeSTS(c.a); got.outcome != c.outcome || got.code != c.code || got.reason == "" {
			t.Errorf("%s: %+v, want %s %s", c.name, got, c.outcome, c.code)
		}
	}
}

const md = `urn:oasis:names:tc:SAML:2.0:metadata`

func entity(id string) string {
	return `<?xml version="1.0"?><md:EntityDescriptor xmlns:md="` + md + `" entityID="` + id + `"><md:SPSSODescriptor/></md:EntityDescriptor>`
}

// spec 7.1
// spec 2.7
func TestMetadataAnswers(t *testing.T) {
	t.Parallel()
	const aws = "urn:amazon:webservices"
	cases := []struct {
		name    string
		a       answer
		entity  string
		outcome health.Outcome
		code    string
		says    string
	}{
		{"good", answer{status: 200, body: []byte(entity(aws))}, aws, health.OK, "serving", ""},
		{"any entity where none is documented", answer{status: 200, body: []byte(entity("urn:x"))}, "", health.OK, "serving", ""},
		{"entity of another partition", answer{status: 200, body: []byte(entity(aws + ":govcloud"))}, aws, health.Failed, "wrong-content", "govcloud"},
		{"HTML page", answer{status: 200, body: []byte("<html><body>hi</body></html>")}, aws, health.Failed, "wrong-content", "<html>"},
		{"other namespace", answer{status: 200, body: []byte(`<EntityDescriptor entityID="` + aws + `"/>`)}, aws, health.Failed, "wrong-content", "in place of"},
		{"text", answer{status: 200, body: []byte("OK")}, aws, health.Failed, "wrong-content", "XML"},
		{"empty", answer{status: 200}, aws, health.Failed, "wrong-content", "XML"},
		{"cut short", answer{status: 200, body: []byte(entity(aws)[:150])}, aws, health.Failed, "wrong-content", "cut short"},
		{"DTD", answer{status: 200, body: []byte(`<!DOCTYPE a [<!ENTITY b "c">]>` + entity(aws))}, aws, health.Failed, "wrong-content", "document type"},
		{"too deep", answer{status: 200, body: []byte(strings.Replace(entity(aws), "<md:SPSSODescriptor/>", strings.Repeat("<a>", 70)+strings.Repeat("</a>", 70), 1))}, aws, health.Failed, "wrong-content", "deeply"},
		{"404", answer{status: 404}, aws, health.Failed, "wrong-content", "404"},
		{"redirect to another Region", answer{status: 302, location: "https://us-west-2.signin.aws.amazon.com/static/saml-metadata.xml"}, aws, health.Failed, "redirected-away", "us-west-2"},
		{"redirect on the host", answer{status: 301, location: "/elsewhere"}, aws, health.Failed, "redirected-away", "of its own"},
		{"403", answer{status: 403}, aws, health.Blocked, "blocked-403", ""},
		{"503", answer{status: 503}, aws, health.Failed, "http-5xx", "503"},
	}
	for _, c := range cases {
		c.a.host = "signin.aws.amazon.com"
		if got := judgeMetadata(c.a, c.entity); got.outcome != c.outcome || got.code != c.code || !strings.Contains(got.reason, c.says) {
			t.Errorf("%s: %+v, want %s %s saying %q", c.name, got, c.outcome, c.code, c.says)
		}
	}
}

func TestConsoleAnswers(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{200: "serving", 302: "serving", 404: "serving", 403: "blocked-403", 429: "throttled", 500: "http-5xx", 503: "http-5xx"} {
		if got := judgeConsole(answer{status: status, host: "h", location: "https://elsewhere/"}); got.code != want {
			t.Errorf("%d: %+v, want %s", status, got, want)
		}
	}
}

func FuzzSTSErrorCode(f *testing.F) {
	f.Add([]byte(sts("InvalidIdentityToken")))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := stsErrorCode(body); got != "" && !strings.Contains(string(body), "ErrorResponse") {
			t.Errorf("%q gives %q", body, got)
		}
	})
}

func FuzzMetadataEntity(f *testing.F) {
	f.Add([]byte(entity("urn:amazon:webservices")))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := metadataEntity(doc); err == nil && strings.Contains(string(doc), "<!DOCTYPE") && !strings.Contains(string(doc), "<!--") && !strings.Contains(string(doc), "CDATA") {
			t.Errorf("accepted a document type: %q", doc)
		}
	})
}

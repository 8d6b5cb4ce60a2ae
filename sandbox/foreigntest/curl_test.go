package foreigntest_test

import (
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/fault"
)

const (
	junk        = "bm90IGEgU0FNTCByZXNwb25zZQ==" // "not a SAML response"
	junkAssume  = "Action=AssumeRoleWithSAML&Version=2011-06-15&SAMLAssertion=" + junk + "&RoleArn=arn:aws:iam::111122223333:role/Administrator&PrincipalArn=arn:aws:iam::111122223333:saml-provider/Okta"
	whoAmI      = "Action=GetCallerIdentity&Version=2011-06-15"
	failurePage = "Your request included an invalid SAML response"
	anyFailure  = -1 // curl's exit code depends on the TLS library that it was built with
)

// spec 7.1, 15.5
func TestCurl(t *testing.T) {
	t.Parallel()
	curl := tool(t, "curl", "curl")
	p := running(t)
	for _, c := range []struct {
		name string
		args []string
		want []string
		code int
	}{
		{"the metadata of the global host", []string{"https://signin.aws.amazon.com/static/saml-metadata.xml"}, []string{"EntityDescriptor", "\n200"}, 0},
		{"the metadata of a Region", []string{"https://us-west-2.signin.aws.amazon.com/static/saml-metadata.xml"}, []string{"EntityDescriptor", "us-west-2.signin.aws.amazon.com/saml", "\n200"}, 0},
		{"a junk sign-in", []string{"--data-urlencode", "SAMLResponse=" + junk, "https://signin.aws.amazon.com/saml"}, []string{failurePage, "\n400"}, 0},
		{"an unsigned GetCallerIdentity", []string{"-d", whoAmI, "https://sts.us-west-2.amazonaws.com/"}, []string{"<Code>MissingAuthenticationToken</Code>", "\n403"}, 0},
		{"an unsigned GetCallerIdentity by GET", []string{"https://sts.amazonaws.com/?" + whoAmI}, []string{"<Code>MissingAuthenticationToken</Code>", "\n403"}, 0},
		{"a junk AssumeRoleWithSAML", []string{"-d", junkAssume, "https://sts.us-west-2.amazonaws.com/"}, []string{"<Code>InvalidIdentityToken</Code>", "\n400"}, 0},
		{"the portal of a stranger", []string{"-L", "https://acme.okta.com/"}, []string{`name="password"`, "\n200"}, 0},
		{"a host that is not simulated", []string{"-w", "%{http_connect}", "https://example.com/"}, []string{"502"}, 56},
		{"plain HTTP", []string{"--proxy", p.ProxyURL(), "http://example.com/"}, []string{"https only", "\n403"}, 0},
		{"the portal under the machine's own roots", []string{"--cacert", "/dev/null", "https://acme.okta.com/"}, []string{"000"}, anyFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := p.run(t, append([]string{curl, "-sS", "--max-time", "30", "-w", "\n%{http_code}"}, c.args...)...)
			for _, want := range c.want {
				if !strings.Contains(a.out, want) {
					t.Errorf("no %q in\n%s", want, a.out)
				}
			}
			if a.code != c.code && (c.code != anyFailure || a.code == 0) {
				t.Errorf("exit code %d, want %d\n%s", a.code, c.code, a.err)
			}
		})
	}
}

func TestCurlInAnOutage(t *testing.T) {
	t.Parallel()
	curl := tool(t, "curl", "curl")
	p := running(t)
	p.breaks(t, "us-east-1", fault.Effect{Kind: fault.Down})
	metadata := []string{curl, "-sS", "-o", "/dev/null", "--max-time", "30", "-w", "%{http_connect} %{http_code}"}
	if a := p.run(t, append(metadata, "https://signin.aws.amazon.com/static/saml-metadata.xml")...); a.code != 56 || a.out != "502 000" {
		t.Errorf("us-east-1 is down, and curl says: exit code %d, %s\n%s", a.code, a.out, a.err)
	}
	if a := p.run(t, append(metadata, "https://us-west-2.signin.aws.amazon.com/static/saml-metadata.xml")...); a.out != "200 200" {
		t.Errorf("us-west-2 is up, and curl says: exit code %d, %s\n%s", a.code, a.out, a.err)
	}
}

// The variables of the vendors' own tools open each admin API.
func TestCurlAsEachVendorsClient(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "curl")
	p := running(t)
	const token = ` | sed 's/.*"access_token":"\([^"]*\)".*/\1/'`
	for _, c := range []struct{ name, script, want string }{
		{"Okta's Terraform provider", `curl -sS -H "Authorization: SSWS $OKTA_API_TOKEN" "https://$OKTA_ORG_NAME.$OKTA_BASE_URL/api/v1/apps"`, "AWS Shared Services"},
		{"Okta's SDK", `curl -sS -H "Authorization: SSWS $OKTA_CLIENT_TOKEN" "$OKTA_CLIENT_ORGURL/api/v1/apps"`, "AWS Production"},
		{"PingOne", `test "$PINGONE_REGION_CODE" = NA
			t=$(curl -sS -u "$PINGONE_CLIENT_ID:$PINGONE_CLIENT_SECRET" -d grant_type=client_credentials "https://auth.pingone.com/$PINGONE_ENVIRONMENT_ID/as/token"` + token + `)
			curl -sS -H "Authorization: Bearer $t" "https://api.pingone.com/v1/environments/$PINGONE_ENVIRONMENT_ID/applications"`, "AWS Retail"},
		{"OneLogin", `test "$ONELOGIN_API_URL" = "https://$ONELOGIN_SUBDOMAIN.onelogin.com"
			t=$(curl -sS -u "$ONELOGIN_CLIENT_ID:$ONELOGIN_CLIENT_SECRET" --json '{"grant_type":"client_credentials"}' "$ONELOGIN_API_URL/auth/oauth2/v2/token"` + token + `)
			curl -sS -H "Authorization: bearer $t" "$ONELOGIN_API_URL/api/2/apps"`, "AWS Partners"},
	} {
		if out := p.must(t, "sh", "-e", "-c", c.script); !strings.Contains(out, c.want) {
			t.Errorf("%s sees no %q in\n%s", c.name, c.want, out)
		}
	}
}

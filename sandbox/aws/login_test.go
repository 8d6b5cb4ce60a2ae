package aws_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crewjam/saml"

	"github.com/samlfailover/samlfailover/sandbox/aws"
)

func TestHonestLoginLandsOnTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.signIn(t, west, honest().encoded(t), "")
	if got.StatusCode != http.StatusFound || got.Header.Get("Location") != "https://us-west-2.console.aws.amazon.com/" {
		t.Fatalf("status %d, Location %q\n%s", got.StatusCode, got.Header.Get("Location"), got.text)
	}
	page := w.get(t, got.Header.Get("Location"))
	for _, want := range []string{`data-region="us-west-2"`, `data-account="123456789012"`, `data-role="Admin"`, `data-session="alice@example.com"`, "samlfailover sandbox - not AWS"} {
		if page.StatusCode != http.StatusOK || !strings.Contains(page.text, want) {
			t.Errorf("console page (%d) lacks %s\n%s", page.StatusCode, want, page.text)
		}
	}
}

func TestRelayStateIsFollowedWithinAWS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, relay, want string }{
		{"deep link in the Region", "https://us-west-2.console.aws.amazon.com/ec2/home?region=us-west-2#Instances:", "https://us-west-2.console.aws.amazon.com/ec2/home?region=us-west-2#Instances:"},
		{"another Region is followed too", "https://us-east-1.console.aws.amazon.com/", "https://us-east-1.console.aws.amazon.com/"},
		{"another AWS service", "https://appstream2.us-west-2.aws.amazon.com/saml?stack=a", "https://appstream2.us-west-2.aws.amazon.com/saml?stack=a"},
		{"foreign host", "https://evil.example/", ""},
		{"foreign host that ends alike", "https://evilaws.amazon.com.example/", ""},
		{"userinfo", "https://us-west-2.console.aws.amazon.com@evil.example/", ""},
		{"not https", "http://us-west-2.console.aws.amazon.com/", ""},
		{"script", "javascript:alert(1)", ""},
		{"backslash", `https://evil.example\.aws.amazon.com/`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := w.signIn(t, west, honest().encoded(t), c.relay)
			want := c.want
			if want == "" {
				want = "https://us-west-2.console.aws.amazon.com/"
			}
			if loc := got.Header.Get("Location"); got.StatusCode != http.StatusFound || loc != want {
				t.Fatalf("status %d, Location %q, want %q", got.StatusCode, loc, want)
			}
			if noted := got.Header.Get("X-Sandbox-Note") != ""; noted != (c.want == "") {
				t.Errorf("note %q", got.Header.Get("X-Sandbox-Note"))
			}
		})
	}
}

const (
	junkText   = "Your request included an invalid SAML response. To logout, click here."
	sigText    = "Response signature invalid (Service: AWSSecurityTokenService; Status Code: 400; Error Code: InvalidIdentityToken; Request ID: "
	deniedText = "Not authorized to perform sts:AssumeRoleWithSAML (Service: AWSSecurityTokenService; Status Code: 403; Error Code: AccessDenied; Request ID: "
	lateText   = "Token must be redeemed within 5 minutes of issuance (Service: AWSSecurityTokenService; Status Code: 400; Error Code: ExpiredTokenException; Request ID: "
)

// Each row is a login that differs from the honest one in a single way.
func TestSaboteurLoginsAreRefusedInAWSsWords(t *testing.T) {
	t.Parallel()
	role := func(v string) []saml.Attribute {
		return []saml.Attribute{attr("Role", v), attr("RoleSessionName", "alice")}
	}
	more := func(a ...saml.Attribute) func(*ticket) {
		return func(k *ticket) { k.attrs = append(k.attrs, a...) }
	}
	for _, c := range []struct {
		name   string
		spoil  func(*ticket)
		status int
		want   string
		why    string // in the sandbox's note
	}{
		{"key not in the metadata", func(k *ticket) { k.signer = keyPool()[1] }, 400, sigText, "fits none of the 1 certificates"},
		{"wrong key under the right certificate", func(k *ticket) { k.signer.key = keyPool()[1].key }, 400, sigText, "fits none"},
		{"SHA-1", func(k *ticket) { k.method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1" }, 400, sigText, "is not accepted"},
		{"assertion not signed, response is", func(k *ticket) { k.signOnlyOuter = true }, 400, sigText, "WantAssertionsSigned"},
		{"nothing signed", func(k *ticket) { k.signOnlyOuter, k.skipOuter = true, true }, 400, sigText, ""},
		{"another issuer", func(k *ticket) { k.issuer = "https://new.example/" }, 400, "Issuer not present in specified provider (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlInvalidSamlResponseException; Request ID: ", ""},
		{"another Region's Recipient", func(k *ticket) { k.recipient = east }, 400, junkText, "was posted to " + west},
		{"foreign Recipient", func(k *ticket) { k.recipient = "https://evil.example/saml" }, 400, junkText, "no sign-in endpoint"},
		{"Recipient of another partition", func(k *ticket) { k.recipient = "https://signin.amazonaws.cn/saml" }, 400, junkText, "no sign-in endpoint"},
		{"another Region's Destination", func(k *ticket) { k.destination = east }, 400, junkText, "Destination"},
		{"expired", func(k *ticket) { k.issued = time.Now().Add(-6 * time.Minute); k.life = time.Hour }, 400, lateText, "issued at"},
		{"confirmation expired", func(k *ticket) { k.issued = time.Now().Add(-2 * time.Minute); k.life = time.Minute }, 400, lateText, "valid until"},
		{"from the future", func(k *ticket) { k.issued = time.Now().Add(10 * time.Minute) }, 400, junkText, "future"},
		{"wrong audience", func(k *ticket) { k.audience = "urn:amazon:webservices:govcloud" }, 400, "Response does not contain the required audience. (Service: ", "accepted are"},
		{"Regional audience", func(k *ticket) { k.audience = west }, 400, "Response does not contain the required audience.", ""},
		{"role without the audience", func(k *ticket) { k.attrs = role(roleOther + "," + provider) }, 403, deniedText, "SAML:aud " + west},
		{"no such role", func(k *ticket) { k.attrs = role(roleAdmin + "x," + provider) }, 403, deniedText, "no role"},
		{"role name in another case", func(k *ticket) { k.attrs = role("arn:aws:iam::123456789012:role/admin," + provider) }, 403, deniedText, "case-sensitive"},
		{"no such provider", func(k *ticket) { k.attrs = role(roleAdmin + "," + provider + "2") }, 400, "Specified provider doesn't exist (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlManifestNotFoundException; ", ""},
		{"role of another account", func(k *ticket) { k.attrs = role("arn:aws:iam::210987654321:role/Admin," + provider) }, 403, deniedText, ""},
		{"no Role attribute", func(k *ticket) { k.attrs = k.attrs[1:] }, 400, junkText, "no attribute"},
		{"Role is no pair", func(k *ticket) { k.attrs = role(roleAdmin) }, 400, junkText, "no pair"},
		{"no session name", func(k *ticket) { k.attrs = k.attrs[:1] }, 400, "RoleSessionName is required in AuthnResponse (Service: ", ""},
		{"bad session name", func(k *ticket) { k.attrs[1] = attr("RoleSessionName", "a b") }, 400, "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64} (Service: ", ""},
		{"two session names", func(k *ticket) { k.attrs[1] = attr("RoleSessionName", "alice", "bob") }, 400, "RoleSessionName in AuthnResponse must match", ""},
		{"bad source identity", more(attr("SourceIdentity", "aws:alice")), 400, `Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:" (Service: `, ""},
		{"session too long for the role", more(attr("SessionDuration", "43200")), 400, "Requested DurationSeconds exceeds MaxSessionDuration set for this role. (Service: AWSSecurityTokenService; Status Code: 400; Error Code: ValidationError; ", ""},
		{"session duration out of range", more(attr("SessionDuration", "60")), 400, "SessionDuration in AuthnResponse", ""},
		{"two confirmations", func(k *ticket) { k.confirmations = 2 }, 400, junkText, "2 SubjectConfirmation"},
		{"no confirmation", func(k *ticket) { k.confirmations = 0 }, 400, junkText, "0 SubjectConfirmation"},
		{"duplicate attribute", more(attr("RoleSessionName", "bob")), 400, junkText, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := honest()
			c.spoil(&k)
			got := w.signIn(t, west, k.encoded(t), "")
			if got.StatusCode != c.status || !strings.Contains(html.UnescapeString(got.text), c.want) {
				t.Errorf("status %d, want %d with %q:\n%s", got.StatusCode, c.status, c.want, body(got.text))
			}
			if !strings.Contains(html.UnescapeString(got.text), c.why) {
				t.Errorf("the note lacks %q:\n%s", c.why, body(got.text))
			}
			if len(got.Cookies()) > 0 {
				t.Error("a refused login got a session")
			}
		})
	}
}

func body(page string) string { return page[max(0, strings.Index(page, "<main>")):] }

func TestStrictnessSwitches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		spoil   func(*ticket)
		lenient aws.Strictness
	}{
		{"SHA-1", func(k *ticket) { k.method = "http://www.w3.org/2000/09/xmldsig#rsa-sha1" }, aws.Strictness{AcceptSHA1: true}},
		{"other Recipient", func(k *ticket) { k.recipient = east }, aws.Strictness{AcceptForeignRecipient: true}},
		{"signed response", func(k *ticket) { k.signOnlyOuter = true }, aws.Strictness{AcceptSignedResponse: true}},
		{"Regional audience", func(k *ticket) { k.audience = west }, aws.Strictness{AcceptRegionalAudience: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := honest()
			c.spoil(&k)
			if got := w.signIn(t, west, k.encoded(t), ""); got.StatusCode != http.StatusBadRequest {
				t.Errorf("strict: %d", got.StatusCode)
			}
			w.SetStrictness(c.lenient)
			if got := w.signIn(t, west, k.encoded(t), ""); got.StatusCode != http.StatusFound {
				t.Errorf("lenient: %d\n%s", got.StatusCode, body(got.text))
			}
		})
	}
}

func TestTagsAndSourceIdentityNeedTheirOwnPermission(t *testing.T) {
	t.Parallel()
	cond := `{"StringEquals":{"SAML:aud":"` + west + `"}}`
	for _, c := range []struct {
		name, trust string
		extra       []saml.Attribute
		ok          bool
	}{
		{"tags without TagSession", trust(`"sts:AssumeRoleWithSAML"`, cond), []saml.Attribute{attr("PrincipalTag:team", "blue")}, false},
		{"transitive keys without TagSession", trust(`"sts:AssumeRoleWithSAML"`, cond), []saml.Attribute{attr("TransitiveTagKeys", "team")}, false},
		{"source identity without SetSourceIdentity", trust(`["sts:AssumeRoleWithSAML","sts:TagSession"]`, cond), []saml.Attribute{attr("SourceIdentity", "alice")}, false},
		{"both allowed", trust(`["sts:AssumeRoleWithSAML","sts:TagSession","sts:SetSourceIdentity"]`, cond), []saml.Attribute{attr("PrincipalTag:team", "blue"), attr("SourceIdentity", "alice")}, true},
		{"tag value as wanted", trust(`"sts:*"`, `{"StringEquals":{"aws:RequestTag/Team":"blue"}}`), []saml.Attribute{attr("PrincipalTag:team", "blue")}, true},
		{"tag value otherwise", trust(`"sts:*"`, `{"StringEquals":{"aws:RequestTag/team":"red"}}`), []saml.Attribute{attr("PrincipalTag:team", "blue")}, false},
		{"Region as wanted", trust(`"sts:*"`, `{"StringEquals":{"aws:RequestedRegion":"us-west-2"}}`), nil, true},
		{"Region otherwise", trust(`"sts:*"`, `{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}`), nil, false},
		{"subject and issuer", trust(`"sts:*"`, `{"StringEquals":{"saml:sub":"alice@example.com","saml:iss":"`+issuer+`","saml:sub_type":"persistent","saml:doc":"123456789012/Okta"}}`), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put(t, aws.Role{Name: "Admin", Trust: c.trust})
			k := honest()
			k.attrs = append(k.attrs, c.extra...)
			got := w.signIn(t, west, k.encoded(t), "")
			if ok := got.StatusCode == http.StatusFound; ok != c.ok {
				t.Errorf("status %d\n%s", got.StatusCode, body(got.text))
			}
		})
	}
}

func TestRoleChooser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := honest()
	k.attrs[0] = attr("Role", provider+","+roleAdmin, roleOther+","+provider)
	encoded := k.encoded(t)
	got := w.signIn(t, west, encoded, "https://us-west-2.console.aws.amazon.com/s3/")
	for _, want := range []string{"<title>Amazon Web Services Sign-In</title>", `<div class="saml-account">`, "Account: prod (123456789012)", `<label for="` + roleAdmin + `"`, `<label for="` + roleOther + `"`, `name="SAMLResponse" value="`, `action="/saml"`} {
		if got.StatusCode != http.StatusOK || !strings.Contains(got.text, want) {
			t.Errorf("chooser (%d) lacks %s", got.StatusCode, want)
		}
	}
	pick := func(role string) answer {
		return w.post(t, west, url.Values{"SAMLResponse": {encoded}, "RelayState": {""}, "roleIndex": {role}})
	}
	if a := pick(roleOther); a.StatusCode != http.StatusForbidden || !strings.Contains(a.text, deniedText) {
		t.Errorf("the role that does not admit: %d", a.StatusCode)
	}
	if a := pick("arn:aws:iam::123456789012:role/NotInAssertion"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a role that is not in the assertion: %d", a.StatusCode)
	}
	if a := pick(roleAdmin); a.StatusCode != http.StatusFound {
		t.Errorf("the role that admits: %d", a.StatusCode)
	}
}

func TestHostileTextIsEscaped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, aws.Role{Name: "Admin", Trust: audOnly(west)})
	k := honest()
	k.attrs[0] = attr("Role", roleAdmin+","+provider, `arn:aws:iam::123456789012:role/"><script>alert(1)</script>,`+provider)
	if a := w.signIn(t, west, k.encoded(t), `"><script>alert(2)</script>`); strings.Contains(a.text, "<script>") {
		t.Error("script in the chooser")
	}
	k.attrs[0] = attr("Role", roleAdmin+","+provider)
	k.recipient = `https://"><script>alert(3)</script>`
	if a := w.signIn(t, west, k.encoded(t), ""); strings.Contains(a.text, "<script>") {
		t.Error("script in the failure page")
	}
}

func TestOptInRegionMustBeEnabled(t *testing.T) {
	t.Parallel()
	const milan = "https://eu-south-1.signin.aws.amazon.com/saml"
	w := newWorld(t)
	w.put(t, aws.Role{Name: "Admin", Trust: audOnly(milan)})
	k := honest()
	k.recipient, k.destination = milan, milan
	got := w.signIn(t, milan, k.encoded(t), "")
	if got.StatusCode != http.StatusForbidden || !strings.Contains(got.text, "Error Code: RegionDisabledException") {
		t.Fatalf("%d %s", got.StatusCode, body(got.text))
	}
	w.account.EnableRegion(region("eu-south-1"))
	if got := w.signIn(t, milan, k.encoded(t), ""); got.StatusCode != http.StatusFound {
		t.Fatalf("enabled: %d %s", got.StatusCode, body(got.text))
	}
}

func TestPerProviderEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, _ := w.account.Provider("Okta")
	own := west + "/acs/" + p.UUID
	w.put(t, aws.Role{Name: "Admin", Trust: audOnly(own)})
	k := honest()
	k.recipient, k.destination = own, own
	if got := w.signIn(t, own, k.encoded(t), ""); got.StatusCode != http.StatusFound {
		t.Fatalf("%d %s", got.StatusCode, body(got.text))
	}
	if got := w.signIn(t, west, k.encoded(t), ""); got.StatusCode != http.StatusBadRequest {
		t.Errorf("posted to /saml: %d", got.StatusCode)
	}
	foreign := west + "/acs/SAMLSPAAAAAAAAAAAAAAAAAA"
	k.recipient, k.destination = foreign, foreign
	if got := w.signIn(t, foreign, k.encoded(t), ""); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, "another provider") {
		t.Errorf("another provider's endpoint: %d", got.StatusCode)
	}
	doc := w.get(t, "https://us-west-2.signin.aws.amazon.com/static/saml/"+p.UUID+"/saml-metadata.xml")
	if doc.StatusCode != http.StatusOK || !strings.Contains(doc.text, `Location="`+own+`"`) {
		t.Errorf("metadata of the provider: %d", doc.StatusCode)
	}
	if a := w.get(t, "https://us-west-2.signin.aws.amazon.com/static/saml/SAMLSPAAAAAAAAAAAAAAAAAA/saml-metadata.xml"); a.StatusCode != http.StatusNotFound {
		t.Errorf("metadata of an unknown provider: %d", a.StatusCode)
	}
}

func TestAnAssertionLivesFiveMinutes(t *testing.T) {
	keyPool()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		k := honest()
		k.life = time.Hour
		encoded := k.encoded(t)
		time.Sleep(5 * time.Minute)
		if got := w.signIn(t, west, encoded, ""); got.StatusCode != http.StatusFound {
			t.Fatalf("at 5 minutes: %d %s", got.StatusCode, body(got.text))
		}
		time.Sleep(time.Second)
		if got := w.signIn(t, west, encoded, ""); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, lateText) {
			t.Fatalf("a second later: %d %s", got.StatusCode, body(got.text))
		}
		page := "https://us-west-2.console.aws.amazon.com/"
		if got := w.get(t, page); got.StatusCode != http.StatusOK {
			t.Fatalf("console: %d", got.StatusCode)
		}
		time.Sleep(time.Hour)
		if got := w.get(t, page); got.StatusCode != http.StatusFound {
			t.Fatalf("console after its session ended: %d", got.StatusCode)
		}
	})
}

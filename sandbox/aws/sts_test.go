package aws_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/signin"
)

var lenient = aws.Strictness{AcceptSHA1: true, AcceptForeignRecipient: true, AcceptSignedResponse: true, AcceptRegionalAudience: true}

func region(code string) signin.Region { return signin.MustRegion(code) }

const (
	keyID  = "AKIAIOSFODNN7EXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// sdkConfig is an SDK configuration whose requests go into the world.
func (w *testWorld) sdkConfig(reg string, c sdk.CredentialsProvider) sdk.Config {
	return sdk.Config{Region: reg, Credentials: c, HTTPClient: &http.Client{Transport: w}, RetryMaxAttempts: 1}
}

func userKey() sdk.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(keyID, secret, "")
}

func (w *testWorld) sts(reg string, c sdk.CredentialsProvider) *sts.Client {
	return sts.NewFromConfig(w.sdkConfig(reg, c))
}

func (w *testWorld) iam(c sdk.CredentialsProvider) *iam.Client {
	return iam.NewFromConfig(w.sdkConfig("us-east-1", c))
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// assume calls AssumeRoleWithSAML at us-west-2 without the SDK.
func (w *testWorld) assume(t *testing.T, encoded string, extra url.Values) answer {
	t.Helper()
	form := url.Values{"Action": {"AssumeRoleWithSAML"}, "Version": {"2011-06-15"}, "RoleArn": {roleAdmin}, "PrincipalArn": {provider}, "SAMLAssertion": {encoded}}
	maps.Copy(form, extra)
	return w.post(t, "https://sts.us-west-2.amazonaws.com/", form)
}

func TestUnsignedCallsAreAnsweredLikeAWS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.post(t, "https://sts.us-west-2.amazonaws.com/", url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}})
	e := readError(t, got)
	if got.StatusCode != http.StatusForbidden || e.Error.Code != "MissingAuthenticationToken" || e.Error.Message != "Request is missing Authentication Token" ||
		e.Error.Type != "Sender" || e.XMLName.Space != "https://sts.amazonaws.com/doc/2011-06-15/" || e.XMLName.Local != "ErrorResponse" {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
	if id := got.Header.Get("x-amzn-RequestId"); id == "" || id != e.ID {
		t.Errorf("request ids %q and %q", id, e.ID)
	}
	for _, host := range []string{"sts.us-west-2.amazonaws.com", "sts.amazonaws.com", "iam.amazonaws.com"} {
		if a := w.get(t, "https://"+host+"/"); a.StatusCode != http.StatusFound || a.Header.Get("Location") != "https://aws.amazon.com/iam" {
			t.Errorf("GET %s: %d %s", host, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if a := w.post(t, "https://sts.us-west-2.amazonaws.com:8443/", url.Values{"Action": {"Nope"}, "Version": {"2011-06-15"}}); a.StatusCode != http.StatusBadRequest || readError(t, a).Error.Code != "InvalidAction" {
		t.Errorf("unknown action: %d %s", a.StatusCode, a.text)
	}
}

func TestJunkAssertionProvesThatSTSServes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.assume(t, encode("not-saml"), url.Values{"RoleArn": {"arn:aws:iam::999999999999:role/probe"}, "PrincipalArn": {"arn:aws:iam::999999999999:saml-provider/probe"}})
	e := readError(t, got)
	want := "Invalid base64 SAMLResponse (Service: AWSOpenIdDiscoveryService; Status Code: 400; Error Code: AuthSamlInvalidSamlResponseException; Request ID: "
	if got.StatusCode != http.StatusBadRequest || e.Error.Code != "InvalidIdentityToken" || !strings.HasPrefix(e.Error.Message, want) {
		t.Errorf("%d %+v", got.StatusCode, e.Error)
	}
}

func TestAssumeRoleWithSAMLRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		spoil  func(*ticket)
		form   url.Values
		status int
		code   string
	}{
		{"expired", func(k *ticket) { k.issued = time.Now().Add(-6 * time.Minute); k.life = time.Hour }, nil, 400, "ExpiredTokenException"},
		{"wrong key", func(k *ticket) { k.signer = keyPool()[1] }, nil, 400, "InvalidIdentityToken"},
		{"another role than the assertion's", nil, url.Values{"RoleArn": {roleOther}}, 403, "AccessDenied"},
		{"another provider than the assertion's", nil, url.Values{"PrincipalArn": {provider + "x"}}, 400, "InvalidIdentityToken"},
		{"too long", nil, url.Values{"DurationSeconds": {"10000"}}, 400, "ValidationError"},
		{"duration below the least", nil, url.Values{"DurationSeconds": {"60"}}, 400, "ValidationError"},
		{"role ARN too short", nil, url.Values{"RoleArn": {"short"}}, 400, "ValidationError"},
		{"assertion too long", nil, url.Values{"SAMLAssertion": {strings.Repeat("A", 100_001)}}, 400, "ValidationError"},
		{"wrong version", nil, url.Values{"Version": {"2010-05-08"}}, 400, "InvalidAction"},
		{"audience not in the trust policy", func(k *ticket) { k.recipient = "https://eu-west-1.signin.aws.amazon.com/saml" }, nil, 403, "AccessDenied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			k := honest()
			if c.spoil != nil {
				c.spoil(&k)
			}
			got := w.assume(t, k.encoded(t), c.form)
			if e := readError(t, got); got.StatusCode != c.status || e.Error.Code != c.code {
				t.Errorf("%d %+v", got.StatusCode, e.Error)
			}
		})
	}
}

func TestIDPRejectedClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	resp := honest().response(t)
	for _, el := range resp.FindElements(".//StatusCode") {
		el.CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
	}
	got := w.assume(t, encode(text(t, resp)), nil)
	if e := readError(t, got); got.StatusCode != http.StatusForbidden || e.Error.Code != "IDPRejectedClaim" {
		t.Errorf("%d %+v", got.StatusCode, e.Error)
	}
}

// The STS Region and the Recipient are independent: a us-east-1 Recipient is
// redeemed at us-west-2, with the SDK, and the credentials work.
func TestSDKAssumesWithSAMLAndUsesTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := honest()
	k.recipient, k.destination = east, east
	k.attrs = append(k.attrs, attr("SourceIdentity", "alice"))
	out, err := w.sts("us-west-2", sdk.AnonymousCredentials{}).AssumeRoleWithSAML(t.Context(), &sts.AssumeRoleWithSAMLInput{
		RoleArn: sdk.String(roleAdmin), PrincipalArn: sdk.String(provider), SAMLAssertion: sdk.String(k.encoded(t))})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Audience != east || *out.Issuer != issuer || *out.Subject != "alice@example.com" || *out.SubjectType != "persistent" || *out.SourceIdentity != "alice" || *out.NameQualifier == "" {
		t.Errorf("%+v", out)
	}
	session := credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	who, err := w.sts("eu-west-1", session).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:sts::123456789012:assumed-role/Admin/alice@example.com" || *who.Account != account {
		t.Fatalf("%+v %v", who, err)
	}
	if _, err := w.iam(session).ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Errorf("the role may list roles: %v", err)
	}
	broken := credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, "another token")
	if _, err := w.sts("eu-west-1", broken).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); code(err) != "InvalidClientTokenId" {
		t.Errorf("wrong session token: %v", err)
	}
}

func TestASessionPolicyLeavesNoPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out, err := w.sts("us-west-2", sdk.AnonymousCredentials{}).AssumeRoleWithSAML(t.Context(), &sts.AssumeRoleWithSAMLInput{
		RoleArn: sdk.String(roleAdmin), PrincipalArn: sdk.String(provider), SAMLAssertion: sdk.String(honest().encoded(t)), Policy: sdk.String(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	session := credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	if _, err := w.iam(session).ListRoles(t.Context(), &iam.ListRolesInput{}); code(err) != "AccessDenied" {
		t.Errorf("%v", err)
	}
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	const target = "arn:aws:iam::210987654321:role/scanner"
	for _, c := range []struct {
		name, principal, condition string
		allow                      []string
		external                   string
		want                       string
	}{
		{"account root", "arn:aws:iam::123456789012:root", "{}", []string{"sts:AssumeRole"}, "", ""},
		{"account id", "123456789012", "{}", []string{"sts:AssumeRole"}, "", ""},
		{"the user", "arn:aws:iam::123456789012:user/ops", "{}", []string{"sts:*"}, "", ""},
		{"another user", "arn:aws:iam::123456789012:user/eve", "{}", []string{"sts:AssumeRole"}, "", "AccessDenied"},
		{"another account", "arn:aws:iam::111111111111:root", "{}", []string{"sts:AssumeRole"}, "", "AccessDenied"},
		{"caller may not", "arn:aws:iam::123456789012:root", "{}", nil, "", "AccessDenied"},
		{"external id missing", "123456789012", `{"StringEquals":{"sts:ExternalId":"x1"}}`, []string{"*"}, "", "AccessDenied"},
		{"external id wrong", "123456789012", `{"StringEquals":{"sts:ExternalId":"x1"}}`, []string{"*"}, "x2", "AccessDenied"},
		{"external id right", "123456789012", `{"StringEquals":{"sts:ExternalId":"x1"}}`, []string{"*"}, "x1", ""},
		{"session name as wanted", "123456789012", `{"StringLike":{"sts:RoleSessionName":"scan*"}}`, []string{"*"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.account.AddAccessKey("ops", keyID, secret, c.allow)
			err := w.AddAccount("210987654321", "dev").PutRole(aws.Role{Name: "scanner", Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + c.principal + `"},"Action":"sts:AssumeRole","Condition":` + c.condition + `}}`})
			if err != nil {
				t.Fatal(err)
			}
			in := &sts.AssumeRoleInput{RoleArn: sdk.String(target), RoleSessionName: sdk.String("scan-1")}
			if c.external != "" {
				in.ExternalId = sdk.String(c.external)
			}
			out, err := w.sts("us-west-2", userKey()).AssumeRole(t.Context(), in)
			if code(err) != c.want {
				t.Fatalf("%v", err)
			}
			if err == nil && *out.AssumedRoleUser.Arn != "arn:aws:sts::210987654321:assumed-role/scanner/scan-1" {
				t.Errorf("%+v", out.AssumedRoleUser)
			}
		})
	}
}

func TestSignatureSaboteurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account.AddAccessKey("ops", keyID, secret, []string{"*"})
	call := func(c sdk.Config) error {
		_, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		return err
	}
	good := w.sdkConfig("us-west-2", userKey())
	if err := call(good); err != nil {
		t.Fatalf("honest: %v", err)
	}
	wrong := good.Copy()
	wrong.Credentials = credentials.NewStaticCredentialsProvider(keyID, secret+"x", "")
	if err := call(wrong); code(err) != "SignatureDoesNotMatch" {
		t.Errorf("wrong secret: %v", err)
	}
	wrong.Credentials = credentials.NewStaticCredentialsProvider("AKIAUNKNOWN", secret, "")
	if err := call(wrong); code(err) != "InvalidClientTokenId" {
		t.Errorf("unknown key: %v", err)
	}
	elsewhere := w.sdkConfig("eu-west-1", userKey())
	elsewhere.BaseEndpoint = sdk.String("https://sts.us-west-2.amazonaws.com")
	if err := call(elsewhere); code(err) != "SignatureDoesNotMatch" || !strings.Contains(err.Error(), "Credential should be scoped to a valid region, not 'eu-west-1'.") {
		t.Errorf("wrong Region scope: %v", err)
	}
	for name, edit := range map[string]func(*http.Request){
		"changed body":     func(r *http.Request) { r.Body = http.NoBody },
		"changed query":    func(r *http.Request) { r.URL.RawQuery = "Action=GetCallerIdentity" },
		"changed path":     func(r *http.Request) { r.URL.Path = "/x" },
		"another host":     func(r *http.Request) { r.Host = "sts.us-west-2.amazonaws.com:444" },
		"host not signed":  replaceAuth(";host;", ";"),
		"another service":  replaceAuth("/sts/", "/iam/"),
		"another date":     replaceAuth("/us-west-2/", "x/us-west-2/"),
		"cut signature":    replaceAuth("Signature=", "Signature=0"),
		"no signature":     replaceAuth("Signature=", "Nothing="),
		"other algorithm":  replaceAuth("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
		"date header gone": func(r *http.Request) { r.Header.Del("X-Amz-Date") },
	} {
		c := good.Copy()
		c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			edit(r)
			return w.RoundTrip(r)
		})}
		if got := code(call(c)); got != "SignatureDoesNotMatch" && got != "IncompleteSignature" && name != "changed body" || got == "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func replaceAuth(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
	}
}

// clockOff shifts the signing time by sending a request that was signed then.
func TestClockSkewAndExpiry(t *testing.T) {
	keyPool()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.account.AddAccessKey("ops", keyID, secret, []string{"*"})
		late := func(d time.Duration) error {
			c := w.sdkConfig("us-west-2", userKey())
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				time.Sleep(d)
				return w.RoundTrip(r)
			})}
			_, err := sts.NewFromConfig(c).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
			return err
		}
		if err := late(14 * time.Minute); err != nil {
			t.Errorf("14 minutes: %v", err)
		}
		if err := late(16 * time.Minute); code(err) != "SignatureDoesNotMatch" || !strings.Contains(err.Error(), "Signature expired") {
			t.Errorf("16 minutes: %v", err)
		}
		out, err := w.sts("us-west-2", sdk.AnonymousCredentials{}).AssumeRoleWithSAML(context.Background(), &sts.AssumeRoleWithSAMLInput{
			RoleArn: sdk.String(roleAdmin), PrincipalArn: sdk.String(provider), SAMLAssertion: sdk.String(honest().encoded(t)), DurationSeconds: sdk.Int32(900)})
		if err != nil {
			t.Fatal(err)
		}
		session := w.sts("us-west-2", credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
		time.Sleep(14 * time.Minute)
		if _, err := session.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}); err != nil {
			t.Errorf("within its life: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := session.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}); code(err) != "ExpiredToken" {
			t.Errorf("after its life: %v", err)
		}
	})
}

func TestOptInRegionsOfSTS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account.AddAccessKey("ops", keyID, secret, []string{"*"})
	milan := func(c sdk.CredentialsProvider) error {
		_, err := w.sts("eu-south-1", c).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		return err
	}
	if err := milan(userKey()); code(err) != "RegionDisabledException" {
		t.Errorf("not enabled: %v", err)
	}
	w.account.EnableRegion(region("eu-south-1"))
	if err := milan(userKey()); err != nil {
		t.Errorf("enabled: %v", err)
	}
	global := func() sdk.CredentialsProvider {
		c := w.sdkConfig("us-east-1", sdk.AnonymousCredentials{})
		c.BaseEndpoint = sdk.String("https://sts.amazonaws.com")
		out, err := sts.NewFromConfig(c).AssumeRoleWithSAML(t.Context(), &sts.AssumeRoleWithSAMLInput{
			RoleArn: sdk.String(roleAdmin), PrincipalArn: sdk.String(provider), SAMLAssertion: sdk.String(honest().encoded(t))})
		if err != nil {
			t.Fatal(err)
		}
		return credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	}
	if err := milan(global()); code(err) != "InvalidClientTokenId" {
		t.Errorf("version 1 token of the global endpoint: %v", err)
	}
	w.account.SetGlobalTokenVersion(2)
	if err := milan(global()); err != nil {
		t.Errorf("version 2 token: %v", err)
	}
}

func staticKey(id, secret string) sdk.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(id, secret, "")
}

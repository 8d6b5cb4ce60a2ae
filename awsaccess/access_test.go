package awsaccess_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	marker = "s3cr3t-m4rk3r"
	role   = "arn:aws:iam::111122223333:role/scan"
)

// call is a request as the simulated AWS saw it.
type call struct {
	host   string
	form   url.Values
	header http.Header
}

// fakeAWS answers AssumeRole, GetCallerIdentity and ListRoles; broken hosts
// answer with the given status and error code.
type fakeAWS struct {
	mu     sync.Mutex
	calls  []call
	broken map[string]string // host -> "status code"
	faults int               // throttles left before IAM answers
}

func (f *fakeAWS) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{r.URL.Host, form, r.Header.Clone()})
	status, text := f.answer(r.URL.Host, form.Get("Action"))
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (f *fakeAWS) answer(host, action string) (int, string) {
	fault := func(status int, code string) (int, string) {
		return status, fmt.Sprintf(`<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>said the simulation</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code)
	}
	if how, ok := f.broken[host]; ok {
		var status int
		var code string
		_, _ = fmt.Sscan(how, &status, &code)
		return fault(status, code)
	}
	switch action {
	case "AssumeRole":
		return 200, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>temporary</SecretAccessKey><SessionToken>session-token</SessionToken><Expiration>` +
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	case "ListRoles":
		if f.faults > 0 {
			f.faults--
			return fault(400, "Throttling")
		}
		return 200, `<ListRolesResponse><ListRolesResult><IsTruncated>false</IsTruncated><Roles/></ListRolesResult></ListRolesResponse>`
	}
	return 200, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/u</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`
}

func (f *fakeAWS) hosts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.calls {
		out = append(out, c.host)
	}
	return out
}

func settings(t *testing.T, f *fakeAWS) awsaccess.Settings {
	t.Helper()
	n, err := outbound.New(outbound.Settings{RoundTripper: f})
	if err != nil {
		t.Fatal(err)
	}
	return awsaccess.Settings{Region: "us-west-2", FallbackRegions: []string{"us-east-2"}, AccessKeyID: "AKIA0",
		SecretAccessKey: secret.New(marker), Network: n}
}

func access(t *testing.T, s awsaccess.Settings) *awsaccess.Access {
	t.Helper()
	a, err := awsaccess.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	refused := []string{"sts.us-west-2.amazonaws.com"}
	both := []string{"sts.us-west-2.amazonaws.com", "sts.us-east-2.amazonaws.com"}
	cases := []struct {
		name   string
		broken map[string]string
		hosts  []string // distinct, in order
		ok     bool
		says   string
	}{
		{"the first Region serves", nil, refused, true, ""},
		{"the first is down", map[string]string{both[0]: "503 ServiceUnavailable"}, both, true, ""},
		{"the first gives no answer", map[string]string{both[0]: "0"}, both, true, ""},
		{"the first throttles", map[string]string{both[0]: "400 Throttling"}, both, true, ""},
		{"STS is off in the first", map[string]string{both[0]: "403 RegionDisabledException"}, both, true, ""},
		{"a refusal is final", map[string]string{both[0]: "403 AccessDenied"}, refused, false, "AccessDenied"},
		{"a bad token is final", map[string]string{both[0]: "403 InvalidClientTokenId"}, refused, false, "InvalidClientTokenId"},
		{"all down", map[string]string{both[0]: "503 ServiceUnavailable", both[1]: "500 InternalFailure"}, both, false, "STS in us-east-2: InternalFailure"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeAWS{broken: c.broken}
				_, err := access(t, settings(t, f)).IAM(t.Context(), awsaccess.RoleToAssume{RoleARN: role})
				if (err == nil) != c.ok {
					t.Fatalf("error %v, want ok %v", err, c.ok)
				}
				if got := slices.Compact(f.hosts()); !slices.Equal(got, c.hosts) {
					t.Errorf("asked %v, want %v", got, c.hosts)
				}
				if err == nil {
					return
				}
				for _, part := range []string{role, c.says} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}
				if !finding.Is(err, finding.AccountUnreadable) || strings.Contains(err.Error(), marker) { // spec 15.1
					t.Errorf("error %v: want finding %s and no secret", err, finding.AccountUnreadable)
				}
			})
		})
	}
}

func TestAssumedCredentialsAreUsedAndKept(t *testing.T) {
	t.Parallel()
	f := &fakeAWS{}
	a := access(t, settings(t, f))
	for _, external := range []string{"ext-1", "ext-1", "ext-2"} {
		client, err := a.IAM(t.Context(), awsaccess.RoleToAssume{RoleARN: role, ExternalID: external})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
			t.Fatal(err)
		}
	}
	var assumed []string
	for _, c := range f.calls {
		switch c.form.Get("Action") {
		case "AssumeRole":
			assumed = append(assumed, c.form.Get("ExternalId"))
			if c.form.Get("RoleArn") != role || c.form.Get("RoleSessionName") != "samlfailover" || !strings.Contains(c.header.Get("Authorization"), "AKIA0") {
				t.Errorf("AssumeRole was sent as %v", c.form)
			}
		case "ListRoles":
			if c.host != "iam.amazonaws.com" || c.header.Get("X-Amz-Security-Token") != "session-token" || !strings.Contains(c.header.Get("Authorization"), "ASIA1") {
				t.Errorf("ListRoles went to %s with the wrong credentials", c.host)
			}
		}
	}
	if !slices.Equal(assumed, []string{"ext-1", "ext-2"}) {
		t.Errorf("the role was assumed with external IDs %v, want each one once", assumed)
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	cases := []struct{ arn, region, iamHost, stsHost string }{
		{"arn:aws:iam::111122223333:role/r", "eu-west-1", "iam.amazonaws.com", "sts.eu-west-1.amazonaws.com"},
		{"arn:aws-us-gov:iam::111122223333:role/r", "us-gov-east-1", "iam.us-gov.amazonaws.com", "sts.us-gov-east-1.amazonaws.com"},
		{"arn:aws-cn:iam::111122223333:role/r", "cn-northwest-1", "iam.cn-north-1.amazonaws.com.cn", "sts.cn-northwest-1.amazonaws.com.cn"},
		{"arn:aws-eusc:iam::111122223333:role/r", "eusc-de-east-1", "", "sts.eusc-de-east-1.amazonaws.eu"},
	}
	for _, c := range cases {
		f := &fakeAWS{}
		s := settings(t, f)
		s.Region, s.FallbackRegions = c.region, nil
		client, err := access(t, s).IAM(t.Context(), awsaccess.RoleToAssume{RoleARN: c.arn})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
			t.Fatalf("%s: %v", c.arn, err)
		}
		if got := f.hosts(); got[0] != c.stsHost || (c.iamHost != "" && got[1] != c.iamHost) {
			t.Errorf("%s: asked %v, want %s and %s", c.arn, got, c.stsHost, c.iamHost)
		}
	}
}

func TestSweepsWaitOutThrottling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAWS{faults: 6}
		client, err := access(t, settings(t, f)).IAM(t.Context(), awsaccess.RoleToAssume{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
			t.Errorf("six throttles in a row: %v", err)
		}
	})
}

// An IAM that cannot be reached is not asked for as long as one that throttles.
func TestSweepsGiveUpOnADeadEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAWS{broken: map[string]string{"iam.amazonaws.com": "0 gone"}}
		client, err := access(t, settings(t, f)).IAM(t.Context(), awsaccess.RoleToAssume{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := client.ListRoles(t.Context(), &iam.ListRolesInput{}); err == nil {
			t.Error("a dead endpoint answered")
		}
		if n := len(f.hosts()); n != 3 || time.Since(began) > 15*time.Second {
			t.Errorf("asked %d times in %s, want 3 times within seconds", n, time.Since(began))
		}
	})
}

func TestAnonymous(t *testing.T) {
	t.Parallel()
	f := &fakeAWS{broken: map[string]string{"sts.eu-west-1.amazonaws.com": "500 InternalFailure"}}
	text := "x"
	_, err := access(t, settings(t, f)).AnonymousSTS("eu-west-1").AssumeRoleWithSAML(t.Context(),
		&sts.AssumeRoleWithSAMLInput{RoleArn: &text, PrincipalArn: &text, SAMLAssertion: &text})
	if err == nil || len(f.calls) != 1 || f.calls[0].header.Get("Authorization") != "" {
		t.Errorf("%d calls, error %v; want one without credentials or retry", len(f.calls), err)
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*awsaccess.Settings){
		"no network":           func(s *awsaccess.Settings) { s.Network = nil },
		"no Region":            func(s *awsaccess.Settings) { s.Region = "" },
		"key without secret":   func(s *awsaccess.Settings) { s.SecretAccessKey = secret.Value{} },
		"secret without key":   func(s *awsaccess.Settings) { s.AccessKeyID = "" },
		"fallback of GovCloud": func(s *awsaccess.Settings) { s.FallbackRegions = []string{"us-gov-west-1"} },
	} {
		s := settings(t, &fakeAWS{})
		spoil(&s)
		if _, err := awsaccess.New(s); !finding.Is(err, finding.ConfigInvalid) || strings.Contains(err.Error(), marker) {
			t.Errorf("%s: error %v, want %s", name, err, finding.ConfigInvalid)
		}
	}
	a := access(t, settings(t, &fakeAWS{}))
	for _, arn := range []string{"x", "arn:aws:iam::1:user/u", "arn:mars:iam::1:role/r", "arn:aws:sts::1:role/r"} {
		if _, err := a.IAM(t.Context(), awsaccess.RoleToAssume{RoleARN: arn}); !finding.Is(err, finding.ConfigInvalid) {
			t.Errorf("role %q: error %v", arn, err)
		}
	}
}

// overriding puts endpoint overrides everywhere the SDK looks for them, in the
// process and in what is passed on.
func overriding(t *testing.T) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := "[default]\nendpoint_url = https://evil.example.net\nservices = s\n[services s]\niam =\n  endpoint_url = https://evil.example.net\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"AWS_ENDPOINT_URL": "https://evil.example.net", "AWS_ENDPOINT_URL_STS": "https://user:" + marker + "@evil-sts.example.net", "AWS_CONFIG_FILE": path}
	for k, v := range env {
		t.Setenv(k, v)
	}
	t.Setenv("AWS_CA_BUNDLE", "") // the machine may have one
	return env
}

// spec 15.2
func TestEndpointOverrides(t *testing.T) {
	env := overriding(t)
	list := awsaccess.EndpointVariables(env)
	for _, want := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "endpoint_url of profile default", "endpoint_url of profile default for iam"} {
		if !slices.Contains(list, want) {
			t.Errorf("%v does not name %s", list, want)
		}
	}
	if strings.Contains(strings.Join(list, " "), marker) {
		t.Errorf("the list shows values: %v", list)
	}
	hosts := func(allow bool) []string {
		f := &fakeAWS{}
		s := settings(t, f)
		s.Env, s.AllowEndpointOverride = env, allow
		client, err := access(t, s).IAM(t.Context(), awsaccess.RoleToAssume{RoleARN: role})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
			t.Fatal(err)
		}
		return f.hosts()
	}
	if got, want := hosts(false), []string{"sts.us-west-2.amazonaws.com", "iam.amazonaws.com"}; !slices.Equal(got, want) {
		t.Errorf("calls went to %v, want %v", got, want)
	}
	// The saboteur: the SDK's own loading, which the check must notice.
	f := &fakeAWS{}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-west-2"), config.WithHTTPClient(&http.Client{Transport: f}),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIA0", "x", "")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := iam.NewFromConfig(cfg).ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Fatal(err)
	}
	if got := f.hosts(); !slices.Contains(got, "evil.example.net") {
		t.Errorf("a loaded config called %v: this environment overrides nothing, so the check above shows nothing", got)
	}
	if got, want := hosts(true), []string{"evil-sts.example.net", "evil.example.net"}; !slices.Equal(got, want) {
		t.Errorf("when allowed, calls went to %v, want %v", got, want)
	}
}

package aws_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/crewjam/saml/samlsp"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/signin"
)

func TestSitesCoverTheCatalogueOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, s := range aws.New().Sites() {
		if seen[s.Host] != "" || s.Host != strings.ToLower(s.Host) || s.Region.IsZero() || s.Handler == nil {
			t.Errorf("site %+v", s)
		}
		seen[s.Host] = s.Service + " " + s.Region.String()
	}
	for _, e := range signin.Catalogue() {
		r := e.Region.String()
		if seen[e.SignInHost] != "signin "+r || seen[e.STSHost] != "sts "+r || e.ConsoleHost != "" && seen[e.ConsoleHost] != "console "+r {
			t.Errorf("%s: %q %q %q", r, seen[e.SignInHost], seen[e.STSHost], seen[e.ConsoleHost])
		}
	}
	for host, want := range map[string]string{
		"sts.amazonaws.com": "sts-global us-east-1", "iam.amazonaws.com": "iam us-east-1", "iam.us-gov.amazonaws.com": "iam us-gov-west-1",
		"iam.cn-north-1.amazonaws.com.cn": "iam cn-north-1", "console.aws.amazon.com": "console us-east-1", "us-east-1.signin.aws.amazon.com": "signin us-east-1",
	} {
		if seen[host] != want {
			t.Errorf("%s: %q", host, seen[host])
		}
	}
}

func TestServiceProviderMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, e := range signin.Catalogue() {
		got := w.get(t, "https://"+e.SignInHost+"/static/saml-metadata.xml")
		if got.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d", e.SignInHost, got.StatusCode)
		}
		m, err := samlsp.ParseMetadata([]byte(got.text))
		if err != nil {
			t.Fatalf("%s: %v", e.SignInHost, err)
		}
		if want := e.Partition.EntityID(); want != "" && m.EntityID != want {
			t.Errorf("%s: entity ID %s", e.SignInHost, m.EntityID)
		}
		sp := m.SPSSODescriptors[0]
		var locations []string
		for _, a := range sp.AssertionConsumerServices {
			locations = append(locations, a.Location)
		}
		acs, err := e.Region.ACS("")
		if err != nil || !slices.Contains(locations, acs.String()) || len(locations) != len(signin.Regions(e.Partition, true)) {
			t.Errorf("%s: %d endpoints, own listed: %v", e.SignInHost, len(locations), slices.Contains(locations, acs.String()))
		}
		if sp.WantAssertionsSigned == nil || !*sp.WantAssertionsSigned || len(sp.KeyDescriptors) != 1 || sp.KeyDescriptors[0].Use != "signing" || len(sp.AttributeConsumingServices) != 1 {
			t.Errorf("%s: %+v", e.SignInHost, sp)
		}
		if !strings.HasPrefix(locations[0], "https://signin.") && e.Partition == signin.AWS {
			t.Errorf("%s: the default is %s", e.SignInHost, locations[0])
		}
	}
}

func TestPagesWithoutASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name, url string
		status    int
		location  string
		text      string
	}{
		{"console", "https://us-west-2.console.aws.amazon.com/ec2?x=1", 302, "https://us-west-2.signin.aws.amazon.com/oauth?redirect_uri=https%3A%2F%2Fus-west-2.console.aws.amazon.com%2Fec2%3Fx%3D1", ""},
		{"console with a port", "https://us-west-2.console.aws.amazon.com:8443/", 302, "https://us-west-2.signin.aws.amazon.com/oauth?redirect_uri=https%3A%2F%2Fus-west-2.console.aws.amazon.com%2F", ""},
		{"Region-less console", "https://console.aws.amazon.com/", 302, "https://signin.aws.amazon.com/oauth?redirect_uri=https%3A%2F%2Fus-east-1.console.aws.amazon.com%2F", ""},
		{"sign-in home", "https://us-west-2.signin.aws.amazon.com/oauth", 200, "", "Not signed in"},
		{"GET of the endpoint", "https://us-west-2.signin.aws.amazon.com/saml", 400, "", junkText},
		{"bad provider id", "https://us-west-2.signin.aws.amazon.com/saml/acs/x", 400, "", junkText},
		{"unknown page", "https://us-west-2.signin.aws.amazon.com/x", 404, "", "Not Found"},
		{"unknown static file", "https://us-west-2.signin.aws.amazon.com/static/x", 404, "", ""},
	} {
		got := w.get(t, c.url)
		if got.StatusCode != c.status || got.Header.Get("Location") != c.location || !strings.Contains(got.text, c.text) || got.Header.Get("x-amzn-RequestId") == "" {
			t.Errorf("%s: %d %q %s", c.name, got.StatusCode, got.Header.Get("Location"), body(got.text))
		}
	}
}

func TestJunkPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, value := range map[string]string{"empty": "", "not base64": "%%%", "not XML": encode("hello"), "too long": strings.Repeat("A", 100_004)} {
		if got := w.signIn(t, west, value, ""); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, junkText) {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
}

// The Region-less console sends a person to the Region they used last.
func TestRegionlessConsoleAndLogout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.signIn(t, west, honest().encoded(t), "https://console.aws.amazon.com/s3/"); got.Header.Get("Location") != "https://console.aws.amazon.com/s3/" {
		t.Fatalf("%d %s", got.StatusCode, got.Header.Get("Location"))
	}
	where := func() string { return w.get(t, "https://console.aws.amazon.com/s3/").Header.Get("Location") }
	if got := where(); got != "https://us-east-1.console.aws.amazon.com/s3/" {
		t.Errorf("first: %s", got)
	}
	w.get(t, "https://eu-west-1.console.aws.amazon.com/")
	if got := where(); got != "https://eu-west-1.console.aws.amazon.com/s3/" {
		t.Errorf("later: %s", got)
	}
	w.get(t, "https://us-west-2.signin.aws.amazon.com/logout")
	if got := where(); !strings.Contains(got, "/oauth?") {
		t.Errorf("after logout: %s", got)
	}
}

// Accounts, keys and sessions of one partition mean nothing in another.
func TestGovCloudLogin(t *testing.T) {
	t.Parallel()
	const (
		acs  = "https://us-gov-east-1.signin.amazonaws-us-gov.com/saml"
		arn  = "arn:aws-us-gov:iam::222222222222:"
		aud  = "urn:amazon:webservices:govcloud"
		home = "https://us-gov-east-1.console.amazonaws-us-gov.com/"
	)
	w := newWorld(t)
	gov := w.AddAccountIn(signin.GovCloud, "222222222222", "gov")
	if _, err := gov.PutProvider("Okta", metadata(issuer, keyPool()[0].cert)); err != nil {
		t.Fatal(err)
	}
	if err := gov.PutRole(aws.Role{Name: "Admin", Trust: strings.ReplaceAll(audOnly(acs), provider, arn+"saml-provider/Okta")}); err != nil {
		t.Fatal(err)
	}
	k := honest()
	k.recipient, k.destination, k.audience = acs, acs, aud
	k.attrs[0] = attr("Role", arn+"role/Admin,"+arn+"saml-provider/Okta")
	got := w.signIn(t, acs, k.encoded(t), "")
	if got.StatusCode != http.StatusFound || got.Header.Get("Location") != home {
		t.Fatalf("%d %s", got.StatusCode, body(got.text))
	}
	if page := w.get(t, home); page.StatusCode != http.StatusOK || !strings.Contains(page.text, `data-account="222222222222"`) {
		t.Errorf("%d", page.StatusCode)
	}
	if got := w.signIn(t, west, k.encoded(t), ""); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, "AuthSamlManifestNotFoundException") {
		t.Errorf("GovCloud assertion at commercial sign-in: %d", got.StatusCode)
	}
}

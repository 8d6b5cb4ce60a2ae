package aws_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	accounts "github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/signin"
)

// accountClient calls Account Management with a key of the world's account.
func (w *testWorld) accountClient(key, sec string, allow ...string) *accounts.Client {
	w.account.AddAccessKey("ops", key, secret, allow)
	return accounts.NewFromConfig(sdk.Config{Region: "us-west-2", HTTPClient: &http.Client{Transport: w}, // any Region leads to the one host
		Credentials: credentials.NewStaticCredentialsProvider(key, sec, "")}, func(o *accounts.Options) { o.Retryer = sdk.NopRetryer{} })
}

func TestListRegionsPageByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account.EnableRegion(signin.MustRegion("eu-south-1"))
	c := w.accountClient("AKIAACCOUNT", secret, "account:ListRegions")
	got := map[string]types.RegionOptStatus{}
	pages := 0
	for p := accounts.NewListRegionsPaginator(c, &accounts.ListRegionsInput{MaxResults: sdk.Int32(7)}); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Regions {
			if _, twice := got[*r.RegionName]; twice {
				t.Errorf("%s twice", *r.RegionName)
			}
			got[*r.RegionName] = r.RegionOptStatus
		}
	}
	if all := signin.Regions(signin.AWS, true); len(got) != len(all) || pages != (len(all)+6)/7 {
		t.Errorf("%d Regions on %d pages", len(got), pages)
	}
	for code, want := range map[string]types.RegionOptStatus{"us-east-1": types.RegionOptStatusEnabledByDefault, "eu-south-1": types.RegionOptStatusEnabled, "me-south-1": types.RegionOptStatusDisabled} {
		if got[code] != want {
			t.Errorf("%s is %s", code, got[code])
		}
	}
	out, err := c.ListRegions(t.Context(), &accounts.ListRegionsInput{RegionOptStatusContains: []types.RegionOptStatus{types.RegionOptStatusEnabled}})
	if err != nil || len(out.Regions) != 1 {
		t.Errorf("of those that are enabled: %+v, %v", out, err)
	}
}

// Nobody is told anything who has not signed, may not ask, or asks wrongly.
func TestListRegionsRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.accountClient("AKIAGOOD", secret, "account:*")
	for _, c := range []struct {
		why    string
		client *accounts.Client
		in     *accounts.ListRegionsInput
		code   string
	}{
		{"may not", w.accountClient("AKIADENIED", secret, "iam:*"), &accounts.ListRegionsInput{}, "AccessDeniedException"},
		{"signed with another key", w.accountClient("AKIAFORGED", "another", "*"), &accounts.ListRegionsInput{}, "InvalidSignatureException"},
		{"another account", good, &accounts.ListRegionsInput{AccountId: sdk.String("999999999999")}, "AccessDeniedException"},
		{"too many at once", good, &accounts.ListRegionsInput{MaxResults: sdk.Int32(51)}, "ValidationException"},
		{"a token of nobody", good, &accounts.ListRegionsInput{NextToken: sdk.String("!")}, "ValidationException"},
		{"no such status", good, &accounts.ListRegionsInput{RegionOptStatusContains: []types.RegionOptStatus{"ON"}}, "ValidationException"},
	} {
		_, err := c.client.ListRegions(t.Context(), c.in)
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != c.code {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	for why, change := range map[string]func(*http.Request){
		"unsigned":          func(*http.Request) {},
		"another path":      func(r *http.Request) { r.URL.Path = "/getRegions" },
		"another method":    func(r *http.Request) { r.Method = http.MethodPut },
		"another media":     func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"a broken document": func(r *http.Request) { r.Body = http.NoBody },
	} {
		r, err := http.NewRequest(http.MethodPost, "https://account.us-east-1.amazonaws.com/listRegions", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		change(r)
		res, err := w.RoundTrip(r)
		if err != nil || res.StatusCode < 400 || res.Header.Get("x-amzn-ErrorType") == "" {
			t.Errorf("%s: %v %v", why, res, err)
		}
	}
}

package aws_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/samlfailover/samlfailover/sandbox/aws"
)

// Logins, trust changes and listings at once: for the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	w, c := adminWorld(t)
	encoded := honest().encoded(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, west, strings.NewReader(url.Values{"SAMLResponse": {encoded}}.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				resp, err := w.RoundTrip(r)
				if err != nil || resp.StatusCode != http.StatusFound {
					t.Errorf("%v %v", resp, err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
			}
		})
		wg.Go(func() {
			for range 10 {
				if _, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: sdk.String("Admin"), PolicyDocument: sdk.String(audOnly(east, west))}); err != nil {
					t.Error(err)
				}
				if _, err := c.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
					t.Error(err)
				}
				w.SetStrictness(aws.Strictness{})
			}
		})
	}
	wg.Wait()
}

// Over a real server and its socket, not only in process.
func TestOverHTTP(t *testing.T) {
	t.Parallel()
	w, _ := adminWorld(t)
	srv := httptest.NewServer(w.hosts["iam.amazonaws.com"].Handler)
	defer srv.Close()
	cfg := w.sdkConfig("us-east-1", userKey())
	cfg.HTTPClient = srv.Client()
	cfg.BaseEndpoint = sdk.String(srv.URL)
	out, err := iam.NewFromConfig(cfg).ListRoles(t.Context(), &iam.ListRolesInput{})
	if err != nil || len(out.Roles) != 2 {
		t.Fatalf("%+v %v", out, err)
	}
}

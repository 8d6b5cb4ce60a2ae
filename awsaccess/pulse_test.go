package awsaccess_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/outbound"
)

// answering answers every request like this.
type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func status(code int) answering {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader("x")), Request: r}, nil
	}
}

// through is an access over a network of the test's own.
func through(t *testing.T, rt http.RoundTripper) *awsaccess.Access {
	t.Helper()
	n, err := outbound.New(outbound.Settings{RoundTripper: rt})
	if err != nil {
		t.Fatal(err)
	}
	s := settings(t, &fakeAWS{})
	s.Network = n
	return access(t, s)
}

// swallows never answers.
func swallows(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Whether IAM answers is known within seconds, whatever it does, and it is asked
// without a signature.
func TestIAMAnswers(t *testing.T) {
	t.Parallel()
	tries := 0
	for _, c := range []struct {
		name  string
		rt    answering
		alive bool
		least time.Duration
		most  time.Duration
	}{
		{"its product page", status(http.StatusFound), true, 0, 0},
		{"a refusal is an answer", status(http.StatusForbidden), true, 0, 0},
		{"refused", func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, false, time.Millisecond, time.Second},
		{"a fault of its own", status(http.StatusServiceUnavailable), false, time.Millisecond, time.Second},
		{"nothing", swallows, false, 6 * time.Second, 6500 * time.Millisecond},
		{"one lost packet", func(r *http.Request) (*http.Response, error) {
			if tries++; tries == 1 {
				return nil, io.ErrUnexpectedEOF
			}
			return status(http.StatusFound)(r)
		}, true, time.Millisecond, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			err := through(t, answering(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host != "iam.amazonaws.com" || r.Method != http.MethodGet || r.Header.Get("Authorization") != "" {
					t.Errorf("%s: asked %s %s", c.name, r.Method, r.URL)
				}
				return c.rt(r)
			})).IAMAnswers(t.Context(), "aws")
			if took := time.Since(begin); (err == nil) != c.alive || took < c.least || took > c.most {
				t.Errorf("%s: %v after %s", c.name, err, took)
			}
		})
	}
	for partition, want := range map[string]string{"aws-us-gov": "iam.us-gov.amazonaws.com", "aws-cn": "iam.cn-north-1.amazonaws.com.cn", "aws-eusc": "iam.eusc-de-east-1.amazonaws.eu"} {
		var host string
		if err := through(t, answering(func(r *http.Request) (*http.Response, error) { host = r.URL.Host; return status(302)(r) })).IAMAnswers(t.Context(), partition); err != nil || host != want {
			t.Errorf("%s: asked %s, %v", partition, host, err)
		}
	}
}

// An exchange that the network swallows ends, and so does one whose answer never
// ends; saboteur: a network that never answers.
func TestNoExchangeHangs(t *testing.T) {
	t.Parallel()
	for name, rt := range map[string]answering{
		"no answer": swallows,
		"half an answer": func(r *http.Request) (*http.Response, error) {
			body, w := io.Pipe()
			go func() { <-r.Context().Done(); w.CloseWithError(r.Context().Err()) }()
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: r}, nil
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, err := through(t, rt).IAM(t.Context(), awsaccess.RoleToAssume{})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if _, err := client.ListRoles(t.Context(), &iam.ListRolesInput{}); err == nil || time.Since(begin) > 2*time.Minute {
				t.Errorf("%s: %v after %s", name, err, time.Since(begin))
			}
		})
	}
}

// Organizations has one host in a partition, wherever we are, and is signed for
// its Region.
func TestOrganizations(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{
		"": "organizations.us-east-1.amazonaws.com us-east-1", "arn:aws-us-gov:iam::111122223333:role/r": "organizations.us-gov-west-1.amazonaws.com us-gov-west-1",
		"arn:aws-cn:iam::111122223333:role/r": "organizations.cn-northwest-1.amazonaws.com.cn cn-northwest-1",
	} {
		f := &fakeAWS{}
		got := ""
		a := through(t, answering(func(r *http.Request) (*http.Response, error) {
			if !strings.HasPrefix(r.URL.Host, "organizations.") {
				return f.RoundTrip(r)
			}
			scope := strings.Split(r.Header.Get("Authorization"), "/")
			got = r.URL.Host + " " + scope[2]
			return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(`{"Accounts":[]}`)), Request: r}, nil
		}))
		client, err := a.Organizations(t.Context(), awsaccess.RoleToAssume{RoleARN: role})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.ListAccounts(t.Context(), &organizations.ListAccountsInput{}); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", role, got, err, want)
		}
	}
}

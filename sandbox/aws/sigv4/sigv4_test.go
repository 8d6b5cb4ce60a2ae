package sigv4

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/signin"
)

// The worked example of the AWS General Reference, "Signature Version 4 signing
// process" (ListUsers).
func exampleRequest(t *testing.T) query.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
	return query.Request{HTTP: r}
}

func TestPublishedExample(t *testing.T) {
	t.Parallel()
	c := world.New()
	c.AddAccount("123456789012", "").AddAccessKey("u", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", nil)
	scope := Scope{signin.AWS, "us-east-1", "iam"}
	at := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	who, bad := Verify(exampleRequest(t), scope, c, at)
	if bad != nil || who.ARN != "arn:aws:iam::123456789012:user/u" {
		t.Fatalf("%+v %v", who, bad)
	}
	for name, now := range map[string]time.Time{"15:00 late": at.Add(15 * time.Minute), "15:00 early": at.Add(-15 * time.Minute)} {
		if _, bad := Verify(exampleRequest(t), scope, c, now); bad != nil {
			t.Errorf("%s: %v", name, bad)
		}
	}
	for name, now := range map[string]time.Time{"too late": at.Add(15*time.Minute + time.Second), "too early": at.Add(-15*time.Minute - time.Second)} {
		if _, bad := Verify(exampleRequest(t), scope, c, now); bad == nil || bad.Code != "SignatureDoesNotMatch" {
			t.Errorf("%s: %v", name, bad)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/iam/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20150830T123600Z")
	f.Add("AWS4-HMAC-SHA256 Credential=", "2")
	f.Fuzz(func(t *testing.T, auth, date string) {
		c := world.New()
		c.AddAccount("123456789012", "").AddAccessKey("u", "A", "unguessable", nil)
		r := &http.Request{Method: http.MethodGet, Host: "iam.amazonaws.com", URL: &url.URL{Path: "/"}, Header: http.Header{"Authorization": {auth}, "X-Amz-Date": {date}}}
		if _, bad := Verify(query.Request{HTTP: r}, Scope{signin.AWS, "us-east-1", "iam"}, c, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)); bad == nil {
			t.Fatal("a made-up signature was accepted")
		}
	})
}

package login_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/login"
)

func ask() login.Request {
	return login.Request{Portal: "https://" + host, User: "ada@example.com", Password: "pw", App: "AWS Prod"}
}

func TestWholeSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, admin)
	res := login.Run(context.Background(), w, ask())
	if !res.OK || res.Reason != "" {
		t.Fatalf("%+v", res)
	}
	if res.Region != "us-east-1" || res.Account != account || res.Role != "admin" || res.App != "AWS Prod" ||
		res.Landing != "https://us-east-1.console.aws.amazon.com/ec2/home?region=us-east-1#Instances:" {
		t.Errorf("%+v", res)
	}
	if !strings.Contains(string(res.Assertion), `Recipient="`+east) {
		t.Error("the assertion is not the raw response")
	}
	w.move(t, west)
	w.move(t, "https://us-west-2.console.aws.amazon.com/", "defaultRelayState")
	res = login.Run(context.Background(), w, ask())
	if !res.OK || res.Region != "us-west-2" || res.Landing != "https://us-west-2.console.aws.amazon.com/" {
		t.Errorf("after the move: %+v", res)
	}
}

// TestReportHoldsNoSecret: neither password, assertion nor query values.
func TestReportHoldsNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, admin)
	w.move(t, "https://us-east-1.console.aws.amazon.com/x?token=hush&region=us-east-1", "defaultRelayState")
	r := ask()
	r.Password = "wr0ng-hush"
	for _, res := range []login.Result{login.Run(context.Background(), w, ask()), login.Run(context.Background(), w, r)} {
		raw, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		if printed := fmt.Sprintf("%v %+v %#v %s %x", res, res, res, res.Assertion, res.Assertion); strings.Contains(printed, "samlp") || strings.Contains(printed, "73616d6c70") || strings.Contains(printed, "115, 97") || strings.Contains(printed, "0x73, 0x61") {
			t.Errorf("printing shows the assertion: %.200s", printed)
		}
		if strings.Contains(string(raw), "hush") || strings.Contains(string(raw), "SAMLResponse") || strings.Contains(string(raw), "sertion") {
			t.Errorf("%s", raw)
		}
		if res.OK && !strings.Contains(res.Landing, "region=us-east-1") {
			t.Errorf("landing %s", res.Landing)
		}
		var keys map[string]any
		if err := json.Unmarshal(raw, &keys); err != nil || keys["hops"] == nil {
			t.Errorf("%v %s", err, raw)
		}
	}
}

func TestRoleChooser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, reader, admin)
	for _, c := range []struct{ want, role, reason string }{
		{"", "reader", ""},
		{admin, "admin", ""},
		{reader, "reader", ""},
		{"arn:aws:iam::111122223333:role/none", "", "AWS does not offer the role arn:aws:iam::111122223333:role/none, only: " + reader + ", " + admin},
	} {
		r := ask()
		r.Role = c.want
		res := login.Run(context.Background(), w, r)
		if res.Role != c.role || res.Reason != c.reason || res.OK != (c.reason == "") {
			t.Errorf("asked for %q: %+v", c.want, res)
		}
	}
}

// TestReasons: each row breaks one thing on the way; the report must fail and
// say what it was.
func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		break_ func(*testing.T, *world, *login.Request)
		reason string // a part of it
	}{
		{"wrong password", func(_ *testing.T, _ *world, r *login.Request) { r.Password = "x" }, "did not sign ada@example.com in: Unable to sign in"},
		{"no such app", func(_ *testing.T, _ *world, r *login.Request) { r.App = "Other" }, `sees no app "Other" in the portal, only: AWS Prod`},
		{"portal is http", func(_ *testing.T, _ *world, r *login.Request) { r.Portal = "http://" + host }, "is not an https URL"},
		{"portal unknown", func(_ *testing.T, _ *world, r *login.Request) { r.Portal = "https://nope.okta.com" }, "could not find nope.okta.com: no such host"},
		{"portal down", func(_ *testing.T, w *world, _ *login.Request) { w.fails[host] = refusedConnection() }, "could not connect to acme.okta.com: connection refused"},
		{"portal without a form", func(_ *testing.T, w *world, _ *login.Request) { w.hosts[host] = html(200, "<title>Hello</title>") }, "shows no sign-in form: Hello (acme.okta.com)"},
		{"portal leads away", func(_ *testing.T, w *world, _ *login.Request) {
			w.hosts[host] = redirect("https://evil.example/?x=hush")
		}, "refused to go to https://evil.example/?x=...: evil.example is neither the portal nor"},
		{"sign-in down", func(_ *testing.T, w *world, _ *login.Request) { w.fails["signin.aws.amazon.com"] = refusedConnection() }, "could not connect to signin.aws.amazon.com: connection refused"},
		{"sign-in answers 500", func(_ *testing.T, w *world, _ *login.Request) { w.hosts["signin.aws.amazon.com"] = html(500, "") }, "signin.aws.amazon.com answered 500 Internal Server Error without any text"},
		{"console down", func(_ *testing.T, w *world, _ *login.Request) {
			w.fails[consoleHost("us-east-1")] = refusedConnection()
		}, "could not connect to us-east-1.console.aws.amazon.com: connection refused"},
		{"console shows something else", func(_ *testing.T, w *world, _ *login.Request) {
			w.hosts[consoleHost("us-east-1")] = html(200, "<h1>Maintenance</h1><p>Come back <script>no</script> later</p>")
		}, "Maintenance Come back later (us-east-1.console.aws.amazon.com)"},
		{"console page with an error status", func(_ *testing.T, w *world, _ *login.Request) {
			w.hosts[consoleHost("us-east-1")] = html(503, `<p data-region="us-east-1">Broken</p>`)
		}, "Broken (us-east-1.console.aws.amazon.com answered 503)"},
		{"role not admitted", func(t *testing.T, w *world, r *login.Request) {
			w.move(t, west)
			w.addUser(t, "bob", reader)
			r.User = "bob"
		}, "Not authorized to perform sts:AssumeRoleWithSAML"},
		{"recipient forgotten", func(t *testing.T, w *world, _ *login.Request) { w.move(t, west, "ssoAcsUrl", "destination") }, "Your request included an invalid SAML response"},
		{"another app's key in IAM", func(t *testing.T, w *world, _ *login.Request) {
			if err := w.okta.EditApp(w.app, func(doc map[string]any) {
				doc["credentials"].(map[string]any)["signing"].(map[string]any)["kid"] = "rotated"
			}); err != nil {
				t.Fatal(err)
			}
		}, "(signin.aws.amazon.com answered 400"},
		{"ACS on a foreign host", func(t *testing.T, w *world, _ *login.Request) { w.move(t, "https://evil.example/saml") }, "evil.example is neither the portal nor an AWS sign-in or console host"},
		{"ACS without TLS", func(t *testing.T, w *world, _ *login.Request) { w.move(t, "http://signin.aws.amazon.com/saml") }, "it is not a plain https address"},
		{"app cannot sign", func(t *testing.T, w *world, _ *login.Request) { w.move(t, "RSA_SHA1", "signatureAlgorithm") }, "did not send a SAML response"},
		{"redirects without end", func(_ *testing.T, w *world, _ *login.Request) {
			w.hosts["signin.aws.amazon.com"] = redirect("https://signin.aws.amazon.com/saml")
		}, "gave up after 25 requests"},
		{"endless page", func(_ *testing.T, w *world, _ *login.Request) {
			w.hosts["signin.aws.amazon.com"] = html(200, strings.Repeat("<p>x</p>", 1<<20))
		}, "larger than 4 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, r := newWorld(t, admin), ask()
			c.break_(t, w, &r)
			res := login.Run(context.Background(), w, r)
			if res.OK || !strings.Contains(res.Reason, c.reason) {
				t.Errorf("ok %v, reason %q, want %q", res.OK, res.Reason, c.reason)
			}
			if strings.Contains(res.Reason, "hush") {
				t.Errorf("the reason holds a query value: %s", res.Reason)
			}
		})
	}
}

func TestTransportErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		reason string
	}{
		{&login.ProxyError{Status: "502 Bad Gateway", Kind: "connection_refused"}, "could not connect to acme.okta.com: connection refused"},
		{&login.ProxyError{Status: "502 Bad Gateway"}, "could not connect to acme.okta.com: 502 Bad Gateway"},
		{context.DeadlineExceeded, "acme.okta.com did not answer in time"},
		{context.Canceled, "the sign-in was cancelled"},
		{io.ErrUnexpectedEOF, "acme.okta.com broke the connection off"},
		{syscall.ECONNRESET, "acme.okta.com broke the connection off"},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "the TLS certificate of acme.okta.com was not accepted"},
		{errors.New("odd"), "the request to acme.okta.com failed: odd"},
	} {
		w := newWorld(t, admin)
		w.fails[host] = c.err
		res := login.Run(context.Background(), w, ask())
		if res.OK || !strings.HasPrefix(res.Reason, c.reason) || len(res.Hops) != 1 || res.Hops[0].Status != 0 {
			t.Errorf("%v gives %q, hops %v", c.err, res.Reason, res.Hops)
		}
	}
}

// TestTimeBound: a host that never answers ends with the context.
func TestTimeBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admin)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		silent := roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "signin.aws.amazon.com" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return w.RoundTrip(r)
		})
		start := time.Now()
		res := login.Run(ctx, silent, ask())
		if res.Reason != "signin.aws.amazon.com did not answer in time" || time.Since(start) != 10*time.Second {
			t.Errorf("%q after %v", res.Reason, time.Since(start))
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOnProxyConnectResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		field  string
		want   string
	}{
		{200, "", ""},
		{502, `samlfailover-sandbox; error=connection_refused; details="x"`, "the proxy answered: connection refused"},
		{504, "", "the proxy answered: 504 Gateway Timeout"},
	} {
		res := &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Header: http.Header{"Proxy-Status": {c.field}}}
		if c.status != 200 {
			res.Status = "504 Gateway Timeout"
		}
		err := login.OnProxyConnectResponse(context.Background(), nil, nil, res)
		if got := message(err); got != c.want {
			t.Errorf("%d %q: %q", c.status, c.field, got)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzPages: whatever the hosts send, a sign-in ends, visits only the portal and
// AWS, and does not claim success without a console page.
func FuzzPages(f *testing.F) {
	f.Add(`<form method=post action=/in><input name=u><input name=p type=password></form>`, `<form method=post action="https://signin.aws.amazon.com/saml"><input name=SAMLResponse value=eA==></form>`, `<p data-region=us-east-1>`)
	f.Add(`<a data-app-id=1 href="//evil.example">`, `<form action="javascript:x"><input name=SAMLResponse>`, `<input type=radio name=roleIndex>`)
	f.Fuzz(func(t *testing.T, portal, tile, aws string) {
		rt := roundTrip(func(r *http.Request) (*http.Response, error) {
			body := portal
			switch {
			case strings.HasSuffix(r.URL.Host, ".amazon.com"):
				body = aws
			case r.URL.Host != host || r.URL.Scheme != "https":
				t.Errorf("it went to %s", r.URL)
			case r.Method == http.MethodPost:
				body = `<a data-app-id="1" data-app-label="AWS Prod" href="/tile">AWS</a>`
			case r.URL.Path == "/tile":
				body = tile
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})
		res := login.Run(t.Context(), rt, ask())
		if res.OK == (res.Reason != "") || res.OK && !strings.Contains(aws, "data-region") && !strings.Contains(tile, "data-region") {
			t.Errorf("%+v", res)
		}
	})
}

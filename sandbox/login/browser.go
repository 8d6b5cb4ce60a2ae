package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"syscall"

	"golang.org/x/net/html"

	"github.com/samlfailover/samlfailover/signin"
)

const (
	maxHops = 25
	maxPage = 4 << 20
)

// browser is a cookie jar, a record of hops and the rule where it may go. It
// serves one sign-in and is not for concurrent use.
type browser struct {
	client *http.Client
	portal string // host of the IdP
	hops   []Hop
}

func newBrowser(rt http.RoundTripper) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // New documents that it cannot fail without options
	}
	stop := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{client: &http.Client{Transport: rt, Jar: jar, CheckRedirect: stop}, hops: []Hop{}}
}

func (b *browser) get(ctx context.Context, u *url.URL) (*page, error) {
	return b.follow(ctx, http.MethodGet, u, nil)
}

func (b *browser) submit(ctx context.Context, f form) (*page, error) {
	if f.method == http.MethodGet {
		u := *f.action
		u.RawQuery = f.fields.Encode()
		return b.get(ctx, &u)
	}
	return b.follow(ctx, http.MethodPost, f.action, f.fields)
}

// follow sends a request and goes after redirects until there is a page.
func (b *browser) follow(ctx context.Context, method string, u *url.URL, fields url.Values) (*page, error) {
	for {
		if err := b.mayVisit(u); err != nil {
			return nil, err
		}
		if len(b.hops) == maxHops {
			return nil, fmt.Errorf("gave up after %d requests: the pages keep sending the browser on, last to %s", maxHops, plainURL(u))
		}
		res, err := b.send(ctx, method, u, fields)
		if err != nil {
			return nil, err
		}
		next, err := res.Location()
		if res.StatusCode/100 != 3 || err != nil {
			return readPage(res, u)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusTemporaryRedirect && res.StatusCode != http.StatusPermanentRedirect {
			method, fields = http.MethodGet, nil
		}
		u = next
	}
}

// send makes one request and records it.
func (b *browser) send(ctx context.Context, method string, u *url.URL, fields url.Values) (*http.Response, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(fields.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("the address %s cannot be requested", plainURL(u))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "text/html")
	hop := Hop{Method: method, URL: plainURL(u)}
	res, err := b.client.Do(req)
	if err == nil {
		hop.Status = res.StatusCode
	}
	b.hops = append(b.hops, hop)
	if err != nil {
		return nil, explain(u.Host, err)
	}
	return res, nil
}

// mayVisit lets the browser go to the portal and to AWS, by https only.
func (b *browser) mayVisit(u *url.URL) error {
	switch {
	case u.Scheme != "https" || u.User != nil || u.Port() != "":
		return fmt.Errorf("refused to go to %s: it is not a plain https address", plainURL(u))
	case u.Host == b.portal || isAWS(u.Host):
		return nil
	}
	return fmt.Errorf("refused to go to %s: %s is neither the portal nor an AWS sign-in or console host", plainURL(u), u.Host)
}

// isAWS asks the catalogue.
func isAWS(host string) bool {
	_, signInErr := signin.ParseACS("https://" + host + "/saml")
	_, consoleErr := signin.ParseRelayState("https://" + host + "/")
	return signInErr == nil || consoleErr == nil
}

// readPage reads and parses one HTML page.
func readPage(res *http.Response, u *url.URL) (*page, error) {
	defer func() { _ = res.Body.Close() }()
	limited := &io.LimitedReader{R: res.Body, N: maxPage + 1}
	root, err := html.Parse(limited)
	if err != nil {
		return nil, explain(u.Host, err)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("the page of %s is larger than %d MiB", u.Host, maxPage>>20)
	}
	return &page{url: u, status: res.StatusCode, root: root}, nil
}

// plainURL shows where a URL goes without the secrets that it may carry: user
// information and every query value but region are left out.
func plainURL(u *url.URL) string {
	shown := *u
	shown.User = nil
	q := shown.Query()
	for k := range q {
		if _, err := signin.ParseRegion(q.Get(k)); k != "region" || err != nil {
			q.Set(k, "...")
		}
	}
	shown.RawQuery = q.Encode()
	return shown.String()
}

// explain turns a transport's error into a sentence about the host. URLs of
// the error are dropped: they may hold secrets.
func explain(host string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	_, badCert := errors.AsType[*tls.CertificateVerificationError](err)
	_, badRoot := errors.AsType[x509.UnknownAuthorityError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	netErr, isNet := errors.AsType[net.Error](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	proxy, isProxy := errors.AsType[*ProxyError](err)
	switch {
	case isProxy:
		return &failure{fmt.Sprintf("could not connect to %s: %s", host, proxy.why()), err}
	case errors.Is(err, context.Canceled):
		return &failure{fmt.Sprintf("the sign-in was cancelled while %s had not answered", host), err}
	case errors.Is(err, context.DeadlineExceeded), isNet && netErr.Timeout():
		return &failure{host + " did not answer in time", err}
	case isDNS:
		return &failure{fmt.Sprintf("could not find %s: %s", host, dns.Err), err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &failure{fmt.Sprintf("could not connect to %s: connection refused", host), err}
	case badCert, badRoot:
		return &failure{fmt.Sprintf("the TLS certificate of %s was not accepted: %v", host, err), err}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{fmt.Sprintf("%s broke the connection off before its answer was complete", host), err}
	case isOp && (op.Op == "dial" || op.Op == "proxyconnect"):
		return &failure{fmt.Sprintf("could not connect to %s: %v", host, op.Err), err}
	}
	return &failure{fmt.Sprintf("the request to %s failed: %v", host, err), err}
}

// failure is a sentence with the error behind it.
type failure struct {
	sentence string
	cause    error
}

func (f *failure) Error() string { return f.sentence }
func (f *failure) Unwrap() error { return f.cause }

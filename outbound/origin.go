package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/samlfailover/samlfailover/finding"
)

const (
	defaultMaxBody  = 8 << 20
	defaultMaxDepth = 64
	defaultDeadline = 30 * time.Second
	maxRedirects    = 3
)

// OriginOptions describe one counterpart: an IdP tenant, a webhook's host.
type OriginOptions struct {
	// Name is the operator's word for it in errors and logs ("tenant okta-prod").
	Name string
	// Origin is scheme, host and port: "https://example.okta.com". http is
	// accepted on loopback only.
	Origin string
	// RatePerSecond and Burst pace the calls; 0 = no limit. Burst 0 means 1.
	RatePerSecond float64
	Burst         int
	MaxBody       int64 // decompressed bytes of an answer; 0 = 8 MiB
	MaxDepth      int   // nesting of a JSON answer; 0 = 64
	// KeepRedirects returns a redirect as the answer instead of following it:
	// for a caller that keeps cookies and resolves every Location itself.
	KeepRedirects bool
	// Guard holds the client to addresses that an operator's URL may lead to, and
	// makes every redirect an answer; nil: the counterpart is not of an operator's
	// choosing.
	Guard  *Guard
	Logger *slog.Logger
}

// Client talks to one origin. Safe for concurrent use.
type Client struct {
	name     string
	origin   *url.URL
	http     *http.Client
	pace     *rate.Limiter
	maxBody  int64
	maxDepth int
	proxied  bool
	keep     bool // redirects
	log      *slog.Logger
}

// Request is one call. Path is a path with an optional query, or an absolute
// URL (a Link target) on the client's origin.
type Request struct {
	Method string
	Path   string
	Header http.Header
	Body   []byte
}

// Response is a whole answer, whatever its status.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// CallError is a call that brought no whole answer. It names the counterpart
// and what happened; never a path, a query, a header or a body, which may hold
// secrets.
type CallError struct {
	Name      string
	Method    string
	Host      string
	Diagnosis Diagnosis
	Err       error // the cause, without its URL
}

// Error is one line for people.
func (e *CallError) Error() string {
	return fmt.Sprintf("%s: %s call to %s failed in phase %s: %s [%s]", e.Name, e.Method, e.Host, e.Diagnosis.Phase, e.Diagnosis.Reason, e.Diagnosis.Code)
}

// Unwrap returns the cause, for errors.Is(err, context.DeadlineExceeded).
func (e *CallError) Unwrap() error { return e.Err }

// Origin returns a client that is bound to one origin.
func (n *Network) Origin(o OriginOptions) (*Client, error) {
	origin, err := parseOrigin(o.Origin)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	c := &Client{name: o.Name, origin: origin, maxBody: o.MaxBody, maxDepth: o.MaxDepth, keep: o.KeepRedirects || o.Guard != nil, log: o.Logger}
	if c.name == "" {
		c.name = origin.Host
	}
	if c.maxBody <= 0 {
		c.maxBody = defaultMaxBody
	}
	if c.maxDepth <= 0 {
		c.maxDepth = defaultMaxDepth
	}
	if c.log == nil {
		c.log = n.log
	}
	if o.RatePerSecond > 0 {
		c.pace = rate.NewLimiter(rate.Limit(o.RatePerSecond), max(1, o.Burst))
	}
	_, c.proxied = n.ProxyFor(origin.Host)
	var dial DialFunc
	if o.Guard != nil {
		if err := o.Guard.checkHost(origin.Hostname()); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		if !c.proxied { // else what is dialled is the proxy
			dial = n.dialGuarded(*o.Guard)
		}
	}
	c.http = &http.Client{Transport: n.shared(dial),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// parseOrigin accepts https://host[:port], and http on loopback.
func parseOrigin(text string) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, finding.Finding{Code: finding.NetworkSetup, Subject: "origin", What: "the URL of the counterpart cannot be used",
			Why: why, Remedy: "write it as https://host, with nothing behind the host"}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return bad("it is not a URL")
	case u.User != nil:
		return bad("it holds a user name or password")
	case u.Hostname() == "":
		return bad("it names no host")
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return bad("it has a path, a query or a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return bad("it is http; credentials go over https only")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("its scheme is not https")
	}
	return &url.URL{Scheme: u.Scheme, Host: canonicalHost(u)}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// canonicalHost is the host in lower case, with the port unless it is the
// scheme's own.
func canonicalHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") || strings.HasSuffix(host, ":") {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return host
}

// Origin returns "https://host[:port]".
func (c *Client) Origin() string { return c.origin.String() }

// Resolve returns the absolute URL of a path or link on the client's origin; a
// link to anywhere else is an error with finding foreign-link (spec 2.6).
func (c *Client) Resolve(link string) (*url.URL, error) {
	return c.resolve(c.origin, link)
}

func (c *Client) resolve(base *url.URL, link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, c.foreign("it is not a URL")
	}
	u = base.ResolveReference(u)
	switch {
	case u.User != nil:
		return nil, c.foreign("it holds a user name or password")
	case u.Scheme != c.origin.Scheme:
		return nil, c.foreign(fmt.Sprintf("its scheme is %q", u.Scheme))
	case u.Opaque != "" || canonicalHost(u) != c.origin.Host:
		return nil, c.foreign(fmt.Sprintf("its host is %q", u.Host))
	}
	u.Host, u.Fragment, u.RawFragment = c.origin.Host, "", ""
	return u, nil
}

func (c *Client) foreign(why string) error {
	return finding.Finding{Code: finding.ForeignLink, Subject: c.name, What: "a link leads away from " + c.origin.String() + " and was not followed",
		Why: why, Remedy: "if the counterpart moved to another host, configure that host; otherwise ask who changed its answer"}
}

// Do makes one call: paced, within the context's deadline (30 s if it has
// none), following at most three redirects of a GET or HEAD on the same origin.
// Every whole answer is a Response, also 4xx and 5xx; errors are *CallError, or
// carry a finding: foreign-link, answer-too-large, answer-too-deep. With
// KeepRedirects no redirect is followed or judged.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
		defer cancel()
	}
	u, err := c.resolve(c.origin, r.Path)
	if err != nil {
		return Response{}, err
	}
	for hop := 0; ; hop++ {
		resp, err := c.once(ctx, r, u)
		if err != nil || c.keep {
			return resp, err
		}
		next, err := c.redirect(r.Method, u, resp)
		switch {
		case err != nil:
			return Response{}, err
		case next == nil:
			return resp, nil
		case hop == maxRedirects:
			return Response{}, finding.Finding{Code: finding.IdPAnswer, Subject: c.name, What: "the answers redirect in a circle",
				Why: fmt.Sprintf("after %d redirects there was yet another", maxRedirects), Remedy: "open the counterpart's own console and see whether it works"}
		}
		u = next
	}
}

// redirect returns where to go next, nil for nowhere. A Location on another
// origin is refused whatever the method.
func (c *Client) redirect(method string, from *url.URL, resp Response) (*url.URL, error) {
	location := resp.Header.Get("Location")
	switch resp.Status {
	case 301, 302, 303, 307, 308:
	default:
		return nil, nil
	}
	if location == "" {
		return nil, nil
	}
	next, err := c.resolve(from, location)
	if err != nil || (method != http.MethodGet && method != http.MethodHead) {
		return nil, err
	}
	return next, nil
}

// once makes one exchange and reads the whole answer.
func (c *Client) once(ctx context.Context, r Request, u *url.URL) (Response, error) {
	if err := c.waitTurn(ctx, r.Method); err != nil {
		return Response{}, err
	}
	trace := NewTrace(c.proxied)
	req, err := http.NewRequestWithContext(trace.Context(ctx), r.Method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return Response{}, fmt.Errorf("%s: make %s request: the method or URL is not valid", c.name, r.Method)
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	// The transport asks for gzip itself and then counts decompressed bytes.
	req.Header.Del("Accept-Encoding")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "samlfailover")
	}
	begun := time.Now()
	answer, err := c.http.Do(req)
	if err != nil {
		return Response{}, c.failed(r.Method, trace, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.maxBody+1))
	if err == nil {
		err = ctx.Err() // ended by our own deadline: what was read need not be all
	}
	if err != nil {
		return Response{}, c.failed(r.Method, trace, err)
	}
	c.log.DebugContext(ctx, "call", "to", c.name, "method", r.Method, "status", answer.StatusCode, "bytes", len(body), "took", time.Since(begun))
	out := Response{Status: answer.StatusCode, Header: answer.Header, Body: body}
	return out, c.withinLimits(out)
}

// waitTurn keeps the pace; a wait that would outlast the deadline fails at once.
func (c *Client) waitTurn(ctx context.Context, method string) error {
	if c.pace == nil {
		return nil
	}
	err := c.pace.Wait(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	} else {
		err = context.DeadlineExceeded
	}
	return fmt.Errorf("%s: %s call not made: keeping the pace of %g calls per second would take longer than the call's deadline: %w",
		c.name, method, float64(c.pace.Limit()), err)
}

// failed types a transport error and drops the URL that net/http put into it.
func (c *Client) failed(method string, t *Trace, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if f, ok := finding.From(err); ok && f.Code == finding.AddressRefused {
		return fmt.Errorf("%s: %w", c.name, f)
	}
	d := Diagnose(err, t, c.origin.Host)
	return &CallError{Name: c.name, Method: method, Host: c.origin.Host, Diagnosis: d, Err: err}
}

// withinLimits refuses what must not reach a parser (spec 2.7).
func (c *Client) withinLimits(r Response) error {
	if int64(len(r.Body)) > c.maxBody {
		return finding.Finding{Code: finding.TooLarge, Subject: c.name, What: fmt.Sprintf("an answer of %s is larger than %d bytes and was not read", c.origin.Host, c.maxBody),
			Why: fmt.Sprintf("its status was %d", r.Status), Remedy: "check that the configured host is the API itself and not a page in front of it"}
	}
	if looksLikeJSON(r) && DeeperThan(r.Body, c.maxDepth) {
		return finding.Finding{Code: finding.TooDeep, Subject: c.name, What: fmt.Sprintf("an answer of %s is nested deeper than %d levels and was not parsed", c.origin.Host, c.maxDepth),
			Why: fmt.Sprintf("its status was %d", r.Status), Remedy: "look at that object in the counterpart's own console"}
	}
	return nil
}

func looksLikeJSON(r Response) bool {
	if strings.Contains(r.Header.Get("Content-Type"), "json") {
		return true
	}
	text := bytes.TrimLeft(r.Body, " \t\r\n\ufeff")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

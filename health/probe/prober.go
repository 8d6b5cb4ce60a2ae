package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/signin"
)

// defaultTimeout bounds one probe; sign-in pages answer in well under a second.
const defaultTimeout = 5 * time.Second

// Limits of what is read (spec 2.7). Of a console page only the status counts.
const (
	metadataLimit = 1 << 20
	stsLimit      = 64 << 10
	consoleLimit  = 64 << 10
)

// sweepParallel bounds the probes that Sweep runs at once.
const sweepParallel = 24

// Options make a Prober. Timeout 0 means 5 s.
type Options struct {
	Network *outbound.Network
	Timeout time.Duration
	Vantage string
	Logger  *slog.Logger
}

// Prober makes single probes. Safe for concurrent use.
type Prober struct {
	net     *outbound.Network
	timeout time.Duration
	vantage string
	log     *slog.Logger
}

// New returns a Prober on this network.
func New(o Options) *Prober {
	p := &Prober{net: o.Network.ForAWS(), timeout: o.Timeout, vantage: o.Vantage, log: o.Logger}
	if p.timeout <= 0 {
		p.timeout = defaultTimeout
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p
}

// Kinds returns what can be asked in a Region: sign-in, STS, and the console
// where its host is known.
func Kinds(r signin.Region) []health.Kind {
	e, ok := r.Endpoint()
	switch {
	case !ok:
		return nil
	case e.ConsoleHost == "":
		return []health.Kind{health.SignIn, health.STS}
	}
	return []health.Kind{health.SignIn, health.STS, health.Console}
}

// question is one request and how to read its answer.
type question struct {
	method string
	url    string
	host   string
	form   string // body of a POST
	limit  int64
	// partial is true when the answer may be longer than limit: only its
	// status counts.
	partial bool
	judge   func(answer) judgement
}

// ask builds the question of a kind; ok is false where it cannot be asked.
func ask(r signin.Region, kind health.Kind) (question, bool) {
	e, ok := r.Endpoint()
	if !ok {
		return question{}, false
	}
	switch kind {
	case health.SignIn:
		acs, err := r.ACS("")
		if err != nil {
			return question{}, false
		}
		entity := e.Partition.EntityID()
		return question{method: http.MethodGet, url: acs.MetadataURL(), host: e.SignInHost, limit: metadataLimit,
			judge: func(a answer) judgement { return judgeMetadata(a, entity) }}, true
	case health.STS:
		return question{method: http.MethodPost, url: "https://" + e.STSHost + "/", host: e.STSHost, form: junkLogin(e.Partition),
			limit: stsLimit, judge: judgeSTS}, true
	case health.Console:
		if e.ConsoleHost == "" {
			return question{}, false
		}
		return question{method: http.MethodGet, url: "https://" + e.ConsoleHost + "/", host: e.ConsoleHost, limit: consoleLimit,
			partial: true, judge: judgeConsole}, true
	}
	return question{}, false
}

// junkLogin is an AssumeRoleWithSAML whose assertion cannot be one: STS parses
// it before it looks any role up, so none of these names has to exist.
func junkLogin(p signin.Partition) string {
	arn := "arn:" + string(p) + ":iam::123456789012:"
	return url.Values{
		"Action":        {"AssumeRoleWithSAML"},
		"Version":       {"2011-06-15"},
		"RoleArn":       {arn + "role/samlfailover-probe"},
		"PrincipalArn":  {arn + "saml-provider/samlfailover-probe"},
		"SAMLAssertion": {"bm90LXNhbWw="}, // "not-saml"
	}.Encode()
}

// Probe asks one Region one question and never fails: whatever happens is the
// Result. A kind that cannot be asked there gives a discarded one.
func (p *Prober) Probe(ctx context.Context, region signin.Region, kind health.Kind) health.Result {
	r := health.Result{Vantage: p.vantage, Region: region, Kind: kind, Start: time.Now()}
	q, ok := ask(region, kind)
	if !ok {
		r.Outcome, r.Phase, r.Code = health.Discarded, health.DNS, "no-host"
		r.Reason = fmt.Sprintf("no %s host is known for %s", kind, region)
		return r
	}
	r.URL = q.url
	_, r.Proxied = p.net.ProxyFor(q.host)
	trace := outbound.NewTrace(r.Proxied)
	a, err := p.exchange(ctx, q, trace, &r)
	last, spent := trace.End()
	r.Took, r.Remote = time.Since(r.Start), trace.Remote()
	r.Phase, r.Phases = health.Phase(last), phases(spent)
	if err != nil {
		p.explainFailure(&r, err, trace, q.host)
	} else {
		p.explainAnswer(&r, q, a)
	}
	p.log.DebugContext(ctx, "probe", "region", region, "kind", kind, "outcome", r.Outcome, "phase", r.Phase, "code", r.Code, "took", r.Took)
	return r
}

// answer is what came back whole.
type answer struct {
	status   int
	host     string
	location string
	kind     string // Content-Type
	body     []byte
	tooLarge bool
}

// exchange makes the one request on a connection of its own. When it returns,
// every connection it opened is closed.
func (p *Prober) exchange(ctx context.Context, q question, trace *outbound.Trace, r *health.Result) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	conns := &connections{}
	defer conns.closeAll()
	defer cancel()
	rt := p.net.RoundTripper(func(t *http.Transport) {
		t.DisableKeepAlives = true
		t.TLSHandshakeTimeout = p.timeout
		t.OnProxyConnectResponse = outbound.NoteProxyAnswer
		t.DialContext = conns.wrap(trace.Context(ctx), t.DialContext)
	})
	req, err := http.NewRequestWithContext(trace.Context(ctx), q.method, q.url, strings.NewReader(q.form))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", "samlfailover-probe")
	if q.form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		r.CertExpiry = unverifiedExpiry(err)
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	r.Status = resp.StatusCode
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		r.CertExpiry = resp.TLS.PeerCertificates[0].NotAfter.UTC()
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, q.limit+1))
	if err == nil {
		err = ctx.Err() // ended by our own time limit: what was read need not be all
	}
	a := answer{status: resp.StatusCode, host: q.host, location: resp.Header.Get("Location"), kind: resp.Header.Get("Content-Type"), body: body}
	if int64(len(body)) > q.limit {
		a.body, a.tooLarge = body[:q.limit], !q.partial
	}
	return a, err
}

// unverifiedExpiry finds the expiry of a certificate that was not accepted.
func unverifiedExpiry(err error) time.Time {
	var v *tls.CertificateVerificationError
	if errors.As(err, &v) && len(v.UnverifiedCertificates) > 0 {
		return v.UnverifiedCertificates[0].NotAfter.UTC()
	}
	return time.Time{}
}

// connections remembers what one probe dialled. The transport dials in the
// background and may outlive the request; with these it cannot.
type connections struct {
	mu     sync.Mutex
	dials  sync.WaitGroup
	open   []net.Conn
	closed bool
}

func (c *connections) wrap(ctx context.Context, dial outbound.DialFunc) outbound.DialFunc {
	return func(_ context.Context, network, addr string) (net.Conn, error) {
		if !c.begin() {
			return nil, context.Canceled
		}
		defer c.dials.Done()
		conn, err := dial(ctx, network, addr)
		if err == nil {
			c.mu.Lock()
			c.open = append(c.open, conn)
			c.mu.Unlock()
		}
		return conn, err
	}
}

// begin notes a dial, unless the probe is over.
func (c *connections) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.dials.Add(1)
	return true
}

// closeAll waits for dials (their context has ended) and closes what they made.
func (c *connections) closeAll() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.dials.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		_ = conn.Close()
	}
}

func phases(in map[outbound.Phase]time.Duration) map[health.Phase]time.Duration {
	out := make(map[health.Phase]time.Duration, len(in)+1)
	for p, d := range in {
		out[health.Phase(p)] = d
	}
	return out
}

// explainFailure fills in what a broken exchange means.
func (p *Prober) explainFailure(r *health.Result, err error, trace *outbound.Trace, host string) {
	d := outbound.Diagnose(err, trace, host)
	r.Phase, r.Code, r.Reason = health.Phase(d.Phase), d.Code, d.Reason
	switch {
	case d.Code == outbound.CodeCancelled:
		r.Outcome = health.Discarded
	case d.Ours:
		r.Outcome = health.Blocked
	default:
		r.Outcome = health.Failed
	}
}

// explainAnswer fills in what a whole answer means.
func (p *Prober) explainAnswer(r *health.Result, q question, a answer) {
	var j judgement
	if a.tooLarge {
		j = failed("too-large", fmt.Sprintf("%s answered more than %d bytes", a.host, q.limit))
	} else {
		j = q.judge(a)
	}
	r.Phase = health.Content
	r.Phases[health.Content] = 0
	r.Outcome, r.Code, r.Reason, r.Proves = j.outcome, j.code, j.reason, j.proves
}

// Sweep probes every kind of every Region once, several at a time, and returns
// the results in the order of regions and kinds.
func (p *Prober) Sweep(ctx context.Context, regions []signin.Region) []health.Result {
	var out []health.Result
	for _, r := range regions {
		for _, k := range Kinds(r) {
			out = append(out, health.Result{Region: r, Kind: k})
		}
	}
	var g errgroup.Group
	g.SetLimit(sweepParallel)
	for i := range out {
		g.Go(func() error {
			out[i] = p.Probe(ctx, out[i].Region, out[i].Kind)
			return nil
		})
	}
	_ = g.Wait() // no probe fails
	return out
}

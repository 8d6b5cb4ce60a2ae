package proxy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// Options say what a Proxy serves. Sites must have distinct hosts. Seed makes
// the draws for faults with a percentage repeatable.
type Options struct {
	Sites  []Site
	Log    *reqlog.Log
	Logger *slog.Logger
	Seed   uint64
}

// Proxy is the network of one world. Its three planes lead to the same sites:
//
//   - RoundTripper calls the site's handler directly, without TLS;
//   - DialContext gives an in-memory connection with real TLS;
//   - ServeHTTP carries CONNECT over a socket, with real TLS.
//
// New starts nothing; connections end when either side closes them, and all of
// them at Close. Make it inside the synctest bubble that uses it. Safe for
// concurrent use.
type Proxy struct {
	sites  map[string]*site
	ca     *Authority
	faults *fault.Table
	log    *reqlog.Log
	inner  *http.Server // answers on connections to sites, after TLS

	ctx    context.Context // ends at Close; parent of every request
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	conns  map[*siteConn]bool
	busy   sync.WaitGroup
}

// site is a Site with its names as faults know them.
type site struct {
	Site
	subject fault.Subject
}

// New makes the network of one world: its CA, its fault table and its planes.
func New(o Options) (*Proxy, error) {
	p := &Proxy{sites: map[string]*site{}, log: o.Log, conns: map[*siteConn]bool{}}
	subjects, err := p.addSites(o.Sites)
	if err != nil {
		return nil, err
	}
	if p.ca, err = NewAuthority(p.Hosts(), time.Now()); err != nil {
		return nil, err
	}
	p.faults = fault.NewTable(subjects, o.Seed)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.inner = p.newInner(o.Logger)
	return p, nil
}

func (p *Proxy) addSites(sites []Site) ([]fault.Subject, error) {
	var subjects []fault.Subject
	for _, s := range sites {
		switch {
		case s.Host == "" || s.Host != strings.ToLower(s.Host) || s.Handler == nil:
			return nil, fmt.Errorf("simulated host %q: needs a lower-case name and a handler", s.Host)
		case p.sites[s.Host] != nil:
			return nil, fmt.Errorf("simulated host %s: two simulators serve it", s.Host)
		}
		subject := fault.Subject{Host: s.Host, Service: s.Service, Region: s.Region.String(), Tenant: s.Tenant,
			Parts: s.Parts, ReadOnly: s.ReadOnly != nil}
		p.sites[s.Host] = &site{s, subject}
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// Hosts returns the simulated hosts, sorted.
func (p *Proxy) Hosts() []string {
	var out []string
	for h := range p.sites {
		out = append(out, h)
	}
	slices.Sort(out)
	return out
}

// Authority returns the world's CA.
func (p *Proxy) Authority() *Authority { return p.ca }

// Faults returns the live table of faults.
func (p *Proxy) Faults() *fault.Table { return p.faults }

// Close ends every connection and waits until their goroutines are gone. The
// planes answer errors afterwards.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Conn.Close()
	}
	p.mu.Unlock()
	p.cancel()
	_ = p.inner.Close()
	p.busy.Wait()
}

// enter counts a connection in, unless the world is closed.
func (p *Proxy) enter(c *siteConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.conns[c] = true
	p.busy.Add(1)
	return true
}

// leave counts a connection out.
func (p *Proxy) leave(c *siteConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c] {
		delete(p.conns, c)
		p.busy.Done()
	}
}

// record adds an entry about a site to the log.
func (p *Proxy) record(s *site, e reqlog.Entry) {
	e.Time, e.Host = time.Now(), s.Host
	e.Service, e.Region, e.Tenant = s.subject.Service, s.subject.Region, cmp.Or(e.Tenant, s.subject.Tenant)
	p.log.Add(e)
}

// recordUnknown adds an attempt to reach a host that is not simulated.
func (p *Proxy) recordUnknown(host string, status int) {
	p.log.Add(reqlog.Entry{Time: time.Now(), Kind: reqlog.Connect, Host: strings.ToLower(host), Status: status, Note: "not simulated"})
}

// connectEffects asks what is broken for a new connection to s. after is for
// the questions about requests on it.
func (p *Proxy) connectEffects(s *site) (effects fault.Effects, after uint64) {
	after = p.faults.Newest()
	return p.faults.Match(fault.Question{Subject: s.subject, Stage: fault.Connect}, time.Now()), after
}

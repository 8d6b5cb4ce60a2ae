package signon

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/outbound"
)

const (
	// MaxPage bounds an answer in bytes.
	MaxPage  = 1 << 20
	maxSteps = 15 // requests of one visit
	again    = time.Second
)

// Client returns a client for one of the tenant's own hosts as a Visit wants
// it. It has a pace of its own, so that proofs take nothing from the calls that
// move apps.
func Client(n *outbound.Network, o outbound.OriginOptions) (*outbound.Client, error) {
	o.RatePerSecond, o.Burst, o.MaxBody, o.KeepRedirects = 5, 20, MaxPage, true
	return n.Origin(o)
}

// Visit is one sign-on: a cookie jar and the hosts where it may go. Not for
// concurrent use; a second try is a second visit.
type Visit struct {
	vendor string // for people: "Okta"
	id     idp.AppID
	hosts  []*outbound.Client
	jar    *cookiejar.Jar
	steps  int
}

// Begin starts a visit for an app. hosts, at least one, are all that it may go
// to; a relative link of the caller's is on the first.
func Begin(vendor string, id idp.AppID, hosts ...*outbound.Client) (*Visit, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: begin a sign-on: %w", vendor, err)
	}
	return &Visit{vendor: vendor, id: id, hosts: hosts, jar: jar}, nil
}

// Answer is one answer; URL is where it came from.
type Answer struct {
	URL *url.URL
	outbound.Response
}

// Redirect returns where an answer sends a browser, "" for nowhere. Nobody has
// gone there, and it may be anywhere.
func (a Answer) Redirect() string {
	switch a.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return a.Header.Get("Location")
	}
	return ""
}

// Word keeps a state or code of a vendor's, which is one word in capitals, and
// drops anything else: it goes into messages, and a page in front of the vendor
// may have repeated what we sent.
func Word(s string) string {
	if len(s) > 60 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return ""
	}
	return s
}

// Ask makes one request and follows nothing. Errors carry a finding; what
// another visit may cure (no connection, 429, 5xx) carries *idp.RetryError.
func (v *Visit) Ask(ctx context.Context, method, link string, header http.Header, body []byte) (Answer, error) {
	host, u, err := v.resolve(nil, link)
	if err != nil {
		return Answer{}, err
	}
	return v.ask(ctx, host, u, outbound.Request{Method: method, Header: header, Body: body})
}

// Follow opens a page and goes after redirects, each of which has to stay on
// the visit's hosts, until one is none.
func (v *Visit) Follow(ctx context.Context, link string) (Answer, error) {
	host, u, err := v.resolve(nil, link)
	for err == nil {
		var a Answer
		a, err = v.ask(ctx, host, u, outbound.Request{Method: http.MethodGet})
		next := a.Redirect()
		if err != nil || next == "" {
			return a, err
		}
		host, u, err = v.resolve(u, next)
	}
	return Answer{}, err
}

// ask makes one request with the visit's cookies and keeps those of the answer.
func (v *Visit) ask(ctx context.Context, host *outbound.Client, u *url.URL, r outbound.Request) (Answer, error) {
	if v.steps++; v.steps > maxSteps {
		return Answer{}, idp.Unproved(v.id, v.vendor+"'s sign-on pages lead in a circle", fmt.Sprintf("after %d requests there was yet another", maxSteps),
			"sign in as the test user in a browser and see where it ends")
	}
	r.Path = u.String()
	if r.Header = r.Header.Clone(); r.Header == nil {
		r.Header = http.Header{}
	}
	var cookies []string // in one header field (RFC 6265, section 5.4)
	for _, c := range v.jar.Cookies(u) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	if len(cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "text/html")
	}
	resp, err := host.Do(ctx, r)
	if f, found := finding.From(err); found {
		f.Subject = "app " + string(v.id) + ", " + f.Subject
		return Answer{}, f
	}
	if err != nil {
		return Answer{}, v.passing("the test user could not sign in, because "+v.vendor+" could not be reached", err.Error(), err)
	}
	v.jar.SetCookies(u, (&http.Response{Header: resp.Header}).Cookies())
	if resp.Status == http.StatusTooManyRequests || resp.Status >= 500 {
		return Answer{}, v.passing("the test user could not sign in", fmt.Sprintf("%s answered %d", v.vendor, resp.Status), nil)
	}
	return Answer{u, resp}, nil
}

// passing is a failure that another visit may cure.
func (v *Visit) passing(what, why string, cause error) error {
	f := idp.Unproved(v.id, what, why, "look whether "+v.vendor+"'s sign-on works in a browser; the app is moved and read back")
	if cause == nil {
		return &idp.RetryError{After: again, Err: f}
	}
	return &idp.RetryError{After: again, Err: fmt.Errorf("%w (%w)", f, cause)}
}

// resolve finds the host that a link is on; base is the page that it stands on,
// nil for the first host. A link to anywhere else is a foreign-link finding
// (spec 2.6).
func (v *Visit) resolve(base *url.URL, link string) (*outbound.Client, *url.URL, error) {
	if base != nil {
		to, err := base.Parse(link)
		if err != nil {
			return nil, nil, idp.Unproved(v.id, v.vendor+" redirects to what is no URL", "", "sign in as the test user in a browser and see where it ends")
		}
		link = to.String()
	}
	var first error
	for _, h := range v.hosts {
		u, err := h.Resolve(link)
		if err == nil {
			return h, u, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, nil, first
}

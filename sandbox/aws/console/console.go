// Package console is for the simulated AWS Management Console: one page per
// Region that shows who is signed in, so that a login can be seen to have
// landed (AWS General Reference, "AWS Management Console endpoints").
//
// It must never sign anybody in.
package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/aws/page"
	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/signin"
)

// CookieName is the cookie that carries the token of a console session.
const CookieName = "sandbox-aws-session"

// CookieDomain returns the domain that a Region's sign-in and console hosts
// share, or "" when there is no console host.
func CookieDomain(e signin.Endpoint) string {
	a, b := strings.Split(e.SignInHost, "."), strings.Split(e.ConsoleHost, ".")
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	if n < 2 {
		return ""
	}
	return strings.Join(a[len(a)-n:], ".")
}

// Session finds the console session of a request.
func Session(c *world.Cloud, p signin.Partition, r *http.Request) (world.Console, bool) {
	cookie, err := r.Cookie(CookieName)
	if err != nil {
		return world.Console{}, false
	}
	return c.ConsoleSession(p, cookie.Value)
}

// Handler serves one console host. Regionless marks console.aws.amazon.com and
// its partition twins, which send people to the Region they used last.
type Handler struct {
	Cloud      *world.Cloud
	Endpoint   signin.Endpoint
	Regionless bool
}

var home = page.New(`{{define "meta"}}<meta name="sandbox-console" content="home" data-region="{{.Region}}" data-account="{{.Account}}" data-role="{{.Role}}" data-session="{{.Session}}">{{end}}
{{define "title"}}Console Home | {{.Region}}{{end}}
{{define "body"}}<h1>Signed in to {{.Region}}</h1>
<dl id="session" data-region="{{.Region}}" data-account="{{.Account}}" data-role="{{.Role}}" data-session="{{.Session}}" data-signin-region="{{.SignIn}}">
<dt>Region</dt><dd>{{.Region}}</dd>
<dt>Account</dt><dd>{{.Account}}{{with .AccountName}} ({{.}}){{end}}</dd>
<dt>Role</dt><dd>{{.Role}}</dd>
<dt>Session</dt><dd>{{.Session}}</dd>
<dt>Signed in at</dt><dd>{{.SignIn}}</dd>
<dt>Page</dt><dd>{{.Path}}</dd>
</dl>
<p><a href="{{.Logout}}">Sign out</a></p>{{end}}`)

type homeData struct {
	Region, Account, AccountName, Role, Session, SignIn, Path, Logout string
}

// ServeHTTP shows who is signed in, or sends the browser to sign-in.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-amzn-RequestId", query.NewID())
	s, ok := Session(h.Cloud, h.Endpoint.Partition, r)
	if !ok {
		http.Redirect(w, r, "https://"+h.Endpoint.SignInHost+"/oauth?redirect_uri="+url.QueryEscape("https://"+h.Endpoint.ConsoleHost+r.URL.RequestURI()), http.StatusFound)
		return
	}
	if h.Regionless {
		http.Redirect(w, r, "https://"+h.lastHost(s)+r.URL.RequestURI(), http.StatusFound)
		return
	}
	h.Cloud.VisitRegion(s.Who.ARN, h.Endpoint.Region)
	d := homeData{Region: h.Endpoint.Region.String(), Account: s.Who.Account, Role: s.Role, Session: s.Session,
		SignIn: s.SignInAt.String(), Path: r.URL.RequestURI(), Logout: "https://" + h.Endpoint.SignInHost + "/logout"}
	if acc, ok := h.Cloud.Account(s.Who.Partition, s.Who.Account); ok {
		d.AccountName = acc.Name()
	}
	page.Write(w, http.StatusOK, home, d)
}

// lastHost is the console host of the Region that this principal used last;
// without one, the Region that this host itself lives in.
func (h *Handler) lastHost(s world.Console) string {
	if r, ok := h.Cloud.LastRegion(s.Who.ARN); ok {
		if e, _ := r.Endpoint(); e.ConsoleHost != "" {
			return e.ConsoleHost
		}
	}
	return h.Endpoint.ConsoleHost
}

package portal

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

// Tile is one app on a person's dashboard. Href is a path on the portal's host.
type Tile struct{ ID, Label, Href string }

// Form is what a tile sends the browser away with: an HTML form that posts
// itself to Action.
type Form struct {
	Label      string // of the app
	Action     string // the ACS URL
	Response   []byte // the SAML response as XML
	RelayState string // "" = no such field
}

// Refusal is a Directory's plain "no" with the HTTP status of the page that
// shows it. Other errors of a Directory become a 500 page.
type Refusal struct {
	Status int
	Why    string
}

// Error returns the sentence shown to the person.
func (r *Refusal) Error() string { return r.Why }

// Directory is what Pages asks the simulator of an identity provider. All
// methods are called concurrently.
type Directory interface {
	// Authenticate returns the person's canonical login.
	Authenticate(login, password string) (canonical string, ok bool)
	Tiles(login string) []Tile
	// Open makes the form of one app from its current settings.
	Open(login, tileID string) (Form, error)
}

// Options configure Pages. The paths are the vendor's own.
type Options struct {
	Title      string // shown on every page, for example the org's host
	SignInPath string
	HomePath   string
	Directory  Directory
	// SignOutPath is "/login/signout" if empty. CookiePath bounds the session
	// to a part of the host, for a host that several portals share; "" = "/".
	SignOutPath, CookiePath string
}

// Pages serves the sign-in page, the dashboard and sign-out. It is safe for
// concurrent use. The vendor's handler routes app links to OpenTile.
type Pages struct {
	o         Options
	templates *template.Template
	sessions  *sessions
	origin    *http.CrossOriginProtection
}

// New makes the pages of one tenant.
func New(o Options) (*Pages, error) {
	if o.Directory == nil || !strings.HasPrefix(o.SignInPath, "/") || !strings.HasPrefix(o.HomePath, "/") {
		return nil, errors.New("make a sandbox portal: it needs a directory and absolute paths for sign-in and home")
	}
	o.SignOutPath = cmp.Or(o.SignOutPath, "/login/signout")
	t, err := template.New("portal").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("make a sandbox portal: %w", err)
	}
	return &Pages{o: o, templates: t, sessions: newSessions(cmp.Or(o.CookiePath, "/")), origin: http.NewCrossOriginProtection()}, nil
}

// ServeHTTP serves everything but app links.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/":
		http.Redirect(w, r, p.o.HomePath, http.StatusFound)
	case path == p.o.SignInPath && r.Method == http.MethodPost:
		p.signIn(w, r)
	case path == p.o.SignInPath && r.Method == http.MethodGet:
		p.askSignIn(w, r)
	case path == p.o.HomePath && r.Method == http.MethodGet:
		p.home(w, r)
	case path == p.o.SignOutPath && r.Method == http.MethodPost:
		p.signOut(w, r)
	default:
		p.refuse(w, &Refusal{http.StatusNotFound, "There is no such page in this portal."})
	}
}

// OpenTile answers an app link: the self-posting form, the sign-in page for a
// stranger, or the refusal.
func (p *Pages) OpenTile(w http.ResponseWriter, r *http.Request, tileID string) {
	if r.Method != http.MethodGet {
		p.refuse(w, &Refusal{http.StatusMethodNotAllowed, "An app is opened with GET."})
		return
	}
	login, ok := p.sessions.login(r)
	if !ok {
		p.sendToSignIn(w, r)
		return
	}
	form, err := p.o.Directory.Open(login, tileID)
	if err != nil {
		p.refuse(w, err)
		return
	}
	p.show(w, http.StatusOK, "post", map[string]any{
		"Label": form.Label, "Action": form.Action, "RelayState": form.RelayState,
		"Response": base64.StdEncoding.EncodeToString(form.Response),
	})
}

// Begin starts a session for a person whom the vendor's own sign-on API let in,
// and puts its cookie into the answer.
func (p *Pages) Begin(w http.ResponseWriter, login string) {
	http.SetCookie(w, p.sessions.begin(login))
}

// SignedIn reports whether a request has a session.
func (p *Pages) SignedIn(r *http.Request) bool {
	_, ok := p.sessions.login(r)
	return ok
}

func (p *Pages) sendToSignIn(w http.ResponseWriter, r *http.Request) {
	to := p.o.SignInPath + "?fromURI=" + url.QueryEscape(r.URL.RequestURI())
	http.Redirect(w, r, to, http.StatusFound)
}

func (p *Pages) askSignIn(w http.ResponseWriter, r *http.Request) {
	from := localPath(r.URL.Query().Get("fromURI"), p.o.HomePath)
	if _, ok := p.sessions.login(r); ok {
		http.Redirect(w, r, from, http.StatusFound)
		return
	}
	p.showSignIn(w, http.StatusOK, from, "", "")
}

func (p *Pages) showSignIn(w http.ResponseWriter, status int, from, login, problem string) {
	p.show(w, status, "signin", map[string]any{"Action": p.o.SignInPath, "From": from, "Login": login, "Problem": problem})
}

func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) {
	if err := p.origin.Check(r); err != nil {
		p.refuse(w, &Refusal{http.StatusForbidden, "This sign-in came from another site's page. Open the portal and sign in there."})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		p.refuse(w, &Refusal{http.StatusBadRequest, "The sign-in form could not be read."})
		return
	}
	from := localPath(r.PostForm.Get("fromURI"), p.o.HomePath)
	login, ok := p.o.Directory.Authenticate(r.PostForm.Get("username"), r.PostForm.Get("password"))
	if !ok {
		p.showSignIn(w, http.StatusUnauthorized, from, r.PostForm.Get("username"), "Unable to sign in: the user name or the password is wrong.")
		return
	}
	http.SetCookie(w, p.sessions.begin(login))
	http.Redirect(w, r, from, http.StatusSeeOther)
}

func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) {
	if err := p.origin.Check(r); err != nil {
		p.refuse(w, &Refusal{http.StatusForbidden, "This sign-out came from another site's page."})
		return
	}
	http.SetCookie(w, p.sessions.end(r))
	http.Redirect(w, r, p.o.SignInPath, http.StatusSeeOther)
}

func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	login, ok := p.sessions.login(r)
	if !ok {
		p.sendToSignIn(w, r)
		return
	}
	p.show(w, http.StatusOK, "home", map[string]any{
		"Login": login, "Tiles": p.o.Directory.Tiles(login), "SignOut": p.o.SignOutPath,
	})
}

// refuse shows why something does not work.
func (p *Pages) refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if r, ok := errors.AsType[*Refusal](err); ok {
		status = r.Status
	}
	p.show(w, status, "refusal", map[string]any{"Why": err.Error(), "Home": p.o.HomePath})
}

// show renders one page. The policy lets nothing in but this page's own style
// and script, and lets forms go to https hosts.
func (p *Pages) show(w http.ResponseWriter, status int, name string, data map[string]any) {
	nonce := rand.Text()
	data["Nonce"], data["Title"] = nonce, p.o.Title
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the sandbox portal could not write this page", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+nonce+"'; script-src 'nonce-"+nonce+
		"'; form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a browser that is gone is not our fault
}

// localPath accepts only a path on this host, so that sign-in sends nobody
// elsewhere.
func localPath(uri, otherwise string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(uri, "/") ||
		strings.HasPrefix(uri, "//") || strings.ContainsAny(uri, "\\\r\n\t") {
		return otherwise
	}
	return uri
}

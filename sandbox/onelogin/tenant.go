package onelogin

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/portal"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// Options configure a Tenant.
type Options struct {
	Subdomain   string // "acme" for acme.onelogin.com
	Tenant      string // name of the tenant in faults and in the request log
	Credentials []Credential
	// TokenLife is how long access tokens work; 0 = ten hours.
	TokenLife time.Duration
	// RatePerHour limits API calls of the account; 0 = 5,000.
	RatePerHour int
	// NewKey makes the keys of signing certificates; nil = a new RSA-2048 key
	// each (40 ms; New makes one). Tests share one key.
	NewKey   func() (*rsa.PrivateKey, error)
	Readings Readings
}

// Tenant is one simulated OneLogin account. It is safe for concurrent use.
// Hooks act on writes of apps, not on the removal of parameters. App ids are
// numbers in the API and the same as text here.
type Tenant struct {
	mishap.Hooks
	script *mishap.Script

	o       Options
	host    string
	handler http.Handler
	pages   *portal.Pages
	people  person.Directory
	tokens  *tokens
	rate    *limit

	mu    sync.Mutex
	apps  []*app // in order of creation
	certs []certificate
	roles map[string][]string // by login in lower case: ids of the person's OneLogin roles
	mfa   map[string]bool     // by login in lower case
	tries map[string]int      // by login in lower case: passwords given to the assertion API
	made  int                 // counts ids
}

// app is one app. doc is never changed in place, so that a copy of the struct
// is a snapshot.
type app struct {
	id  string
	doc object
	raw []byte // doc, encoded
	// Until shown, reads of the API see before (Readings.ReadLag).
	before object
	shown  time.Time
	// Until settled, sign-on sees earlier (Readings.SignOnLag).
	earlier object
	settled time.Time
}

// certificate is one of the account's signing certificates.
type certificate struct {
	id   int
	name string
	key  *portal.Key
}

// object is a JSON object; see package jsontree.
type object = jsontree.Object

var subdomainForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// New makes an account without apps and with one signing certificate.
func New(o Options) (*Tenant, error) {
	if !subdomainForm.MatchString(o.Subdomain) {
		return nil, fmt.Errorf("make a sandbox OneLogin account: subdomain %q is not like acme", o.Subdomain)
	}
	if o.RatePerHour == 0 {
		o.RatePerHour = 5000
	}
	if o.TokenLife == 0 {
		o.TokenLife = 10 * time.Hour
	}
	if o.NewKey == nil {
		o.NewKey = func() (*rsa.PrivateKey, error) { return nil, nil } // portal.NewKey makes one
	}
	script, hooks := mishap.New()
	t := &Tenant{Hooks: hooks, script: script, o: o, host: o.Subdomain + ".onelogin.com", rate: newLimit(o.RatePerHour),
		roles: map[string][]string{}, mfa: map[string]bool{}, tries: map[string]int{}}
	var err error
	if t.tokens, err = newTokens(o); err != nil {
		return nil, err
	}
	if _, err = t.AddCertificate("Standard Strength Certificate (2048-bit)"); err != nil {
		return nil, err
	}
	t.pages, err = portal.New(portal.Options{Title: t.host, SignInPath: "/login2/", HomePath: "/portal/", SignOutPath: "/logout", Directory: directory{t}})
	if err != nil {
		return nil, err
	}
	t.handler = t.routes()
	return t, nil
}

// Sites returns the account's host, which serves token endpoint, API and portal.
func (t *Tenant) Sites() []proxy.Site {
	return []proxy.Site{{Host: t.host, Service: "onelogin", Tenant: t.o.Tenant, Handler: t.handler,
		Throttled: http.HandlerFunc(t.throttle), ReadOnly: mishap.InReadOnlyMode(t.handler)}}
}

// Portal is the address of the account's portal.
func (t *Tenant) Portal() string { return "https://" + t.host + "/portal/" }

// SetRate changes the calls per hour that the API allows.
func (t *Tenant) SetRate(perHour int) { t.rate.set(perHour) }

// AddCertificate adds a signing certificate and returns its id, for
// AppSettings.Certificate. The first one is the default.
func (t *Tenant) AddCertificate(name string) (int, error) {
	private, err := t.o.NewKey()
	if err != nil {
		return 0, fmt.Errorf("make certificate %q of %s: %w", name, t.host, err)
	}
	key, err := portal.NewKey("OneLogin Account "+t.o.Subdomain, private)
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := certificate{170216 + len(t.certs), name, key}
	t.certs = append(t.certs, c)
	return c.id, nil
}

// pem is the certificate as the API shows it.
func (c certificate) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.key.Certificate.Raw}))
}

// cert finds a certificate by id; the caller holds mu.
func (t *Tenant) cert(id int64) (certificate, bool) {
	i := slices.IndexFunc(t.certs, func(c certificate) bool { return int64(c.id) == id })
	if i < 0 {
		return certificate{}, false
	}
	return t.certs[i], true
}

// AddSAMLApp creates an app of the custom connector, which has an ACS field,
// and returns its id.
func (t *Tenant) AddSAMLApp(name string, s AppSettings) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := s.check(t, name); err != nil {
		return "", err
	}
	return t.create(name, CustomSAML, t.customConfiguration(s), customParameters(s)), nil
}

// AddAWSApp creates an app of one of AWS's own connectors (MultiRole,
// MultiAccount, SingleRole), whose ACS is fixed. configuration is laid over the
// connector's keys, which are null at first; nil adds nothing.
func (t *Tenant) AddAWSApp(name string, connectorID int, configuration map[string]any) (string, error) {
	c, ok := connector(connectorID)
	if !ok || c.AuthMethod != 2 || c.hasACS() || name == "" {
		return "", fmt.Errorf("add AWS app %q to %s: %d is none of AWS's SAML connectors, or the name is empty", name, t.host, connectorID)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.create(name, connectorID, t.fixedConfiguration(c, configuration), broughtParameters(connectorID)), nil
}

// AddRawApp adds an app exactly as the JSON says: for decoys and for keys that
// nobody here knows. It needs a numeric "id" that is new.
func (t *Tenant) AddRawApp(jsonDoc []byte) error {
	doc, err := jsontree.Decode(jsonDoc)
	if err != nil {
		return fmt.Errorf("add a raw app to %s: %w", t.host, err)
	}
	n, ok := whole(doc["id"])
	id := strconv.FormatInt(n, 10)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !ok || n < 1 {
		return fmt.Errorf("add a raw app to %s: it has no usable numeric id", t.host)
	}
	if t.find(id) != nil {
		return fmt.Errorf("add a raw app to %s: id %s is taken", t.host, id)
	}
	t.apps = append(t.apps, &app{id: id, doc: doc, raw: encode(doc)})
	return nil
}

// AddUser adds a person. Every assigned app must exist; the person gets the
// OneLogin roles that these apps have now, and loses an app whose role_ids name
// none of them any more.
func (t *Tenant) AddUser(u person.User) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var roles []string
	for id := range u.Apps {
		a := t.find(id)
		if a == nil {
			return fmt.Errorf("add user %q to %s: there is no app %s", u.Login, t.host, id)
		}
		roles = append(roles, roleIDs(a.doc)...)
	}
	if !t.people.Add(u) {
		return fmt.Errorf("add user %q to %s: login and password are needed, and each login once", u.Login, t.host)
	}
	t.roles[lower(u.Login)] = roles
	return nil
}

// RequireMFA makes the assertion API ask a person for a second factor, which
// the simulator cannot take.
func (t *Tenant) RequireMFA(login string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mfa[lower(login)] = true
}

// Tries is how often the assertion API was given a password of a person.
func (t *Tenant) Tries(login string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tries[lower(login)]
}

// signsOnWith is what sign-on to the app uses now.
func (a app) signsOnWith(now time.Time) object {
	if now.Before(a.settled) {
		return a.earlier
	}
	return a.doc
}

// App returns an app's JSON as it is now.
func (t *Tenant) App(id string) (json []byte, ok bool) {
	a, ok := t.snapshot(id)
	return a.raw, ok
}

// EditApp changes an app as another administrator would, visible at once; it
// sets updated_at, which has whole seconds. The callback gets a copy; numbers
// are json.Number.
func (t *Tenant) EditApp(id string, edit func(map[string]any)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.find(id)
	if a == nil {
		return fmt.Errorf("edit app %s of %s: there is none", id, t.host)
	}
	doc := jsontree.Clone(a.doc)
	edit(doc)
	doc, err := jsontree.Decode(encode(doc))
	if err != nil {
		return fmt.Errorf("edit app %s of %s: %w", id, t.host, err)
	}
	doc["updated_at"] = stamp(time.Now())
	a.doc, a.raw, a.shown = doc, encode(doc), time.Time{}
	return nil
}

// seen is the app as the API shows it.
func (a *app) seen(now time.Time) object {
	if now.Before(a.shown) {
		return a.before
	}
	return a.doc
}

// stamp writes a time as apps carry it: whole seconds, UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// find returns the app itself; the caller holds mu.
func (t *Tenant) find(id string) *app {
	for _, a := range t.apps {
		if a.id == id {
			return a
		}
	}
	return nil
}

// snapshot returns a copy of the app that stays as it is.
func (t *Tenant) snapshot(id string) (app, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.find(id); a != nil {
		return *a, true
	}
	return app{}, false
}

// hexOf makes texts that look random and are the same in each run.
func hexOf(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%x", sum)[:n]
}

package okta

import (
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
	"github.com/samlfailover/samlfailover/sandbox/portal"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// Options configure an Org.
type Options struct {
	Host        string // for example "acme.okta.com"
	APIToken    string // SSWS token that may read and write
	ReaderToken string // SSWS token that may only read; "" = none
	Tenant      string // name of the tenant in faults and in the request log
	// RatePerMinute limits admin API calls; 0 = 600.
	RatePerMinute int
	// NewKey makes signing keys; nil = a new RSA-2048 key per app (40 ms, when
	// first needed). Tests share one key.
	NewKey func() (*rsa.PrivateKey, error)
}

// Org is one simulated Okta org. It is safe for concurrent use.
type Org struct {
	o         Options
	subdomain string
	handler   http.Handler
	pages     *portal.Pages
	rate      bucket
	faults    faults
	clients   clients
	signOns   signOns

	mu       sync.Mutex
	readings Readings
	apps     []*app // in order of creation
	users    map[string]User
	made     int // counts identifiers
}

// app is one application. doc is never changed in place, so that a copy of
// the struct is a snapshot.
type app struct {
	id          string
	externalKey string // of the SAML issuer, "exk..."
	doc         object
	raw         []byte // doc, encoded
	keys        map[string]func() (*portal.Key, error)
	secrets     map[string]string // write-only values of settings.app
	// Until settled, sign-on sees earlier (Readings.SignOnLag).
	earlier object
	settled time.Time
}

// User is a person with app assignments by app id.
type User struct {
	Login, Password, FirstName, LastName string
	Apps                                 map[string]Assignment
}

// Assignment is what the org knows of a person in one AWS app. Roles are sent
// where the app asks for them (appuser.awsRoles); the other fields are sent
// when set, unless an attribute statement of the app has the same name.
type Assignment struct {
	Roles           []RolePair
	SourceIdentity  string
	Tags            map[string]string // session tags, sent as PrincipalTag
	TransitiveTags  []string          // keys of Tags that stay on through role chains
	SessionDuration int               // seconds
}

// RolePair is one AWS role with the SAML provider of its account, both ARNs.
type RolePair struct{ Role, Provider string }

// New makes an empty org.
func New(o Options) (*Org, error) {
	subdomain, _, dotted := strings.Cut(o.Host, ".")
	if subdomain == "" || !dotted {
		return nil, fmt.Errorf("make a sandbox Okta org: host %q is not like acme.okta.com", o.Host)
	}
	if o.APIToken == "" || o.APIToken == o.ReaderToken {
		return nil, errors.New("make a sandbox Okta org: it needs an API token, and another one for reading if any")
	}
	if o.RatePerMinute == 0 {
		o.RatePerMinute = 600
	}
	if o.NewKey == nil {
		o.NewKey = func() (*rsa.PrivateKey, error) { return nil, nil } // portal.NewKey makes one
	}
	org := &Org{o: o, subdomain: subdomain, users: map[string]User{}}
	org.rate.setLimit(o.RatePerMinute)
	pages, err := portal.New(portal.Options{
		Title: o.Host, SignInPath: "/login/login.htm", HomePath: "/app/UserHome", Directory: directory{org},
	})
	if err != nil {
		return nil, err
	}
	org.pages = pages
	org.handler = org.routes()
	return org, nil
}

// Sites returns the org's host, which serves the admin API and the portal.
func (o *Org) Sites() []proxy.Site {
	return []proxy.Site{{Host: o.o.Host, Service: "okta", Tenant: o.o.Tenant, Handler: o.handler,
		Throttled: http.HandlerFunc(o.throttle), ReadOnly: mishap.InReadOnlyMode(o.handler)}}
}

// SetRate changes the calls per minute that the admin API allows.
func (o *Org) SetRate(perMinute int) { o.rate.setLimit(perMinute) }

// AddSAMLApp creates a custom SAML 2.0 app and returns its id.
func (o *Org) AddSAMLApp(label string, s AppSettings) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := s.check(label); err != nil {
		return "", err
	}
	a := &app{id: o.newID("0oa"), externalKey: o.newID("exk")}
	a.doc = o.customApp(a.id, label, s, time.Now())
	o.add(a)
	return a.id, nil
}

// AddRawApp adds an app exactly as the JSON says: for decoys and for keys that
// nobody here knows. It needs a string "id" that is new.
func (o *Org) AddRawApp(jsonDoc []byte) error {
	doc, err := jsontree.Decode(jsonDoc)
	if err != nil {
		return fmt.Errorf("add a raw app to %s: %w", o.o.Host, err)
	}
	id := jsontree.Text(doc, "id")
	o.mu.Lock()
	defer o.mu.Unlock()
	if id == "" || strings.ContainsAny(id, "/?#") {
		return fmt.Errorf("add a raw app to %s: it has no usable string id", o.o.Host)
	}
	if o.find(id) != nil {
		return fmt.Errorf("add a raw app to %s: id %s is taken", o.o.Host, id)
	}
	o.add(&app{id: id, externalKey: o.newID("exk"), doc: doc})
	return nil
}

// add takes the app in, with its current signing key. The caller holds mu.
func (o *Org) add(a *app) {
	a.raw = keyOrder().Encode(a.doc)
	a.keys = map[string]func() (*portal.Key, error){}
	a.secrets = map[string]string{}
	o.addKey(a, kid(a.doc))
	o.apps = append(o.apps, a)
}

// addKey gives the app a signing key that is made when first needed.
func (o *Org) addKey(a *app, id string) {
	a.keys[id] = sync.OnceValues(func() (*portal.Key, error) {
		private, err := o.o.NewKey()
		if err != nil {
			return nil, fmt.Errorf("make the signing key of app %s: %w", a.id, err)
		}
		return portal.NewKey(o.subdomain, private)
	})
}

func kid(doc object) string { return jsontree.Text(doc, "credentials", "signing", "kid") }

// AddUser adds a person. Every assigned app must exist.
func (o *Org) AddUser(u User) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := strings.ToLower(u.Login)
	if _, taken := o.users[key]; taken || u.Login == "" || u.Password == "" {
		return fmt.Errorf("add user %q to %s: login and password are needed, and each login once", u.Login, o.o.Host)
	}
	for id := range u.Apps {
		if o.find(id) == nil {
			return fmt.Errorf("add user %q to %s: there is no app %s", u.Login, o.o.Host, id)
		}
	}
	u.Apps = maps.Clone(u.Apps)
	o.users[key] = u
	return nil
}

// App returns an app's JSON as it is now.
func (o *Org) App(id string) (json []byte, ok bool) {
	a, ok := o.snapshot(id)
	return a.raw, ok
}

// EditApp changes an app as another administrator would: it bumps lastUpdated,
// which has whole seconds, so that an edit within the same second shows only in
// the rest of the document. The callback gets a copy; numbers are json.Number.
func (o *Org) EditApp(id string, edit func(map[string]any)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.find(id)
	if a == nil {
		return fmt.Errorf("edit app %s of %s: there is none", id, o.o.Host)
	}
	doc := jsontree.Clone(a.doc)
	edit(doc)
	doc, err := jsontree.Decode(keyOrder().Encode(doc))
	if err != nil {
		return fmt.Errorf("edit app %s of %s: %w", id, o.o.Host, err)
	}
	o.store(a, doc)
	return nil
}

// store makes doc the app's state as of now. The caller holds mu.
func (o *Org) store(a *app, doc object) {
	doc["lastUpdated"] = stamp(time.Now())
	if _, known := a.keys[kid(doc)]; !known {
		o.addKey(a, kid(doc))
	}
	a.doc, a.raw = doc, keyOrder().Encode(doc)
}

// stamp writes a time as Okta was recorded to: whole seconds, UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") + ".000Z" }

// find returns the app itself; the caller holds mu.
func (o *Org) find(id string) *app {
	for _, a := range o.apps {
		if a.id == id {
			return a
		}
	}
	return nil
}

// snapshot returns a copy of the app that stays as it is.
func (o *Org) snapshot(id string) (app, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.find(id)
	if a == nil {
		return app{}, false
	}
	s := *a
	s.keys = maps.Clone(a.keys)
	return s, true
}

// newID makes the next Okta-like identifier; the caller holds mu. The same org
// built twice has the same ids.
func (o *Org) newID(prefix string) string {
	o.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", o.o.Host, o.made))
	digits := new(big.Int).SetBytes(sum[:]).Text(62)
	return prefix + digits[:17]
}

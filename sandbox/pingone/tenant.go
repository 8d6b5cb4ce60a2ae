package pingone

import (
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
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
	TLD    string // of the region: "com", "eu", "asia", "com.au", "ca", "sg"; "" = "com"
	Tenant string // name of the tenant in faults and in the request log
	// Environments by name; at least one. EnvironmentID tells their ids.
	Environments []string
	// Tenants are names of environments, by name of environment, for faults and
	// the request log: hosts are shared by all of them. nil: they have none.
	Tenants map[string]string
	Workers []Worker
	// TokenLife is how long access tokens work; 0 = one hour.
	TokenLife time.Duration
	// RatePerMinute limits the admin API calls of each environment; 0 = 600.
	RatePerMinute int
	// NewKey makes signing keys; nil = a new RSA-2048 key each (40 ms, when
	// first needed). Tests share one key.
	NewKey   func() (*rsa.PrivateKey, error)
	Readings Readings
}

// Tenant is one simulated PingOne organisation with its environments. It is
// safe for concurrent use. Hooks act on writes of applications, not of
// attribute mappings.
type Tenant struct {
	mishap.Hooks
	script *mishap.Script

	o       Options
	people  map[string]*person.Directory // by environment id
	pages   map[string]*portal.Pages
	limits  map[string]*limit
	tokens  *tokens
	api     http.Handler
	signOn  http.Handler
	apiHost string
	atHost  string // of token endpoint and sign-on
	flows   flows

	mu   sync.Mutex
	envs []*environment
	made int // counts identifiers
}

// environment is one separate world of applications, keys and people.
type environment struct {
	id, name string
	apps     []*app       // in order of creation
	keys     []signingKey // the first one is the default
}

// signingKey is made when first needed.
type signingKey struct {
	id  string
	key func() (*portal.Key, error)
}

// app is one application. doc is never changed in place, so that a copy of the
// struct is a snapshot.
type app struct {
	id, env  string
	doc      object
	raw      []byte // doc, encoded
	mappings []mapping
	// Until shown, reads of the admin API see before (Readings.ReadLag).
	before []byte
	shown  time.Time
	// Until settled, sign-on sees earlier (Readings.SignOnLag).
	earlier object
	settled time.Time
}

// object is a JSON object; see package jsontree.
type object = jsontree.Object

// New makes a tenant with empty environments.
func New(o Options) (*Tenant, error) {
	if o.TLD == "" {
		o.TLD = "com"
	}
	if !slices.Contains(strings.Fields("com eu asia com.au ca sg"), o.TLD) {
		return nil, fmt.Errorf("make a sandbox PingOne tenant: %q is not a region of PingOne (com, eu, asia, com.au, ca, sg)", o.TLD)
	}
	if len(o.Environments) == 0 || slices.Contains(o.Environments, "") {
		return nil, errors.New("make a sandbox PingOne tenant: it needs at least one environment, each with a name")
	}
	if o.RatePerMinute == 0 {
		o.RatePerMinute = 600
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.NewKey == nil {
		o.NewKey = func() (*rsa.PrivateKey, error) { return nil, nil } // portal.NewKey makes one
	}
	script, hooks := mishap.New()
	t := &Tenant{Hooks: hooks, script: script, o: o, apiHost: "api.pingone." + o.TLD, atHost: "auth.pingone." + o.TLD,
		people: map[string]*person.Directory{}, pages: map[string]*portal.Pages{}, limits: map[string]*limit{}}
	for _, name := range o.Environments {
		if err := t.addEnvironment(name); err != nil {
			return nil, err
		}
	}
	var err error
	if t.tokens, err = newTokens(o, t.atHost); err != nil {
		return nil, err
	}
	for _, w := range o.Workers {
		if t.environment(w.Environment) == nil {
			return nil, fmt.Errorf("make a sandbox PingOne tenant: worker %s lives in no environment of it (%q)", w.ClientID, w.Environment)
		}
	}
	t.api, t.signOn = t.apiRoutes(), t.signOnRoutes()
	return t, nil
}

func (t *Tenant) addEnvironment(name string) error {
	id := EnvironmentID(name)
	if t.environment(id) != nil {
		return fmt.Errorf("make a sandbox PingOne tenant: there are two environments %q", name)
	}
	e := &environment{id: id, name: name}
	t.envs = append(t.envs, e)
	t.people[id], t.limits[id] = &person.Directory{}, newLimit(t.o.RatePerMinute)
	t.addKey(e)
	pages, err := portal.New(portal.Options{Title: "PingOne: " + name, SignInPath: "/" + id + "/signon/", HomePath: "/" + id + "/myapps/",
		SignOutPath: "/" + id + "/signoff", CookiePath: "/" + id + "/", Directory: directory{t, id}})
	t.pages[id] = pages
	return err
}

// EnvironmentID is the id of the environment with this name. Which names exist
// is Options' matter.
func EnvironmentID(name string) string { return uuid("environment " + name) }

// Sites returns the hosts of the admin API, and of token endpoint and sign-on.
func (t *Tenant) Sites() []proxy.Site {
	site := func(host string, h http.Handler) proxy.Site {
		return proxy.Site{Host: host, Service: "pingone", Tenant: t.o.Tenant, Handler: h,
			Parts: slices.Sorted(maps.Values(t.o.Tenants)), Part: t.part,
			Throttled: correlated(http.HandlerFunc(t.throttle)), ReadOnly: mishap.InReadOnlyMode(h)}
	}
	return []proxy.Site{site(t.apiHost, t.api), site(t.atHost, t.signOn)}
}

// part names the environment in a request's path.
func (t *Tenant) part(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/v1/environments")
	id, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if e := t.environment(id); e != nil {
		return t.o.Tenants[e.name]
	}
	return ""
}

// Portal is the address of an environment's application portal.
func (t *Tenant) Portal(env string) string { return "https://" + t.atHost + "/" + env + "/myapps/" }

// SetRate changes the calls per minute that each environment allows.
func (t *Tenant) SetRate(perMinute int) {
	for _, l := range t.limits {
		l.set(perMinute)
	}
}

// AddSAMLApp creates a SAML application in an environment and returns its id.
func (t *Tenant) AddSAMLApp(env, name string, s AppSettings) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.environment(env)
	if e == nil {
		return "", fmt.Errorf("add SAML app %q to PingOne: there is no environment %s", name, env)
	}
	if err := s.check(e, name); err != nil {
		return "", err
	}
	id := t.newID()
	a := &app{id: id, env: env, doc: t.samlApp(e, id, name, s, time.Now())}
	a.raw = encode(a.doc)
	a.mappings = t.firstMappings(a, s)
	e.apps = append(e.apps, a)
	return id, nil
}

// AddRawApp adds an application exactly as the JSON says: for decoys and for
// keys that nobody here knows. It needs a string "id" that is new in the
// tenant. It has no attribute mappings.
func (t *Tenant) AddRawApp(env string, jsonDoc []byte) error {
	doc, err := jsontree.Decode(jsonDoc)
	if err != nil {
		return fmt.Errorf("add a raw app to PingOne: %w", err)
	}
	id := jsontree.Text(doc, "id")
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.environment(env)
	switch {
	case e == nil:
		return fmt.Errorf("add a raw app to PingOne: there is no environment %s", env)
	case id == "" || strings.ContainsAny(id, "/?#"):
		return errors.New("add a raw app to PingOne: it has no usable string id")
	case t.find(id) != nil:
		return fmt.Errorf("add a raw app to PingOne: id %s is taken", id)
	}
	e.apps = append(e.apps, &app{id: id, env: env, doc: doc, raw: encode(doc)})
	return nil
}

// AddKey adds a signing certificate to an environment and returns its id, for
// AppSettings.SigningKey. It does not become the default.
func (t *Tenant) AddKey(env string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.environment(env)
	if e == nil {
		return "", fmt.Errorf("add a signing key to PingOne: there is no environment %s", env)
	}
	return t.addKey(e), nil
}

// addKey gives the environment another signing key; the caller holds mu.
func (t *Tenant) addKey(e *environment) string {
	id := t.newID()
	e.keys = append(e.keys, signingKey{id, sync.OnceValues(func() (*portal.Key, error) {
		private, err := t.o.NewKey()
		if err != nil {
			return nil, fmt.Errorf("make signing key %s of PingOne environment %s: %w", id, e.name, err)
		}
		return portal.NewKey("PingOne SSO Certificate for "+e.name, private)
	})})
	return id
}

// DefaultKey is the id of an environment's default signing certificate, "" if
// there is no such environment.
func (t *Tenant) DefaultKey(env string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.environment(env); e != nil {
		return e.keys[0].id
	}
	return ""
}

// AddUser adds a person to an environment. Every assigned app must exist there.
func (t *Tenant) AddUser(env string, u person.User) error {
	people := t.people[env]
	if people == nil {
		return fmt.Errorf("add user %q to PingOne: there is no environment %s", u.Login, env)
	}
	for id := range u.Apps {
		if a, ok := t.snapshot(id); !ok || a.env != env {
			return fmt.Errorf("add user %q to PingOne: there is no app %s in environment %s", u.Login, id, env)
		}
	}
	if !people.Add(u) {
		return fmt.Errorf("add user %q to PingOne: login and password are needed, and each login once", u.Login)
	}
	return nil
}

// App returns an application's JSON as it is now.
func (t *Tenant) App(id string) (json []byte, ok bool) {
	a, ok := t.snapshot(id)
	return a.raw, ok
}

// EditApp changes an application as another administrator would, visible at
// once; it sets updatedAt. The callback gets a copy; numbers are json.Number.
func (t *Tenant) EditApp(id string, edit func(map[string]any)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.find(id)
	if a == nil {
		return fmt.Errorf("edit app %s of PingOne: there is none", id)
	}
	doc := jsontree.Clone(a.doc)
	edit(doc)
	doc, err := jsontree.Decode(encode(doc))
	if err != nil {
		return fmt.Errorf("edit app %s of PingOne: %w", id, err)
	}
	a.store(doc, time.Now())
	a.shown = time.Time{}
	return nil
}

// store makes doc the app's state as of now. The caller holds mu.
func (a *app) store(doc object, now time.Time) {
	doc["updatedAt"] = stamp(now)
	a.doc, a.raw = doc, encode(doc)
}

// seen is the app as the admin API shows it.
func (a *app) seen(now time.Time) []byte {
	if now.Before(a.shown) {
		return a.before
	}
	return a.raw
}

// stamp writes a time as PingOne's documented examples do: milliseconds, UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// environment returns the environment itself, or nil. The list never changes
// after New.
func (t *Tenant) environment(id string) *environment {
	for _, e := range t.envs {
		if e.id == id {
			return e
		}
	}
	return nil
}

// find returns the app itself; the caller holds mu.
func (t *Tenant) find(id string) *app {
	for _, e := range t.envs {
		if a := e.find(id); a != nil {
			return a
		}
	}
	return nil
}

func (e *environment) find(id string) *app {
	for _, a := range e.apps {
		if a.id == id {
			return a
		}
	}
	return nil
}

// key returns one of the environment's signing keys.
func (e *environment) key(id string) (signingKey, bool) {
	i := slices.IndexFunc(e.keys, func(k signingKey) bool { return k.id == id })
	if i < 0 {
		return signingKey{}, false
	}
	return e.keys[i], true
}

// snapshot returns a copy of the app that stays as it is.
func (t *Tenant) snapshot(id string) (app, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.find(id)
	if a == nil {
		return app{}, false
	}
	s := *a
	s.mappings = slices.Clone(a.mappings)
	return s, true
}

// newID makes the next identifier; the caller holds mu. The same tenant built
// twice has the same ids.
func (t *Tenant) newID() string {
	t.made++
	return uuid(fmt.Sprintf("%s %s %d", t.apiHost, strings.Join(t.o.Environments, ","), t.made))
}

// uuid has the look of a random one (RFC 9562, version 4).
func uuid(of string) string {
	b := sha256.Sum256([]byte(of))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

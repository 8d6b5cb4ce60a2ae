package sandbox

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/aws/otheradmin"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

// Options say what world to make. The zero value is the demo world in partition
// aws; Seed chooses another partition.
type Options struct {
	// Listen is the loopback address of proxy and control verbs; "" is
	// 127.0.0.1:0, a free port.
	Listen string
	// Logger gets what goes wrong on connections, at debug level; nil: nobody.
	Logger *slog.Logger
	// Seed says how the demo's contents are made.
	Seed seed.Options
	// Draws makes faults with a percentage repeatable, and the edits of the other
	// administrator.
	Draws uint64
	// Probing is the health section of the written config, as the inside of a
	// YAML flow map; "" is "interval: 10s".
	Probing string
	// WriteDelay is how long a written trust policy takes to show, in every account;
	// 0: it shows at once.
	WriteDelay time.Duration
	// Meddling makes another administrator edit federated roles at random, at this
	// mean interval, while Run serves the world (or Meddle runs); 0: nobody does.
	Meddling time.Duration
	// DenyTags makes every account refuse to show roles with their tags.
	DenyTags bool
	// FromOrganization has the written config take its accounts from the
	// organization instead of listing them.
	FromOrganization bool
	// LogSize is how many requests are remembered; 0: reqlog.DefaultCapacity.
	LogSize int
}

// World is one simulated world. Its planes (RoundTripper, DialContext, and the
// proxy once Run serves it) lead to the same state. New starts nothing and opens
// nothing; a World made inside a synctest bubble works there. Close it when
// done. Safe for concurrent use; any number of worlds live side by side.
//
// Its certificates are valid for less than seven days: a world that is to live
// longer has to be made anew.
type World struct {
	cloud   *aws.Cloud
	planted seed.Planted
	network *proxy.Proxy
	log     *reqlog.Log
	logger  *slog.Logger
	token   string
	listen  string
	probing string
	other   *otheradmin.Admin // nil: nobody meddles
	fromOrg bool

	issuer   *oidc.Issuer
	alerting alerting
	slack    *slack.Workspace

	tokens map[string]string // of the written config's people, by first name

	mu         sync.Mutex
	ln         net.Listener
	controller string // where the controller of the written config listens
}

// New makes the demo world.
func New(o Options) (*World, error) {
	w := &World{cloud: aws.New(), log: reqlog.New(o.LogSize), logger: o.Logger, listen: o.Listen, probing: o.Probing, fromOrg: o.FromOrganization, token: newToken()}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	if w.probing == "" {
		w.probing = "interval: 10s"
	}
	if w.listen == "" {
		w.listen = "127.0.0.1:0"
	}
	var err error
	if w.planted, err = seed.Plant(w.cloud, o.Seed); err != nil {
		return nil, fmt.Errorf("make the sandbox: %w", err)
	}
	for _, a := range w.cloud.Accounts() {
		a.SetWriteDelay(o.WriteDelay)
		a.SetTagsDenied(o.DenyTags)
	}
	if o.Meddling > 0 {
		w.other = otheradmin.New(otheradmin.Options{Cloud: w.cloud.Cloud, Every: o.Meddling, Seed: o.Draws})
	}
	if w.issuer, err = oidc.New(); err == nil {
		err = w.newStaff()
	}
	if err == nil {
		w.slack, err = newSlack(w.planted.Demo)
	}
	if err != nil {
		return nil, fmt.Errorf("make the sandbox: %w", err)
	}
	if w.alerting, err = newAlerting(); err != nil {
		return nil, fmt.Errorf("make the sandbox: %w", err)
	}
	sites := allSites(w.issuer.Sites(), w.cloud.Sites(), w.planted.Okta.Sites(), w.planted.PingOne.Sites(), w.planted.OneLogin.Sites(), w.alerting.pagerDuty.Sites(), w.alerting.receiver.Sites(), w.slack.Sites(), closedSites())
	w.network, err = proxy.New(proxy.Options{Sites: sites, Log: w.log, Logger: w.logger, Seed: o.Draws})
	if err != nil {
		return nil, fmt.Errorf("make the sandbox: %w", err)
	}
	return w, nil
}

// newToken returns 32 random bytes as text.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// Cloud returns the simulated AWS, to change it.
func (w *World) Cloud() *aws.Cloud { return w.cloud }

// Org returns the simulated Okta org, to change it.
func (w *World) Org() *okta.Org { return w.planted.Okta }

// PingOne returns the simulated PingOne organisation, to change it.
func (w *World) PingOne() *pingone.Tenant { return w.planted.PingOne }

// OneLogin returns the simulated OneLogin account, to change it.
func (w *World) OneLogin() *onelogin.Tenant { return w.planted.OneLogin }

// apps is what every simulated identity provider can do with its apps.
type apps interface {
	App(id string) (json []byte, ok bool)
	EditApp(id string, edit func(map[string]any)) error
	Metadata(id string) ([]byte, error)
}

// holder returns the provider that has the app; one without it if none has.
func (w *World) holder(id string) apps {
	for _, h := range []apps{w.planted.PingOne, w.planted.OneLogin} {
		if _, ok := h.App(id); ok {
			return h
		}
	}
	return w.planted.Okta
}

// AppJSON returns an app's JSON as its identity provider holds it now.
func (w *World) AppJSON(id string) (json []byte, ok bool) { return w.holder(id).App(id) }

// EditApp changes an app as another administrator of its identity provider
// would. The callback gets a copy; numbers are json.Number.
func (w *World) EditApp(id string, edit func(map[string]any)) error {
	return w.holder(id).EditApp(id, edit)
}

// Metadata returns an app's SAML metadata, which IAM's provider has.
func (w *World) Metadata(id string) ([]byte, error) { return w.holder(id).Metadata(id) }

// Meddle is the other administrator at work, until ctx ends; without one it
// returns at once. Run runs it, too.
func (w *World) Meddle(ctx context.Context) {
	if w.other != nil {
		w.other.Run(ctx)
	}
}

// Meddled returns what the other administrator has edited, oldest first.
func (w *World) Meddled() []otheradmin.Edit {
	if w.other == nil {
		return nil
	}
	return w.other.Edits()
}

// Demo says what the world was filled with.
func (w *World) Demo() seed.Demo { return w.planted.Demo }

// Hosts returns every simulated host, sorted.
func (w *World) Hosts() []string { return w.network.Hosts() }

// CAPEM returns the certificate of the world's CA.
func (w *World) CAPEM() []byte { return w.network.Authority().PEM() }

// CASPKI returns the base64 SHA-256 of the CA's public key, for Chromium's
// --ignore-certificate-errors-spki-list.
func (w *World) CASPKI() string { return w.network.Authority().SPKI() }

// CAPool returns a fresh pool that trusts the world's CA alone.
func (w *World) CAPool() *x509.CertPool { return w.network.Authority().Pool() }

// DialContext opens an in-memory connection to a simulated host (real TLS
// follows); see proxy.Proxy.DialContext for what faults do to it.
func (w *World) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return w.network.DialContext(ctx, network, addr)
}

// RoundTripper returns the plane that calls the simulators directly.
func (w *World) RoundTripper() http.RoundTripper { return w.network.RoundTripper() }

// Transport returns a new transport over DialContext that trusts the world's
// CA. The caller closes its idle connections.
func (w *World) Transport() *http.Transport {
	return &http.Transport{
		DialContext:           w.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.CAPool()},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
	}
}

// Fault breaks something from now on. The error names what can break, and how.
func (w *World) Fault(f fault.Fault) (fault.Rule, error) { return w.Faults().Set(f, time.Now()) }

// Heal ends every fault on target ("" or "all": every fault) and returns them.
func (w *World) Heal(target string) ([]fault.Rule, error) { return w.Faults().Heal(target, time.Now()) }

// Faults returns the live table of faults.
func (w *World) Faults() *fault.Table { return w.network.Faults() }

// Requests returns the log of connection attempts and requests.
func (w *World) Requests() *reqlog.Log { return w.log }

// Info describes the world to its operators.
func (w *World) Info() admin.Info {
	i := admin.Info{Proxy: w.ProxyURL(), CASPKI: w.CASPKI(), CAExpires: w.network.Authority().Expires(), Hosts: w.Hosts(),
		Targets: w.Faults().Targets(), Kinds: fault.Help(), LastNumber: w.log.Last()}
	d := w.Demo()
	for _, t := range d.Tenants {
		i.Portals = append(i.Portals, t.Portal)
	}
	for _, a := range d.Apps {
		i.Apps = append(i.Apps, a.Label)
	}
	for _, u := range d.Users {
		i.Users = append(i.Users, u.Login)
	}
	return i
}

// Login signs in as a person would with a browser: the app's own portal, app,
// form post, role chooser if there is one, console; over DialContext, with TLS. app is a
// label or an id, user a login; empty means the first of each. What goes wrong
// is in the Result.
func (w *World) Login(ctx context.Context, app, user string) login.Result {
	return w.LoginRole(ctx, app, user, "")
}

// LoginRole is Login with the ARN of the role to pick in the chooser; "" picks
// the first one offered.
func (w *World) LoginRole(ctx context.Context, app, user, role string) login.Result {
	d := w.Demo()
	u, known := d.User(user)
	if !known {
		// The portal refuses a stranger in its own words.
		u = seed.User{Login: user, Password: "a password that nobody has"}
	}
	portal := d.Apps[0].Portal // which refuses an app that nobody knows
	if a, ok := d.App(app); ok {
		app, portal = a.Label, a.Portal
	}
	t := w.Transport()
	defer t.CloseIdleConnections()
	return login.Run(ctx, t, login.Request{Portal: portal, User: u.Login, Password: u.Password, App: app, Role: role})
}

// Close ends every connection, joins their goroutines and closes the listener
// if Run does not serve it.
func (w *World) Close() {
	w.mu.Lock()
	if w.ln != nil {
		_ = w.ln.Close()
	}
	w.mu.Unlock()
	w.alerting.pagerDuty.Close()
	w.network.Close()
}

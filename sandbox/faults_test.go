package sandbox_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// providerHosts are every host of an identity provider, with its vendor and its
// tenant; both PingOne hosts belong to the organisation.
func providerHosts() map[string][2]string {
	return map[string][2]string{
		"acme.okta.com":     {"okta", seed.Okta},
		"api.pingone.com":   {"pingone", seed.PingOneOrg},
		"auth.pingone.com":  {"pingone", seed.PingOneOrg},
		"acme.onelogin.com": {"onelogin", seed.OneLogin},
	}
}

// met is what a client met.
type met struct {
	status int
	body   string
	err    error
}

// ask makes one request over TLS.
func ask(ctx context.Context, w *sandbox.World, host, path string) met {
	tr := w.Transport()
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return met{err: err}
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		return met{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return met{resp.StatusCode, string(body), err}
}

func cutOff(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// symptoms say by what one knows each kind of fault. read-only is told by a
// write; see TestReadOnlyMode.
func symptoms() map[string]func(met) bool {
	refused := func(m met) bool { return errors.Is(m.err, syscall.ECONNREFUSED) }
	late := func(m met) bool { return errors.Is(m.err, context.DeadlineExceeded) }
	return map[string]func(met) bool{
		"down": refused, "refuse": refused, "flap=9m": refused,
		"blackhole": late, "stall": late, "latency=9m": late, "slow=9m": late,
		"dns": func(m met) bool { _, ok := errors.AsType[*net.DNSError](m.err); return ok },
		"tls-expired": func(m met) bool {
			e, ok := errors.AsType[x509.CertificateInvalidError](m.err)
			return ok && e.Reason == x509.Expired
		},
		"tls-wrong-name": func(m met) bool {
			_, name := errors.AsType[x509.HostnameError](m.err)
			_, verified := errors.AsType[*tls.CertificateVerificationError](m.err)
			return name && verified
		},
		"5xx":         func(m met) bool { return m.err == nil && m.status == http.StatusServiceUnavailable },
		"throttle":    func(m met) bool { return m.err == nil && m.status == http.StatusTooManyRequests },
		"html":        func(m met) bool { return m.status == http.StatusOK && strings.Contains(m.body, "guest network") },
		"wrong-body":  func(m met) bool { return m.err == nil && strings.HasPrefix(m.body, "this is not what") },
		"oversized":   func(m met) bool { return m.err == nil && len(m.body) == 16<<20 },
		"truncated":   func(m met) bool { return errors.Is(m.err, io.ErrUnexpectedEOF) },
		"reset":       func(m met) bool { return cutOff(m.err) },
		"answer-lost": func(m met) bool { return cutOff(m.err) },
	}
}

// Every kind of fault hits every host of every identity provider, whether it is
// named by host, by vendor or by tenant, and spares all others.
func TestEveryFaultAtEveryProvider(t *testing.T) {
	t.Parallel()
	if kinds := len(symptoms()) + 1; kinds != len(fault.Help()) { // + read-only
		t.Errorf("%d kinds are tested, there are %d", kinds, len(fault.Help()))
	}
	for kind, is := range symptoms() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			effect, err := fault.ParseEffect(kind)
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{"okta", "pingone", "onelogin", seed.Okta, seed.PingOneOrg, seed.OneLogin, "auth.pingone.com"} {
				if _, err := w.Fault(fault.Fault{Target: target, Effect: effect}); err != nil {
					t.Fatal(err)
				}
				for host, names := range providerHosts() {
					limit := 30 * time.Second
					hit := slices.Contains([]string{host, names[0], names[1]}, target)
					if late := is(met{err: context.DeadlineExceeded}); late && hit {
						limit = 50 * time.Millisecond
					}
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					m := ask(ctx, w, host, "/api/v1/nothing")
					cancel()
					if is(m) != hit {
						t.Errorf("%s on %s at %s: hit %v, want %v; status %d, error %v, %d bytes", kind, target, host, is(m), hit, m.status, m.err, len(m.body))
					}
				}
				if _, err := w.Heal(target); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// PingOne's environments share their hosts: a fault on one tenant of the config
// hits that environment alone.
func TestOneEnvironmentAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for kind, is := range symptoms() {
		effect, _ := fault.ParseEffect(kind)
		_, err := w.Fault(fault.Fault{Target: seed.PingOneTest, Effect: effect})
		if whole := slices.Contains([]string{"dns", "stall", "tls-expired", "tls-wrong-name"}, kind); whole != (err != nil) {
			t.Errorf("%s on one environment: %v", kind, err)
		}
		for _, tn := range w.Demo().Tenants {
			if tn.Kind != "pingone" || err != nil {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			hit := tn.Name == seed.PingOneTest
			if is(met{err: context.DeadlineExceeded}) && hit {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			m := ask(ctx, w, "api.pingone.com", "/v1/environments/"+tn.Environment+"/applications")
			cancel()
			cut := errors.Is(effectError(kind), syscall.ECONNREFUSED) && cutOff(m.err) // no connection of its own to refuse
			if (is(m) || cut) != hit {
				t.Errorf("%s at %s: want hit %v; status %d, error %v", kind, tn.Name, hit, m.status, m.err)
			}
		}
		if _, err := w.Heal("all"); err != nil {
			t.Fatal(err)
		}
	}
	n := w.Requests().Count(0, func(e reqlog.Entry) bool { return e.Tenant == seed.PingOneProd })
	if n == 0 {
		t.Error("the request log does not tell the environments apart")
	}
}

// effectError is what a kind that refuses connections gives a whole host.
func effectError(kind string) error {
	if kind == "down" || kind == "refuse" || strings.HasPrefix(kind, "flap") {
		return syscall.ECONNREFUSED
	}
	return nil
}

// A fault with a percentage hits about that share.
func TestPercentageAtAProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Fault(fault.Fault{Target: "onelogin", Effect: fault.Effect{Kind: fault.ServerError}, Percent: 30}); err != nil {
		t.Fatal(err)
	}
	hits := 0
	c := &http.Client{Transport: w.RoundTripper()}
	for range 300 {
		resp, err := c.Get("https://acme.onelogin.com/api/2/apps")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			hits++
		}
	}
	if hits < 60 || hits > 120 {
		t.Errorf("%d of 300 requests were hit, want about 90", hits)
	}
}

// client is samlfailover's credential in a tenant, used by hand.
type client struct {
	w      *sandbox.World
	tenant seed.Tenant
	auth   string
}

func newClient(t *testing.T, w *sandbox.World, name string) client {
	t.Helper()
	tn, _ := w.Demo().Tenant(name)
	c := client{w: w, tenant: tn, auth: "SSWS " + tn.Secret}
	url := map[string]string{"pingone": "https://auth.pingone.com/" + tn.WorkerEnvironment + "/as/token", "onelogin": tn.URL + "/auth/oauth2/v2/token"}[tn.Kind]
	if url == "" {
		return c
	}
	body := "grant_type=client_credentials"
	if tn.PostsSecret {
		body += "&client_id=" + tn.ClientID + "&client_secret=" + tn.Secret
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	switch {
	case tn.Kind == "onelogin":
		r.Header.Set("Content-Type", "application/json")
		r.Body = io.NopCloser(strings.NewReader(`{"grant_type":"client_credentials"}`))
		r.SetBasicAuth(tn.ClientID, tn.Secret)
	case !tn.PostsSecret:
		r.SetBasicAuth(tn.ClientID, tn.Secret)
	}
	resp, err := w.RoundTripper().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || token.AccessToken == "" {
		t.Fatalf("%s gives no token: %s, %v", name, resp.Status, err)
	}
	c.auth = "Bearer " + token.AccessToken
	return c
}

// call reads an app, or renames it.
func (c client) call(t *testing.T, method string, app seed.App, name string) (int, http.Header, string, error) {
	t.Helper()
	path := map[string]string{"okta": "/api/v1/apps/", "pingone": "/v1/environments/" + c.tenant.Environment + "/applications/", "onelogin": "/api/2/apps/"}[c.tenant.Kind]
	var body io.Reader
	if method == http.MethodPut {
		raw, _ := c.w.AppJSON(app.ID)
		var doc map[string]any
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		switch c.tenant.Kind {
		case "okta":
			doc["label"] = name
		case "pingone":
			doc["name"] = name
			for _, k := range []string{"_links", "id", "environment", "createdAt", "updatedAt"} {
				delete(doc, k)
			}
		default:
			doc = map[string]any{"name": name}
		}
		text, _ := json.Marshal(doc)
		body = strings.NewReader(string(text))
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.tenant.URL+path+app.ID, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", c.auth)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	resp, err := c.w.RoundTripper().RoundTrip(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(text), err
}

// perTenant runs a test with a credential of each tenant and an app there.
func perTenant(t *testing.T, test func(t *testing.T, w *sandbox.World, c client, app seed.App)) {
	t.Helper()
	w := newWorld(t)
	for _, tn := range w.Demo().Tenants {
		i := slices.IndexFunc(w.Demo().Apps, func(a seed.App) bool { return a.Tenant == tn.Name })
		test(t, w, newClient(t, w, tn.Name), w.Demo().Apps[i])
	}
}

// named reports whether the provider holds the app under this name.
func named(w *sandbox.World, app seed.App, name string) bool {
	raw, _ := w.AppJSON(app.ID)
	return strings.Contains(string(raw), fmt.Sprintf("%q", name))
}

func TestReadOnlyMode(t *testing.T) {
	t.Parallel()
	words := map[string]string{"okta": "E0000010", "pingone": "SERVICE_UNAVAILABLE", "onelogin": "read-only mode"}
	perTenant(t, func(t *testing.T, w *sandbox.World, c client, app seed.App) {
		breaks(t, w, c.tenant.Name, fault.ReadOnly)
		if status, _, body, err := c.call(t, http.MethodGet, app, ""); err != nil || status != http.StatusOK {
			t.Errorf("%s: a read in read-only mode: %d %s %v", c.tenant.Name, status, body, err)
		}
		if status, _, body, err := c.call(t, http.MethodPut, app, "renamed"); err != nil || status != http.StatusServiceUnavailable || !strings.Contains(body, words[c.tenant.Kind]) {
			t.Errorf("%s: a write in read-only mode: %d %s %v", c.tenant.Name, status, body, err)
		}
		if named(w, app, "renamed") {
			t.Errorf("%s: the write took effect", c.tenant.Name)
		}
		if _, err := w.Heal(c.tenant.Name); err != nil {
			t.Fatal(err)
		}
		if status, _, body, err := c.call(t, http.MethodPut, app, "renamed"); err != nil || status != http.StatusOK || !named(w, app, "renamed") {
			t.Errorf("%s: a write afterwards: %d %s %v", c.tenant.Name, status, body, err)
		}
	})
}

// The write takes effect and its answer never arrives.
func TestWriteAppliedAnswerLost(t *testing.T) {
	t.Parallel()
	perTenant(t, func(t *testing.T, w *sandbox.World, c client, app seed.App) {
		breaks(t, w, c.tenant.Name, fault.AnswerLost)
		if status, _, body, err := c.call(t, http.MethodPut, app, "renamed"); !cutOff(err) || !named(w, app, "renamed") {
			t.Errorf("%s: %d %s %v; took effect: %v", c.tenant.Name, status, body, err, named(w, app, "renamed"))
		}
		if _, err := w.Heal(c.tenant.Name); err != nil {
			t.Fatal(err)
		}
	})
}

// Each vendor says in its own way when to come back: Okta the second since 1970,
// PingOne and OneLogin the seconds left.
func TestThrottlingInTheVendorsWords(t *testing.T) {
	t.Parallel()
	perTenant(t, func(t *testing.T, w *sandbox.World, c client, app seed.App) {
		breaks(t, w, c.tenant.Name, fault.Throttle)
		status, h, body, err := c.call(t, http.MethodGet, app, "")
		var ok bool
		switch c.tenant.Kind {
		case "okta":
			var reset int64
			_, scanned := fmt.Sscan(h.Get("X-Rate-Limit-Reset"), &reset)
			ok = scanned == nil && reset >= time.Now().Unix() && h.Get("X-Rate-Limit-Remaining") == "0" && strings.Contains(body, "E0000047")
		case "pingone":
			ok = h.Get("Retry-After") == "5" && strings.Contains(body, "REQUEST_LIMITED") && h.Get("Correlation-Id") != ""
		default:
			ok = h.Get("X-RateLimit-Reset") == "5" && h.Get("X-RateLimit-Remaining") == "0" && strings.Contains(body, "TooManyRequestsError")
		}
		if err != nil || status != http.StatusTooManyRequests || !ok {
			t.Errorf("%s: %d %v %s %v", c.tenant.Name, status, h, body, err)
		}
		if _, err := w.Heal(c.tenant.Name); err != nil {
			t.Fatal(err)
		}
	})
}

package sdktest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/okta/okta-sdk-golang/v5/okta"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/outbound"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	host  = "acme.okta.com"
	token = "00sandboxtokensandboxtokensandboxtokensand"
	east  = "https://signin.aws.amazon.com/saml"
	relay = "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"
)

// world is an org behind the sandbox's proxy, on a socket, with a custom and a
// catalogue app.
type world struct {
	org             *sim.Org
	network         *proxy.Proxy
	url             *url.URL
	custom, account string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	var err error
	w.org, err = sim.New(sim.Options{Host: host, APIToken: token, Tenant: "okta"})
	orDie(t, err)
	w.custom, err = w.org.AddSAMLApp("AWS prod", sim.AppSettings{ACS: east, RelayState: relay})
	orDie(t, err)
	w.account, err = w.org.AddAccountApp("AWS Account Federation", sim.AccountSettings{OverrideACS: east, RelayState: relay})
	orDie(t, err)
	w.network, err = proxy.New(proxy.Options{Sites: w.org.Sites(), Log: reqlog.New(0), Logger: slog.New(slog.DiscardHandler)})
	orDie(t, err)
	server := httptest.NewServer(w.network)
	t.Cleanup(server.Close)
	t.Cleanup(w.network.Close)
	w.url, err = url.Parse(server.URL)
	orDie(t, err)
	return w
}

func orDie(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writes remembers the bodies of writes.
type writes struct {
	via    http.RoundTripper
	mu     sync.Mutex
	bodies [][]byte
}

func (s *writes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		s.bodies = append(s.bodies, body)
		s.mu.Unlock()
	}
	return s.via.RoundTrip(r)
}

func (s *writes) last(t *testing.T) json.RawMessage {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bodies) == 0 {
		t.Fatal("nothing was written")
	}
	return s.bodies[len(s.bodies)-1]
}

// transport goes through the sandbox's proxy and trusts its CA.
func (w *world) transport(t *testing.T) *writes {
	t.Helper()
	tr := &http.Transport{Proxy: http.ProxyURL(w.url), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.network.Authority().Pool()}}
	t.Cleanup(tr.CloseIdleConnections)
	return &writes{via: tr}
}

// client is Okta's SDK. WithOrgUrl drops a port, so the org is reached by its
// real name, through a proxy.
func (w *world) client(t *testing.T) (*sdk.APIClient, *writes) {
	t.Helper()
	seen := w.transport(t)
	c, err := sdk.NewConfiguration(sdk.WithOrgUrl("https://"+host), sdk.WithToken(token), sdk.WithCache(false), sdk.WithHttpClientPtr(&http.Client{Transport: seen}))
	orDie(t, err)
	return sdk.NewAPIClient(c), seen
}

// adapter is the product's own.
func (w *world) adapter(t *testing.T) (*okta.Tenant, *writes) {
	t.Helper()
	seen := w.transport(t)
	network, err := outbound.New(outbound.Settings{Proxy: "direct", RoundTripper: seen})
	orDie(t, err)
	tenant, err := okta.New(okta.Options{Network: network, Name: "okta", URL: "https://" + host, Token: secret.New(token)})
	orDie(t, err)
	return tenant, seen
}

// The SDK reads every app of the simulated org, page by page.
func TestListAndGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.org.AddDecoys()
	for i := range 200 { // a second page
		_, err := w.org.AddSAMLApp(fmt.Sprintf("app %d", i), sim.AppSettings{ACS: east})
		orDie(t, err)
	}
	client, _ := w.client(t)
	apps, resp, err := client.ApplicationAPI.ListApplications(t.Context()).Limit(200).Execute()
	orDie(t, err)
	for resp.HasNextPage() {
		var more []sdk.ListApplications200ResponseInner
		resp, err = resp.Next(&more)
		orDie(t, err)
		apps = append(apps, more...)
	}
	saml, plugins := 0, 0
	for _, a := range apps {
		switch {
		case a.SamlApplication != nil:
			saml++
		case a.BrowserPluginApplication != nil:
			plugins++
		}
	}
	if len(apps) != 204 || saml != 203 || plugins != 1 {
		t.Errorf("%d apps, %d with SAML, %d browser plugins", len(apps), saml, plugins)
	}
	app, _, err := client.ApplicationAPI.GetApplication(t.Context(), w.custom).Execute()
	orDie(t, err)
	if s := app.SamlApplication; s == nil || s.GetLabel() != "AWS prod" || s.Settings.SignOn.GetSsoAcsUrl() != east || s.Settings.SignOn.GetDefaultRelayState() != relay {
		t.Errorf("got %+v", app)
	}
	if _, resp, err := client.ApplicationAPI.GetApplication(t.Context(), "0oaNobody").Execute(); err == nil || resp.StatusCode != 404 {
		t.Errorf("an app that is not there: %v", err)
	}
}

// What the SDK reads and writes back has lost the nulls, in a catalogue app also
// four of the six keys without which Okta keeps the old statements. Our adapter
// moves the same apps and loses nothing.
//
// spec 2.1
func TestNulls(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"custom", "account"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := map[string]string{"custom": w.custom, "account": w.account}[kind]
			before, _ := w.org.App(id)
			had := nulls(t, before)
			if len(had) < 5 {
				t.Fatalf("the simulated app has the nulls %v: too few to lose", had)
			}

			tenant, ours := w.adapter(t)
			codec := okta.Codec{Proven: []string{okta.AccountKind}}
			target := signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2")}
			_, err := idp.Step(t.Context(), tenant, codec, idp.AppID(id), target, idp.Hooks{})
			orDie(t, err)
			sent := nulls(t, ours.last(t))
			for _, p := range had {
				if !slices.Contains(sent, p) {
					t.Errorf("our adapter's write lacks the null at %s", p)
				}
			}
			after, _ := w.org.App(id)
			if got := nulls(t, after); !slices.Equal(got, had) {
				t.Errorf("after our move the nulls are %v, they were %v", got, had)
			}

			client, theirs := w.client(t)
			app, _, err := client.ApplicationAPI.GetApplication(t.Context(), id).Execute()
			orDie(t, err)
			_, _, err = client.ApplicationAPI.ReplaceApplication(t.Context(), id).Application(*app).Execute()
			t.Log("the SDK's write:", err)
			kept := nulls(t, theirs.last(t))
			if len(kept) >= len(had) {
				t.Errorf("the SDK sends the nulls %v: then this test proves nothing any more", kept)
			}
			if kind == "account" && strings.Contains(string(theirs.last(t)), "Override") {
				t.Errorf("the SDK keeps the six keys by now: %s", theirs.last(t))
			}
			t.Logf("of %d nulls the SDK sends %d, our adapter %d", len(had), len(kept), len(sent))
		})
	}
}

// nulls lists where a JSON text holds null, sorted; what Okta keeps itself is
// left out.
func nulls(t *testing.T, raw json.RawMessage) []string {
	t.Helper()
	var v any
	orDie(t, json.Unmarshal(raw, &v))
	var out []string
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case nil:
			out = append(out, at)
		case map[string]any:
			for k, e := range v {
				if k != "_links" {
					walk(at+"/"+k, e)
				}
			}
		case []any:
			for i, e := range v {
				walk(fmt.Sprintf("%s/%d", at, i), e)
			}
		}
	}
	walk("", v)
	slices.Sort(out)
	return out
}

// TestMain keeps the SDK from a configuration of the machine's: it reads
// ~/.okta/okta.yaml and the environment.
func TestMain(m *testing.M) {
	for _, name := range os.Environ() {
		if key, _, _ := strings.Cut(name, "="); strings.HasPrefix(key, "OKTA_") {
			_ = os.Unsetenv(key)
		}
	}
	_ = os.Setenv("HOME", filepath.Join(os.TempDir(), "no-home-of-anybody"))
	os.Exit(m.Run())
}

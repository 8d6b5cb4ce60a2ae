package admin_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/alertmanager"
	"github.com/samlfailover/samlfailover/sandbox/callback"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
	"github.com/samlfailover/samlfailover/sandbox/pagerduty"
	"github.com/samlfailover/samlfailover/sandbox/receiver"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/slack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "correct-horse"

// world is a World for the verbs: it knows one Region and logs in whom it is
// told to.
type world struct {
	faults *fault.Table
	log    *reqlog.Log
	issuer *oidc.Issuer
	slack  *slack.Workspace
	pd     *pagerduty.Account
	hook   *receiver.Receiver
	alerts *alertmanager.Alertmanager
}

func (w world) Slack() *slack.Workspace { return w.slack }

func (w world) Faults() *fault.Table  { return w.faults }
func (w world) Requests() *reqlog.Log { return w.log }
func (w world) Issuer() *oidc.Issuer  { return w.issuer }

func (w world) PagerDuty() *pagerduty.Account            { return w.pd }
func (w world) Receiver() *receiver.Receiver             { return w.hook }
func (w world) Alertmanager() *alertmanager.Alertmanager { return w.alerts }

func (w world) Info() admin.Info { return admin.Info{Proxy: "http://here", Hosts: []string{"a", "b"}} }
func (w world) LoginRole(_ context.Context, app, user, role string) login.Result {
	return login.Result{App: app, User: user, OK: true, Region: "us-west-2", Role: role, Assertion: []byte("<saml/>")}
}

// serve runs the verbs and returns their URL.
func serve(t *testing.T) (world, string) {
	t.Helper()
	issuer, err := oidc.New()
	if err != nil {
		t.Fatal(err)
	}
	chat, err := slack.New(slack.Options{Team: "T0ACME01", SigningSecret: "s", Users: []slack.User{{ID: "U0ADA", Name: "ada"}}, Channels: []slack.Channel{{ID: "C0INCIDENT", Name: "incident", Bot: true}},
		Callback: acknowledges{}})
	if err != nil {
		t.Fatal(err)
	}
	calls := callback.New()
	pd, err := pagerduty.New(pagerduty.Options{RoutingKey: strings.Repeat("k", 32), WebhookSecret: "s", Callbacks: calls})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pd.Close)
	w := world{fault.NewTable([]fault.Subject{{Host: "iam.amazonaws.com", Service: "iam", Region: "us-east-1"}}, 1), reqlog.New(8), issuer, chat,
		pd, receiver.New("s"), alertmanager.New(calls, "t")}
	s := httptest.NewUnstartedServer(nil)
	h, err := admin.NewHandler(admin.Options{World: w, Token: token, Addr: s.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = h
	s.Start()
	t.Cleanup(s.Close)
	return w, s.URL
}

// acknowledges plays an app that answers every command.
type acknowledges struct{}

func (acknowledges) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	_, _ = rec.WriteString(`{"text":"all is well"}`)
	return rec.Result(), r.Context().Err()
}

func TestSlackVerbs(t *testing.T) {
	t.Parallel()
	w, url := serve(t)
	c, ctx := client(t, url), t.Context()
	if _, err := c.Slack(ctx, admin.SlackRequest{User: "ada", Channel: "incident", Command: "/samlfailover status"}); err == nil || !strings.Contains(err.Error(), "no callback URL yet") {
		t.Errorf("without a callback URL: %v", err)
	}
	if err := w.slack.Register("http://127.0.0.1:1/c", "http://127.0.0.1:1/a"); err != nil {
		t.Fatal(err)
	}
	d, err := c.Slack(ctx, admin.SlackRequest{User: "ada", Channel: "incident", Command: "/samlfailover status"})
	if err != nil || !d.Acknowledged() || d.Said != "all is well" {
		t.Errorf("%+v, %v", d, err)
	}
	if m, err := c.SlackMessages(ctx, "incident", "ada"); err != nil || len(m.Messages) != 1 || m.Messages[0].All() != "all is well" {
		t.Errorf("%+v, %v", m, err)
	}
	for why, bad := range map[string]admin.SlackRequest{
		"neither a command nor a button": {User: "ada", Channel: "incident"},
		"both":                           {User: "ada", Channel: "incident", Command: "/x", Button: "OK"},
		"a button that is not there":     {User: "ada", Channel: "incident", Button: "OK"},
		"nobody":                         {User: "eve", Channel: "incident", Command: "/x"},
	} {
		if _, err := c.Slack(ctx, bad); err == nil {
			t.Errorf("%s: taken", why)
		}
	}
}

func client(t *testing.T, url string) *admin.Client {
	t.Helper()
	c, err := admin.NewClient(url, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestVerbs(t *testing.T) {
	t.Parallel()
	w, url := serve(t)
	c, ctx := client(t, url), t.Context()
	if info, err := c.Info(ctx); err != nil || len(info.Hosts) != 2 {
		t.Errorf("info: %+v, %v", info, err)
	}
	got, err := c.Fault(ctx, admin.FaultRequest{Target: "us-east-1", Kind: "latency=300ms", For: "30s", Percent: 40})
	if err != nil || len(got.Rules) != 1 || got.Rules[0].Effect.Duration != 300*time.Millisecond || got.Rules[0].Percent != 40 || got.Rules[0].Until.Sub(got.Rules[0].Since) != 30*time.Second {
		t.Errorf("fault: %+v, %v", got, err)
	}
	if got, err = c.Faults(ctx); err != nil || len(got.Rules) != 1 {
		t.Errorf("faults: %+v, %v", got, err)
	}
	if got, err = c.Heal(ctx, "iam"); err != nil || len(got.Healed) != 0 || len(got.Rules) != 1 {
		t.Errorf("heal of another target: %+v, %v", got, err)
	}
	if got, err = c.Heal(ctx, ""); err != nil || len(got.Healed) != 1 || len(got.Rules) != 0 {
		t.Errorf("heal: %+v, %v", got, err)
	}
	for i := range 10 {
		w.log.Add(reqlog.Entry{Kind: reqlog.Request, Host: "h", Status: 200 + i})
	}
	if got, err := c.Requests(ctx, 1); err != nil || got.Missed != 1 || len(got.Entries) != 8 || got.Entries[0].Seq != 3 {
		t.Errorf("requests: %+v, %v", got, err)
	}
	want := login.Result{App: "A", User: "u", OK: true, Region: "us-west-2", Role: "arn:role", Assertion: []byte("<saml/>")}
	if got, err := c.Login(ctx, admin.LoginRequest{App: "A", User: "u", Role: "arn:role"}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("login: %v, %s", err, cmp.Diff(want, got))
	}
}

func TestRefusalsSayWhatExists(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	c := client(t, url)
	for want, f := range map[string]admin.FaultRequest{
		"a service (iam)":        {Target: "mars", Kind: "down"},
		"there are: down":        {Target: "iam", Kind: "explode"},
		"between 1 and 100":      {Target: "iam", Kind: "down", Percent: 101},
		"write it as 30s":        {Target: "iam", Kind: "down", For: "soon"},
		"needs a duration":       {Target: "iam", Kind: "latency"},
		"takes no value":         {Target: "iam", Kind: "down=3s"},
		"has to be a duration b": {Target: "iam", Kind: "latency=1h"},
	} {
		if _, err := c.Fault(t.Context(), f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
	if _, err := c.Heal(t.Context(), "mars"); err == nil {
		t.Error("an unknown target is healed")
	}
}

// spec 13.6, 15.5
func TestNobodyElseControls(t *testing.T) {
	t.Parallel()
	w, url := serve(t)
	host := strings.TrimPrefix(url, "http://")
	rows := map[string]struct {
		host, auth string
		want       int
	}{
		"the right token":              {host, "Bearer " + token, 200},
		"scheme in lower case":         {host, "bearer " + token, 200},
		"localhost":                    {"localhost" + host[strings.LastIndex(host, ":"):], "Bearer " + token, 200},
		"no token":                     {host, "", 401},
		"a wrong token":                {host, "Bearer wrong", 401},
		"an empty token":               {host, "Bearer ", 401},
		"the token's beginning":        {host, "Bearer " + token[:5], 401},
		"the token as password":        {host, "Basic " + token, 401},
		"another host (rebinding)":     {"evil.example", "Bearer " + token, 421},
		"another port":                 {"127.0.0.1:1", "Bearer " + token, 421},
		"another host without a token": {"evil.example", "", 421},
	}
	for name, row := range rows {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			r, err := http.NewRequestWithContext(t.Context(), method, url+"/sandbox/faults", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = row.host
			if row.auth != "" {
				r.Header.Set("Authorization", row.auth)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != row.want {
				t.Errorf("%s, %s: %d, want %d", name, method, resp.StatusCode, row.want)
			}
			if strings.Contains(string(text), token) {
				t.Errorf("%s: the answer holds the token", name)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if n := w.log.Last(); n != 0 {
		t.Errorf("control verbs are in the request log (%d)", n)
	}
}

func TestStrictBodies(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	for name, body := range map[string]string{
		"not JSON": "down", "an unknown field": `{"target":"iam","kind":"down","percentage":3}`, "too large": `{"target":"` + strings.Repeat("x", 70<<10) + `"}`,
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/sandbox/faults", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
}

func TestClientGoesToLoopbackOnly(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"http://127.0.0.1:80": true, "http://localhost:80/": true, "http://[::1]:80": true,
		"": false, "http://sandbox.example:80": false, "https://127.0.0.1:80": false, "http://u:p@127.0.0.1:80": false, "http://127.0.0.1/x": false, "http://10.0.0.1": false,
	} {
		c, err := admin.NewClient(url, token)
		if err == nil {
			c.Close()
		}
		if (err == nil) != ok {
			t.Errorf("%q: %v, want accepted = %v", url, err, ok)
		}
	}
	if _, err := admin.NewClient("http://127.0.0.1:80", ""); err == nil {
		t.Error("a client without a token")
	}
	_, err := client(t, "http://127.0.0.1:1").Info(t.Context())
	if err == nil || !strings.Contains(err.Error(), "is it still running?") || strings.Contains(err.Error(), token) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestHandlerNeedsAToken(t *testing.T) {
	t.Parallel()
	if _, err := admin.NewHandler(admin.Options{World: world{}, Addr: "127.0.0.1:1"}); err == nil {
		t.Error("control verbs without a token")
	}
}

// The issuer's verbs make tokens, change its keys, and refuse what it refuses.
func TestIssuerVerbs(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	c := client(t, url)
	first, err := c.Token(t.Context(), oidc.Order{Subject: "ada", Audience: "api"})
	if err != nil || strings.Count(first, ".") != 2 {
		t.Fatalf("%q, %v", first, err)
	}
	if err := c.Keys(t.Context(), admin.OIDCKeys{Rotate: true, Retire: true}); err != nil {
		t.Error(err)
	}
	second, err := c.Token(t.Context(), oidc.Order{Subject: "ada", Audience: "api"})
	if head, _, _ := strings.Cut(first, "."); err != nil || strings.HasPrefix(second, head+".") {
		t.Errorf("the key is the same after a rotation: %v", err)
	}
	if _, err := c.Token(t.Context(), oidc.Order{Audience: "api"}); err == nil || !strings.Contains(err.Error(), "needs a subject") {
		t.Error(err)
	}
}

// PagerDuty and Alertmanager do what they are asked for, and only that.
func TestAlerting(t *testing.T) {
	_, url := serve(t)
	c := client(t, url)
	got, err := c.Alert(t.Context(), admin.AlertRequest{Do: admin.DoPage, Text: "down"})
	if err != nil || len(got.Incidents) != 1 || got.Incidents[0].Title != "down" {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err = c.Alert(t.Context(), admin.AlertRequest{Do: admin.DoResolve, Number: 1}); err != nil || got.Incidents[0].Status != pagerduty.Resolved {
		t.Errorf("%+v, %v", got, err)
	}
	for why, r := range map[string]admin.AlertRequest{"nothing": {}, "a page without a title": {Do: admin.DoPage}, "an incident that is not there": {Do: admin.DoAck, Number: 7},
		"a webhook that was never sent": {Do: admin.DoRedeliver}, "an alert to nowhere": {Do: admin.DoFire, Text: "x"}} {
		if _, err := c.Alert(t.Context(), r); err == nil {
			t.Errorf("%s was done", why)
		}
	}
	if got, err = c.Alerting(t.Context()); err != nil || len(got.Incidents) != 1 || got.Messages == nil {
		t.Errorf("%+v, %v", got, err)
	}
}

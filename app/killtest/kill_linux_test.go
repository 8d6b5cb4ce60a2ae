package killtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/sandbox/slack"
	"github.com/samlfailover/samlfailover/server/api"
)

const (
	patience = 30 * time.Second
	glance   = 20 * time.Millisecond
	standby  = "us-west-2"
	channel  = "incident"
)

var oneKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// binary builds the program once for all stories.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "killtest")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "samlfailover")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/samlfailover").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("TEST_KILL") == "1" {
		if path, err := binary(); err == nil {
			_ = os.RemoveAll(filepath.Dir(path)) // a temporary folder
		}
	}
	os.Exit(code)
}

// place is a world with the folder of a controller.
type place struct {
	*testing.T
	*sandbox.World
	dir string
	run *process
}

// process is one life of the program.
type process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer // read after its end only
	ended chan struct{}
}

func newPlace(t *testing.T, edits ...string) *place {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{Probing: "interval: 300ms, fast_interval: 50ms, timeout: 2s, fall: 2, rise: 3", Seed: seed.Options{NewKey: oneKey}})
	must(t, err)
	must(t, w.Listen())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-done)
	})
	p := &place{T: t, World: w, dir: t.TempDir()}
	must(t, w.WriteDir(p.dir))
	text, err := os.ReadFile(p.config())
	must(t, err)
	edits = append([]string{"health:", "moves: {call_deadline: 2s}\nhealth:", "min_ready_share: 0.9", "min_ready_share: 0.5", "mode: auto", "mode: approve"}, edits...)
	for i := 0; i < len(edits); i += 2 {
		if !bytes.Contains(text, []byte(edits[i])) {
			t.Fatalf("the config lacks %s", edits[i])
		}
		text = bytes.Replace(text, []byte(edits[i]), []byte(edits[i+1]), 1)
	}
	must(t, os.WriteFile(p.config(), text, 0o600))
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (p *place) config() string { return filepath.Join(p.dir, "samlfailover.yaml") }

// start begins a life of the program on the same folder as the one before.
func (p *place) start() {
	p.Helper()
	path, err := binary()
	must(p.T, err)
	r := &process{cmd: exec.Command(path, "serve"), ended: make(chan struct{})}
	r.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "SAMLFAILOVER_CONFIG=" + p.config()}
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(p.T, r.cmd.Start())
	go func() {
		defer close(r.ended)
		_ = r.cmd.Wait() // a signal of ours
	}()
	p.Cleanup(func() {
		if p.Failed() {
			p.Logf("Slack shows:\n%s", strings.Join(p.said(), "\n---\n"))
		}
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		<-r.ended
		if p.Failed() {
			p.Logf("a log of the program:\n%s", r.log.String())
		}
	})
	p.run = r
}

// kill ends the program in the middle of whatever it does.
func (p *place) kill() {
	must(p.T, p.run.cmd.Process.Kill())
	<-p.run.ended
}

// until waits for a condition.
func (p *place) until(what string, holds func() bool) {
	p.Helper()
	late, tick := time.NewTimer(patience), time.NewTicker(glance)
	defer late.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-p.run.ended:
			p.Fatalf("the program has ended; waited until %s", what)
		case <-late.C:
			p.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// ask is send for who wants the content of the answer only.
func (p *place) ask(who, method, path, key string, body, into any) int {
	p.Helper()
	a := p.send(who, method, path, key, body)
	if into != nil && a.status > 0 && a.status < 300 {
		must(p.T, json.Unmarshal(a.body, into))
	}
	return a.status
}

// answer is the API's; the status is 0 where nobody answers.
type answer struct {
	status   int
	replayed bool // it says that it was given before
	location string
	body     []byte
}

// send sends a request with a person's token.
func (p *place) send(who, method, path, key string, body any) answer {
	p.Helper()
	var b bytes.Buffer
	if body != nil {
		must(p.T, json.NewEncoder(&b).Encode(body))
	}
	r, err := http.NewRequestWithContext(p.Context(), method, p.ControllerURL()+api.Base+path, &b)
	must(p.T, err)
	r.Header.Set("Authorization", "Bearer "+p.StaffToken(who))
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set(api.KeyHeader, key)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}
	}
	defer res.Body.Close() //nolint:errcheck // read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}
	}
	return answer{res.StatusCode, res.Header.Get("Idempotency-Replayed") == "true", res.Header.Get("Location"), raw}
}

func (p *place) federation() (f control.FederationStatus) {
	p.ask("ada", "GET", "/federations/"+seed.Federation, "", nil, &f)
	return f
}

// leads reports whether the controller takes what changes something.
func (p *place) leads() bool {
	var s control.Status
	p.ask("ada", "GET", "/status", "", nil, &s)
	return s.Store != nil && s.Store.Standing.Leads
}

// calm waits until every Region is healthy, every app read, every role scanned.
func (p *place) calm() {
	p.Helper()
	p.until("all is known and well", func() bool {
		f := p.federation()
		return f.Decision.Rule != "" && !slices.ContainsFunc(f.Regions, func(r control.RegionStatus) bool { return r.State != "healthy" || r.ScannedAt.IsZero() }) &&
			!slices.ContainsFunc(f.Apps, func(a control.AppStatus) bool { return a.ReadAt.IsZero() })
	})
}

// slows makes the answers of a target take longer than any test.
func (p *place) slows(targets ...string) {
	p.Helper()
	for _, t := range targets {
		_, err := p.Fault(fault.Fault{Target: t, Effect: fault.Effect{Kind: fault.Latency, Duration: time.Minute}})
		must(p.T, err)
	}
}

func (p *place) vendors() (out []string) {
	for _, t := range p.Demo().Tenants {
		out = append(out, t.Kind)
	}
	return out
}

// heals ends what slows began.
func (p *place) heals(targets ...string) {
	p.Helper()
	for _, t := range targets {
		_, err := p.Heal(t)
		must(p.T, err)
	}
}

// written counts the writes of an app, whatever came of them; "": of any.
func (p *place) written(app string) int {
	return p.Requests().Count(0, func(e reqlog.Entry) bool {
		return e.Kind == reqlog.Request && slices.Contains(p.vendors(), e.Service) && e.Method == "PUT" && strings.Contains(e.Path, app)
	})
}

// acs is where an app's assertions go, as its vendor holds it.
func (p *place) acs(id string) string {
	p.Helper()
	raw, _ := p.AppJSON(id)
	var doc struct {
		Settings struct {
			SignOn struct {
				SSOACSURL string `json:"ssoAcsUrl"`
			} `json:"signOn"`
			App struct {
				OverrideACSURL string `json:"overrideAcsURL"`
			} `json:"app"`
		} `json:"settings"`
		ACSURLs       []string `json:"acsUrls"`
		Configuration struct {
			ConsumerURL string `json:"consumer_url"`
		} `json:"configuration"`
	}
	must(p.T, json.Unmarshal(raw, &doc))
	return cmp.Or(doc.Settings.SignOn.SSOACSURL, doc.Settings.App.OverrideACSURL, append(doc.ACSURLs, "")[0], doc.Configuration.ConsumerURL)
}

// said are the messages of the channel that everybody sees.
func (p *place) said() []string {
	out := []string{}
	for _, m := range p.Slack().Messages("C0INCIDENT", "") {
		out = append(out, m.All())
	}
	return out
}

// types has a person type a slash command, which must be acknowledged.
func (p *place) types(who, text string) slack.Delivery {
	p.Helper()
	d, err := p.Slack().Type(p.Context(), who, channel, "/samlfailover "+text)
	if err != nil || !d.Acknowledged() {
		p.Fatalf("%s types %s: %+v, %v", who, text, d, err)
	}
	return d
}

// end reads how the world stands.
func (p *place) end(inSlack, orphan bool) end {
	p.Helper()
	e := end{to: standby, orphan: orphan, writes: map[string]int{}, acs: map[string]string{}}
	for _, a := range p.Demo().Apps {
		e.writes[a.Label], e.acs[a.Label] = p.written(a.ID), p.acs(a.ID)
	}
	var h control.History
	p.ask("ada", "GET", "/moves", "", nil, &h)
	e.moves = len(h.Moves)
	if inSlack {
		e.messages = p.said()
	}
	_, _, e.audit = audit.Verify(filepath.Join(p.dir, "data", "audit.jsonl"))
	return e
}

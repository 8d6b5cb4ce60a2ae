package clustertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/server"
)

const (
	home    = "us-east-1"
	standby = "us-west-2"
	// leaseTime and callDeadline are what the configs set: the shortest allowed.
	leaseTime    = 5 * time.Second
	callDeadline = 2 * time.Second
	// patience bounds every wait for something that must happen.
	patience = 60 * time.Second
	// glance is how often it is looked for.
	glance = 50 * time.Millisecond
)

// oneKey signs in every world: making one takes long.
var oneKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// place is a simulated world with three controllers in it.
type place struct {
	t     *testing.T
	world *sandbox.World
	dir   string
	ca    *authority
	nodes []*controller
}

// controller is one of the three, and its process if there is one.
type controller struct {
	t      *testing.T
	name   string
	config string
	data   string
	net    network
	http   *http.Client
	log    buffer
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process is gone
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newPlace makes a world and the configs of three controllers; none runs yet.
func newPlace(t *testing.T) *place {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{Seed: seed.Options{NewKey: oneKey}, LogSize: 1 << 18})
	must(t, err, w.Listen())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-done)
	})
	dir, err := os.MkdirTemp("", "sf") // sockets need a short path
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &place{t: t, world: w, dir: filepath.Join(dir, "w")}
	must(t, w.WriteDir(p.dir))
	p.ca = newAuthority(t, p.dir)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	must(t, os.WriteFile(filepath.Join(p.dir, "store-key"), []byte(base64.StdEncoding.EncodeToString(key)), 0o600))
	for i, name := range []string{"one", "two", "three"} {
		c := &controller{t: t, name: name, config: filepath.Join(p.dir, name+".yaml"), data: filepath.Join(dir, name), net: newNetwork(t, i+1, w.Addr())}
		p.ca.issue(t, name, c.net.host, time.Now().Add(90*24*time.Hour))
		p.nodes = append(p.nodes, c)
	}
	for _, c := range p.nodes {
		must(t, os.WriteFile(c.config, []byte(p.configOf(c)), 0o600))
	}
	t.Cleanup(func() {
		for _, c := range p.nodes {
			c.kill()
			if t.Failed() {
				t.Logf("the log of controller %s:\n%s", c.name, tail(c.log.text(), 60))
			}
		}
	})
	return p
}

// tail is the end of a log.
func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// freeAddress is a loopback address that nobody listens on now.
func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close() //nolint:errcheck // nobody has connected
	return l.Addr().String()
}

// configOf is the config that the world wrote, for one controller of three. Half
// of the roles are ready in the demo's world; that has to be enough here. Outside
// the section store the three have to be equal (spec 11.5), so each has its way
// out from its environment.
func (p *place) configOf(c *controller) string {
	text, err := os.ReadFile(filepath.Join(p.dir, "samlfailover.yaml"))
	must(p.t, err)
	out := string(text)
	for _, edit := range [][2]string{
		{`(?m)^  proxy: .*\n`, ""},
		{`(?m)^    accept_fewer_vantages.*\n`, ""},
		{`min_ready_share: 0.9 .*`, "min_ready_share: 0.5"},
		{`(?m)^health: .*`, "health: {interval: 1s, fast_interval: 200ms, timeout: 2s, fall: 2, rise: 3}"},
		{`(?m)^  listen: .*`, "  listen: " + freeAddress(p.t)}, // without namespaces they share a machine
		{`(?ms)^store:.*`, ""},
	} {
		pattern := regexp.MustCompile(edit[0])
		if !pattern.MatchString(out) {
			p.t.Fatalf("the config lacks %s:\n%s", edit[0], out)
		}
		out = pattern.ReplaceAllLiteralString(out, edit[1])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%smoves: {call_deadline: %s, proof_timeout: 1s}\nstore:\n  dir: %s\n  name: %s\n  key: file:store-key\n  lease: %s\n  embedded:\n    ballast: 0\n",
		out, callDeadline, c.data, c.name, leaseTime)
	fmt.Fprintf(&b, "    tls: {cert: %s.pem, key: %s.key, ca: peers-ca.pem}\n    peers:\n", c.name, c.name)
	for _, o := range p.nodes {
		fmt.Fprintf(&b, "      - {name: %s, url: %q, network: net-%s}\n", o.name, o.net.url(), o.name)
	}
	return b.String()
}

// command runs the program in the controller's network and environment.
func (c *controller) command(args ...string) *exec.Cmd {
	words := append(slices.Clone(c.net.prefix), os.Getenv(programVar))
	words = append(words, args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(c.config), "SAMLFAILOVER_CONFIG=" + c.config, "HTTPS_PROXY=http://" + c.net.proxy}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start starts serve.
func (c *controller) start() {
	c.t.Helper()
	c.cmd, c.ended = c.command("serve"), make(chan struct{})
	c.cmd.Stderr, c.cmd.Stdout = &c.log, &c.log
	must(c.t, c.cmd.Start())
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(c.cmd, c.ended)
}

// signal sends a signal to the process.
func (c *controller) signal(s syscall.Signal) {
	c.t.Helper()
	must(c.t, c.cmd.Process.Signal(s))
}

// kill ends the process without a word, and waits for it.
func (c *controller) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill()
	<-c.ended
	c.cmd = nil
}

// status is what the tests look at of a controller's answer.
type status struct {
	Store struct {
		Standing struct {
			Leads  bool   `json:"leads"`
			Leader string `json:"leader"`
		} `json:"standing"`
		Store struct {
			Quorum  bool `json:"quorum"`
			Members []struct {
				Name   string `json:"name"`
				Leader bool   `json:"leader"`
			} `json:"members"`
		} `json:"store"`
		Findings []struct {
			Code string `json:"code"`
			What string `json:"what"`
		} `json:"findings"`
		Controllers []struct {
			Name string `json:"name"`
		} `json:"controllers"`
	} `json:"store"`
	Federations []struct {
		Apps []struct {
			ID     string    `json:"id"`
			Region string    `json:"region"`
			ReadAt time.Time `json:"read_at"`
		} `json:"apps"`
		Regions []struct {
			State     string    `json:"state"`
			ScannedAt time.Time `json:"scanned_at"`
		} `json:"regions"`
		Decision struct {
			Outcome string `json:"outcome"`
			Rule    string `json:"rule"`
			Why     string `json:"why"`
		} `json:"decision"`
		Moving   bool `json:"moving"`
		LastMove *struct {
			Status string `json:"status"`
		} `json:"last_move"`
	} `json:"federations"`
}

// finds reports whether a finding with the code is shown with the store.
func (s status) finds(code string) bool {
	for _, f := range s.Store.Findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

// status asks over the controller's socket; ok is false while it does not answer.
func (c *controller) status() (st status, ok bool) {
	at, err := server.PlaceOf(c.data)
	must(c.t, err)
	token, err := at.ReadToken()
	if err != nil {
		return st, false
	}
	if c.http == nil {
		c.http = outbound.Local(at.Socket)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server.Host+"/v1/status", nil)
	must(c.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := c.http.Do(r)
	if err != nil {
		return st, false
	}
	defer res.Body.Close()
	err = json.NewDecoder(res.Body).Decode(&st)
	return st, err == nil && res.StatusCode == http.StatusOK && len(st.Federations) == 1
}

// until waits for something, and returns how long that took.
func (p *place) until(what string, holds func() bool) time.Duration {
	p.t.Helper()
	began := time.Now()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for !holds() {
		if time.Since(began) > patience {
			for _, c := range p.nodes {
				st, ok := c.status()
				raw, _ := json.Marshal(st)
				p.t.Logf("controller %s answers %v: %s", c.name, ok, raw)
			}
			p.t.Fatalf("waited in vain until %s", what)
		}
		<-tick.C
	}
	return time.Since(began)
}

// leader returns the controller that says that it leads, if one of these does.
func leader(among []*controller) *controller {
	for _, c := range among {
		if st, ok := c.status(); ok && st.Store.Standing.Leads {
			return c
		}
	}
	return nil
}

// settled starts all controllers and waits until one leads, all see every Region
// healthy, and everything was read. It returns the leader and the others.
func (p *place) settled() (first *controller, others []*controller) {
	p.t.Helper()
	for _, c := range p.nodes {
		c.start()
	}
	took := p.until("all is known and well", func() bool {
		first = leader(p.nodes)
		if first == nil {
			return false
		}
		for _, c := range p.nodes {
			st, ok := c.status()
			if !ok || len(st.Store.Controllers) != 3 || !st.Store.Store.Quorum || !st.calm() {
				return false
			}
		}
		return true
	})
	p.t.Logf("three controllers settled after %s; %s leads", took.Round(10*time.Millisecond), first.name)
	for _, c := range p.nodes {
		if c != first {
			others = append(others, c)
		}
	}
	return first, others
}

// calm reports whether every Region is healthy, every app read and every role
// scanned.
func (s status) calm() bool {
	f := s.Federations[0]
	for _, r := range f.Regions {
		if r.State != "healthy" || r.ScannedAt.IsZero() {
			return false
		}
	}
	for _, a := range f.Apps {
		if a.ReadAt.IsZero() {
			return false
		}
	}
	return slices.Contains([]string{"active-healthy", "failback-due", "not-leader"}, f.Decision.Rule)
}

// breakHome breaks the home Region's sign-in for everybody.
func (p *place) breakHome() {
	p.t.Helper()
	_, err := p.world.Fault(fault.Fault{Target: home, Effect: fault.Effect{Kind: fault.Down}})
	must(p.t, err)
}

// onWrite calls f, once, when write number n of an app has arrived and before it
// takes effect, and returns a channel that is closed when f has returned.
func (p *place) onWrite(n int, f func()) <-chan struct{} {
	var mu sync.Mutex
	seen, done := 0, make(chan struct{})
	call := func(string) {
		mu.Lock()
		defer mu.Unlock()
		if seen++; seen == n {
			f()
			close(done)
		}
	}
	p.world.Org().BeforeWrite(call)
	p.world.PingOne().BeforeWrite(call)
	p.world.OneLogin().BeforeWrite(call)
	return done
}

// writes are the writes of apps that reached an identity provider.
func (p *place) writes() []write {
	p.t.Helper()
	entries, missed := p.world.Requests().Since(0)
	if missed > 0 {
		p.t.Fatalf("%d requests are not in the log any more", missed)
	}
	var out []write
	for _, e := range entries {
		if e.Kind != reqlog.Request || e.Method != http.MethodPut {
			continue
		}
		w := write{by: e.Client, app: e.Path, began: e.Began, ended: e.Time, stored: e.Status/100 == 2}
		for _, a := range p.world.Demo().Apps {
			if strings.Contains(e.Path, a.ID) {
				w.app = a.Label
			}
		}
		for _, c := range p.nodes {
			if c.net.client == e.Client {
				w.by = c.name
			}
		}
		out = append(out, w)
	}
	return out
}

// at is where each app's logins go, as its identity provider holds it.
func (p *place) at() map[string]string {
	out := map[string]string{}
	for _, a := range p.world.Demo().Apps {
		raw, _ := p.world.AppJSON(a.ID)
		for _, region := range []string{home, standby} {
			host := region + ".signin.aws.amazon.com/saml"
			if region == home {
				host = "https://signin.aws.amazon.com/saml"
			}
			if acs := acsOf(p.t, raw); strings.Contains(acs, host) {
				out[a.Label] = region
			}
		}
	}
	return out
}

// acsOf is the sign-in endpoint in an app's document, of any vendor.
func acsOf(t *testing.T, raw []byte) string {
	t.Helper()
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
	must(t, json.Unmarshal(raw, &doc))
	all := []string{doc.Settings.SignOn.SSOACSURL, doc.Settings.App.OverrideACSURL, doc.Configuration.ConsumerURL}
	return strings.Join(append(all, append(doc.ACSURLs, "")[0]), "")
}

// moved waits until every app is at the standby Region and the leader has ended
// the move, then judges every write.
func (p *place) moved(among []*controller) {
	p.t.Helper()
	p.until("the move has ended", func() bool {
		l := leader(among)
		if l == nil {
			return false
		}
		st, ok := l.status()
		return ok && !st.Federations[0].Moving && st.Federations[0].LastMove != nil && len(p.writes()) >= len(p.world.Demo().Apps)
	})
	p.judged()
}

// judged holds what was written against what should have been.
func (p *place) judged() {
	p.t.Helper()
	var apps []string
	for _, a := range p.world.Demo().Apps {
		apps = append(apps, a.Label)
	}
	writes := p.writes()
	for _, wrong := range judge(writes, apps, p.at(), standby) {
		p.t.Error(wrong)
	}
	if p.t.Failed() {
		for _, w := range writes {
			p.t.Logf("%s wrote %s, %s to %s, stored %v", w.by, w.app, w.began.Format("05.000"), w.ended.Format("05.000"), w.stored)
		}
	}
}

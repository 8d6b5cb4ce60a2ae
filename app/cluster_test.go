package app_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/sandbox/fault"
)

// trio are three controllers of one world, each with a config file of its own.
type trio struct {
	t      *testing.T
	places []*place
	up     []*service // nil: stopped
}

// freeURLs returns loopback URLs that nobody listens on.
func freeURLs(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() //nolint:errcheck // held until all have one
		out = append(out, "http://"+l.Addr().String())
	}
	return out
}

// newTrio starts three controllers.
func newTrio(t *testing.T, edits ...string) *trio {
	t.Helper()
	if underRace {
		t.Skip("three controllers, three etcd members and the race detector in one process starve each other on a small machine: go test runs this without the detector, and app/clustertest as processes")
	}
	base := newPlace(t, append(shortCalls, edits...)...)
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base.dir, "key"), []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(base.dir, "samlfailover.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "\nstore:")
	names, urls := []string{"ctl-a", "ctl-b", "ctl-c"}, freeURLs(t, 6)
	out := &trio{t: t, up: make([]*service, 3)}
	for i, name := range names {
		store := fmt.Sprintf("\nstore:\n  dir: data-%s\n  name: %s\n  key: file:key\n  lease: 8s\n  embedded:\n    ballast: 0\n    peers:\n", name, name)
		for j := range names {
			store += fmt.Sprintf("      - {name: %s, url: %q, network: net-%d}\n", names[j], urls[j], j%2)
		}
		p := *base
		path := filepath.Join(base.dir, name+".yaml")
		// On one machine each listens at a place of its own.
		own := strings.ReplaceAll(before, strings.TrimPrefix(base.world.ControllerURL(), "http://"), strings.TrimPrefix(urls[3+i], "http://"))
		if err := os.WriteFile(path, []byte(own+store), 0o600); err != nil {
			t.Fatal(err)
		}
		if p.cfg, err = config.Load(path, config.Options{}); err != nil {
			t.Fatal(err)
		}
		out.places = append(out.places, &p)
	}
	for i := range names {
		out.up[i] = out.places[i].launch()
	}
	for i := range names {
		out.places[i].await(names[i]+" answers", out.up[i].ready)
		out.up[i].client = out.places[i].dial()
	}
	return out
}

// report is what a controller says of store and leadership.
func (s *service) report() control.StoreReport {
	s.t.Helper()
	r, err := s.client.Store(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// leader waits until one of those that run leads and the others say so.
func (c *trio) leader() (leads *service, follow []*service) {
	c.t.Helper()
	limit := time.After(patience)
	for {
		leads, follow = nil, nil
		var name string
		for i, s := range c.up {
			switch {
			case s == nil:
			case s.report().Standing.Leads:
				leads, name = s, c.places[i].cfg.Store.Name
			default:
				follow = append(follow, s)
			}
		}
		agree := !slices.ContainsFunc(follow, func(s *service) bool { return s.report().Standing.Leader != name })
		if leads != nil && agree {
			return leads, follow
		}
		select {
		case <-limit:
			c.t.Fatalf("nobody leads, or the others do not know of it: %+v", c.up[0].report().Standing)
		case <-time.After(glance):
		}
	}
}

// stop ends one of them.
func (c *trio) stop(s *service) {
	c.t.Helper()
	if err := s.stop(); err != nil {
		c.t.Fatal(err)
	}
	c.up[slices.Index(c.up, s)] = nil
}

// rewrite exchanges texts in the config file of one of them, which it then reads
// again.
func (p *place) rewrite(old, text string) {
	p.t.Helper()
	raw, err := os.ReadFile(p.cfg.Path())
	if err != nil || !strings.Contains(string(raw), old) {
		p.t.Fatalf("the config does not say %q (%v)", old, err)
	}
	if err := replaceFile(p.cfg.Path(), []byte(strings.Replace(string(raw), old, text, 1))); err != nil {
		p.t.Fatal(err)
	}
}

// spec 9.5 spec 7.3: of three controllers one leads; the others see the same,
// say who leads, and carry nothing out. When the leader stops in the middle of a
// move, another finishes it; no app is written twice.
func TestThreeControllers(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	leads, follow := c.leader()
	for _, s := range append(slices.Clone(follow), leads) {
		f := s.calm()
		if v := f.Regions[0].Verdict; v == nil || v.Configured != 3 || len(f.Notes) > 0 {
			t.Errorf("verdict %+v, notes %q", v, f.Notes)
		}
		s.until("every vantage votes", func(f control.FederationStatus) bool {
			return f.Regions[0].Verdict.For == 3 && len(f.Regions[0].Verdict.Votes) == 3
		})
	}
	leader := leads.report().Standing.Name
	for name, ask := range map[string]func(s *service) error{
		"a move": func(s *service) error {
			_, _, err := s.move(control.MoveRequest{To: standby, Reason: "leave", Overrides: []string{failover.NotReady}})
			return err
		},
		"a pause": func(s *service) error {
			_, err := s.client.Pause(t.Context(), control.BrakeRequest{Reason: "wait"})
			return err
		},
		"an undo": func(s *service) error {
			_, err := s.client.Undo(t.Context(), control.UndoRequest{Reason: "back"}, nil)
			return err
		},
	} {
		err := ask(follow[0])
		var f *control.Failure
		if !errors.As(err, &f) || f.Kind != control.Held || f.Rule != failover.NotLeader || !strings.Contains(f.Message, "controller "+leader+" leads") || f.Finding == nil {
			t.Errorf("%s that a follower was asked for: %v", name, err)
		}
	}
	d, err := follow[0].client.Plan(t.Context(), control.MoveRequest{To: standby})
	if err != nil || d.Plan == nil || len(d.Plan.Steps) != 6 {
		t.Errorf("a follower's plan: %+v, %v", d, err)
	}
	if c.places[0].puts("") > 0 {
		t.Error("something was written")
	}

	reached, open := c.places[0].gate()
	go func() {
		_, _ = leads.client.Move(context.WithoutCancel(t.Context()), control.MoveRequest{To: standby, Reason: "leave", Overrides: []string{failover.NotReady}}, nil)
	}()
	c.places[0].await("the first app is written", reached)
	follow[1].until("the others know of the move", func(control.FederationStatus) bool {
		h, err := follow[1].client.History(t.Context(), control.HistoryRequest{})
		return err == nil && len(h.Moves) == 1 && h.Moves[0].Result == nil
	})
	stopped := make(chan struct{})
	go func() { c.stop(leads); close(stopped) }()
	for !strings.Contains(leads.log.text(), "no step begins any more") {
		<-time.After(glance)
	}
	close(open)
	c.places[0].await("the leader has stopped", stopped)
	next, _ := c.leader()
	f := next.until("the move is finished", func(f control.FederationStatus) bool { return f.LastMove != nil && !f.Moving })
	if f.LastMove.Moved() != 6 {
		t.Errorf("the move ended %+v", f.LastMove)
	}
	c.places[0].wantEverywhere(standby, 1)
}

// spec 11.5: controllers whose configs differ hold auto until they agree; a
// person may move all the same.
func TestControllersDisagree(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	leads, follow := c.leader()
	for _, s := range append(slices.Clone(follow), leads) {
		s.calm()
	}
	other := c.places[slices.Index(c.up, follow[0])]
	other.rewrite("rise: 3", "rise: 4")
	leads.until("the configs differ", func(control.FederationStatus) bool {
		all := leads.report().Controllers
		return len(all) == 3 && slices.ContainsFunc(all, func(p control.Peer) bool { return p.Digest != all[0].Digest })
	})
	c.places[0].breaks(home, fault.Down)
	f := leads.until("the leader holds", func(f control.FederationStatus) bool {
		return f.Regions[0].State == health.Unhealthy && f.Decision.Rule == failover.ConfigDisagree
	})
	if !strings.Contains(f.Decision.Why, other.cfg.Store.Name) || c.places[0].puts("") > 0 {
		t.Errorf("%s; %d writes", f.Decision.Why, c.places[0].puts(""))
	}
	other.rewrite("rise: 4", "rise: 3")
	leads.until("they agree and auto moves", func(f control.FederationStatus) bool { return f.LastMove != nil && f.LastMove.Moved() == 6 })
	c.places[0].wantEverywhere(standby, 1)
}

// spec 9.5: without a majority nobody leads and nothing is moved; what is known
// is still shown, loudly as what it is.
func TestNoMajority(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	leads, follow := c.leader()
	for _, s := range append(slices.Clone(follow), leads) {
		s.calm()
	}
	c.stop(follow[0])
	c.stop(follow[1])
	leads.until("the leader has noticed", func(control.FederationStatus) bool {
		r := leads.report()
		return !r.Standing.Leads && r.Standing.Leader == "" && !r.Store.Quorum && len(r.Findings) > 0
	})
	c.places[0].breaks(home, fault.Down)
	f := leads.until("apps and Regions are still shown", func(f control.FederationStatus) bool {
		return len(f.Apps) == 6 && !f.Apps[0].ReadAt.IsZero() && f.Regions[0].State != health.Healthy
	})
	if f.Decision.Outcome != failover.Hold || c.places[0].puts("") > 0 {
		t.Errorf("decision %+v, %d writes", f.Decision, c.places[0].puts(""))
	}
	_, _, err := leads.move(control.MoveRequest{To: standby, Reason: "leave", Overrides: []string{failover.NotReady, failover.Quorum}})
	var held *control.Failure
	if !errors.As(err, &held) || held.Rule != failover.NotLeader || !strings.Contains(held.Message, "majority") {
		t.Errorf("a move without a majority: %v", err)
	}
}

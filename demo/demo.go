// Package demo is for the story: a Region's sign-in dies, the apps move, a real
// login proves it. It joins the product (app) with a simulated world (sandbox)
// and tells what happens, line by line.
//
// It must never hold a rule of its own, and never report what it has not seen
// happen.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/signin"
)

// Options say how the story is told.
type Options struct {
	Out   io.Writer
	JSON  bool // one object per line instead of prose
	Fast  bool // probe in quicker succession
	Keep  bool // go on until ctx ends
	Width int  // of a line of prose; 0 = 100
	// Partition is where the story happens: aws or aws-us-gov; "" is aws.
	Partition signin.Partition
	Version   string
	Log       *slog.Logger
	// During is called once the home Region is down: a test's way to spoil the
	// story. May be nil.
	During func(ctx context.Context, w *sandbox.World, cfg *config.Config)
}

// Summary is how it ended. Times are in milliseconds: DetectMS from the fault to
// the confirmed verdict, DecideMS from there to the decision, MoveMS from the
// start of the move to its last proof. AppsMoved counts the failover alone,
// ForbiddenCalls what was asked of IAM, Organizations, Account and the global
// STS from the fault to the proven move.
type Summary struct {
	Type           string  `json:"type"`
	OK             bool    `json:"ok"`
	Home           string  `json:"home"`    // the Region that breaks
	Standby        string  `json:"standby"` // where the apps move
	DetectMS       int64   `json:"detect_ms"`
	DecideMS       int64   `json:"decide_ms"`
	MoveMS         int64   `json:"move_ms"`
	AppsMoved      int     `json:"apps_moved"`
	ForbiddenCalls int     `json:"forbidden_calls"`
	Proof          string  `json:"proof"`
	RolesReady     int     `json:"roles_ready"`
	Roles          int     `json:"roles"`
	Logins         []Login `json:"logins"`
	// Failed are the checks that did not hold.
	Failed []string `json:"failed,omitempty"`
}

// Login is one sign-in that was tried. OK means that it reached a console.
type Login struct {
	Phase   string `json:"phase"` // before, during-outage, after-failover, after-failback
	App     string `json:"app"`
	User    string `json:"user"`
	OK      bool   `json:"ok"`
	Region  string `json:"region"` // "" when no console was reached
	Landing string `json:"landing"`
	Reason  string `json:"reason"` // "" when OK
}

// patience is how long the story waits for something that must happen.
const patience = 60 * time.Second

// Run tells the story. The error says what made it impossible to tell; whether
// every check held is in the Summary. With Keep it returns after ctx has ended.
func Run(ctx context.Context, o Options) (Summary, error) {
	s := &story{o: o, tell: newTeller(o), began: time.Now(), sum: Summary{Type: "summary"}}
	dir, err := os.MkdirTemp("", "samlfailover-demo-")
	if err != nil {
		return s.sum, fmt.Errorf("make a folder for the demo: %w", err)
	}
	s.dir = filepath.Join(dir, "world")
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			o.Log.Warn("the demo's folder could not be removed", "dir", dir, "error", err)
		}
	}()
	err = s.run(ctx)
	return s.sum, err
}

// story is one telling.
type story struct {
	o     Options
	tell  *teller
	began time.Time
	dir   string
	sum   Summary

	world *sandbox.World
	cfg   *config.Config
	news  *news

	home, standby string // Regions
}

// probing is how often the product asks in the demo.
func (s *story) probing() string {
	if s.o.Fast {
		return "interval: 500ms, fast_interval: 200ms, timeout: 3s, fall: 3, rise: 4"
	}
	return "interval: 2s, fast_interval: 500ms, timeout: 5s, fall: 3, rise: 4"
}

// run makes the world, starts the product in it, and goes through the chapters.
// Whatever it started has ended when it returns.
func (s *story) run(ctx context.Context) error {
	outer := ctx
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	failed := make(chan error, 2)
	start := func(what string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				failed <- fmt.Errorf("%s: %w", what, err)
				stop()
			}
		})
	}
	if err := s.makeWorld(); err != nil {
		return err
	}
	start("the simulated world", s.world.Run)
	service, ready, err := s.product()
	if err != nil {
		return err
	}
	start("the controller", service.Run)
	select {
	case <-ready:
	case <-ctx.Done():
	}
	err = s.chapters(ctx)
	select {
	case cause := <-failed:
		return errors.Join(cause, err)
	default:
	}
	if err == nil && s.o.Keep {
		s.keepOpen()
		<-ctx.Done()
	}
	if outer.Err() != nil && s.o.Keep {
		return nil
	}
	return err
}

// makeWorld makes the simulated world and the product's config in it.
func (s *story) makeWorld() error {
	var err error
	if s.world, err = sandbox.New(sandbox.Options{Probing: s.probing(), Seed: seed.Options{Partition: s.o.Partition}}); err != nil {
		return err
	}
	d := s.world.Demo()
	s.home, s.standby = d.Home().String(), d.Standby().String()
	s.sum.Home, s.sum.Standby = s.home, s.standby
	if err = errors.Join(s.world.Listen(), s.world.WriteDir(s.dir)); err != nil {
		s.world.Close()
		return err
	}
	if s.cfg, err = config.Load(filepath.Join(s.dir, "samlfailover.yaml"), config.Options{}); err != nil {
		s.world.Close()
	}
	return err
}

// product makes the controller; ready is closed once its socket answers.
func (s *story) product() (*app.Service, <-chan struct{}, error) {
	ready := make(chan struct{})
	s.news = newNews()
	service, err := app.New(app.Options{Setup: s.setup(), Version: s.o.Version, Prover: prover{s.world},
		OnMove: s.news.move, OnDecision: s.news.loop, Ready: func(string) { close(ready) }})
	return service, ready, err
}

// setup is the product's outer world: the config, and no environment at all, so
// that only the config leads it.
func (s *story) setup() app.Setup {
	return app.Setup{Config: s.cfg, Env: map[string]string{}, Log: s.o.Log}
}

func (s *story) chapters(ctx context.Context) error {
	s.opening()
	for _, chapter := range []func(context.Context) error{
		s.readiness, s.loginsBefore, s.outage, s.afterFailover, s.healed, s.failback,
	} {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the demo was interrupted: %w", err)
		}
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	s.sum.OK = len(s.sum.Failed) == 0
	return s.tell.summary(s.sum, time.Since(s.began))
}

// check notes a check that must hold.
func (s *story) check(held bool, format string, args ...any) {
	if held {
		return
	}
	what := fmt.Sprintf(format, args...)
	s.sum.Failed = append(s.sum.Failed, what)
	s.tell.say("CHECK FAILED: %s", what)
}

// keepOpen says how to go on playing.
func (s *story) keepOpen() {
	s.tell.chapter("STILL RUNNING")
	s.tell.say("The world and the controller stay up until you press Ctrl-C. In another shell, with samlfailover from go install ./cmd/samlfailover:")
	for _, l := range []string{". " + filepath.Join(s.dir, "env"), "samlfailover status", "samlfailover sandbox fault " + s.home + " down",
		"samlfailover sandbox login", "samlfailover explain", "samlfailover sandbox heal"} {
		s.tell.say("  %s", l)
	}
}

// client speaks to the controller as the command line does.
func (s *story) client() (*app.Client, error) { return app.Dial(s.cfg.Store.Dir) }

// trust opens the trust use cases as the command line does.
func (s *story) trust() (*app.TrustRun, error) {
	return app.OpenTrust(s.setup(), "", people.Local("demo", people.CLI), nil)
}

package controller

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// paced is a tenant that keeps its pace: 10 calls per second, as the adapters
// do. A wait that would outlast the deadline fails at once.
type paced struct {
	*world
	pace *rate.Limiter
}

func (p paced) Read(ctx context.Context, app federation.AppRef) (idp.App, time.Time, error) {
	if err := p.pace.Wait(ctx); err != nil {
		return idp.App{}, time.Time{}, err
	}
	return p.world.Read(ctx, app)
}

// Many apps behind one paced tenant are all read: none is left out of a move
// because others stood before it in the queue.
// spec 9.3
func TestManyAppsAreAllRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		f := federation.Federation{Name: "corp", Partition: signin.AWS, Regions: []signin.Region{east, west}, Policy: federation.Policy{Mode: federation.Auto, AcceptFewerVantages: true}}
		for i := range 200 {
			name := fmt.Sprintf("app%d", i)
			f.Apps = append(f.Apps, federation.AppRef{Name: name, Tenant: "okta", ID: name})
			w.at[name] = east
		}
		c, err := New(Config{Federation: f, Vantages: []failover.Vantage{{Name: "here"}}, Apps: paced{w, rate.NewLimiter(10, 10)}, Verdicts: w, Changed: w.changed,
			Shares: w, Moves: w, Mover: w, Recorder: w, Events: w.hear, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		<-time.After(time.Minute)
		read := 0
		for _, a := range c.Status().Apps {
			if !a.ReadAt.IsZero() && a.Error == nil {
				read++
			}
		}
		if read != len(f.Apps) {
			t.Errorf("%d of %d apps were read", read, len(f.Apps))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

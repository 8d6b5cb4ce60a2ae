package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/move/memory"
	"github.com/samlfailover/samlfailover/federation"
)

// kept are brakes in memory.
func kept() move.Brakes {
	j, _ := memory.New().Lead()
	return j
}

// twoFederations is corp with labs beside it; both have an app called dev.
func twoFederations(l *loop) (*Control, *[]string) {
	ctl, log := newControl(l)
	labs := corp()
	labs.Name, labs.Apps = "labs", []federation.AppRef{{Name: "dev", Tenant: "onelogin", ID: "7"}, {Name: "test", Tenant: "okta", ID: "8"}}
	ctl.Federations, ctl.Loops["labs"] = append(ctl.Federations, labs), &loop{}
	return ctl, log
}

// spec 14: each kind of brake is recorded, then set, and the loops look again.
func TestBrakesAreSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			why     string
			lock    bool
			r       BrakeRequest
			about   string
			until   time.Duration
			kicked  bool // corp's loop
			applies string
		}{
			{"everything is paused", false, BrakeRequest{Reason: "x"}, "every federation", 0, true, ""},
			{"one federation is paused for a while", false, BrakeRequest{Federation: "labs", Reason: "x", For: "2h"}, "federation labs", 2 * time.Hour, false, "labs"},
			{"an app is locked by its name", true, BrakeRequest{App: "prod", Reason: "x"}, "app okta/1", 0, true, "corp"},
			{"an app is locked by its id", true, BrakeRequest{App: "8", Reason: "x", For: "90s"}, "app okta/8", 90 * time.Second, false, "labs"},
			{"an app is locked by tenant and id", true, BrakeRequest{App: "onelogin/7", Reason: "x"}, "app onelogin/7", 0, false, "labs"},
			{"one of two apps of the same name", true, BrakeRequest{App: "dev", Federation: "labs", Reason: "x"}, "app onelogin/7", 0, false, "labs"},
			{"a federation is locked", true, BrakeRequest{Federation: "corp", Reason: "x"}, "federation corp", 0, true, "corp"},
			{"everything is locked", true, BrakeRequest{All: true, Reason: "x"}, "every federation", 0, true, ""},
		} {
			l := &loop{status: controller.Status{Moving: true}}
			ctl, log := twoFederations(l)
			set, action := ctl.Pause, "pause.set"
			if c.lock {
				set, action = ctl.Lock, "lock.set"
			}
			got, err := set(t.Context(), ada, c.r)
			if err != nil {
				t.Errorf("%s: %v", c.why, err)
				continue
			}
			b := got.Brake
			if b.What() != c.about || b.Federation != c.applies || b.By != "ada via socket" || !b.Since.Equal(time.Now()) || !strings.HasPrefix(b.ID, string(b.Kind)+"-") {
				t.Errorf("%s: %+v", c.why, b)
			}
			if c.until == 0 && !b.Until.IsZero() || c.until > 0 && b.Until.Sub(b.Since) != c.until {
				t.Errorf("%s: until %s", c.why, b.Until)
			}
			if len(*log) != 1 || !strings.HasPrefix((*log)[0], "ada via socket | "+action+" | "+c.about+" | ") {
				t.Errorf("%s: recorded %q", c.why, *log)
			}
			if c.kicked != (l.kicked == 1) || c.kicked != (len(got.Moving) == 1) {
				t.Errorf("%s: corp's loop was woken %d times, said to move: %v", c.why, l.kicked, got.Moving)
			}
			for _, f := range ctl.Status(t.Context(), ada).Federations {
				if shown := len(f.Brakes) == 1 && f.Brakes[0] == b; shown != (c.applies == "" || c.applies == f.Name) {
					t.Errorf("%s: status of %s shows %v", c.why, f.Name, f.Brakes)
				}
			}
		}
	})
}

// Each bad request is refused with the words that help, before anything is
// recorded or set.
func TestBadBrakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		lock bool
		r    BrakeRequest
		kind Kind
		says []string
	}{
		{"no reason", false, BrakeRequest{}, Invalid, []string{"--reason"}},
		{"a reason too long", true, BrakeRequest{App: "prod", Reason: strings.Repeat("x", maxReason+1)}, Invalid, []string{"1001"}},
		{"a pause of an app", false, BrakeRequest{App: "prod", Reason: "x"}, Invalid, []string{"samlfailover lock --app"}},
		{"a federation that does not exist", false, BrakeRequest{Federation: "crop", Reason: "x"}, NotFound, []string{"corp, labs"}},
		{"a lock of nothing", true, BrakeRequest{Reason: "x"}, Invalid, []string{"--app", "--federation", "--all"}},
		{"a lock of everything and of one app", true, BrakeRequest{App: "prod", All: true, Reason: "x"}, Invalid, []string{"--all"}},
		{"an app that does not exist", true, BrakeRequest{App: "prdo", Reason: "x"}, NotFound, []string{"prod", "test"}},
		{"an app of another federation", true, BrakeRequest{App: "prod", Federation: "labs", Reason: "x"}, NotFound, []string{"dev, test"}},
		{"a name that two apps have", true, BrakeRequest{App: "dev", Reason: "x"}, Invalid, []string{"okta/2 or onelogin/7"}},
		{"no time", false, BrakeRequest{Reason: "x", For: "tomorrow"}, Invalid, []string{"tomorrow", "90m"}},
		{"a time that has passed", false, BrakeRequest{Reason: "x", For: "-2h"}, Invalid, []string{"-2h"}},
		{"a time without end", true, BrakeRequest{App: "prod", Reason: "x", For: "100000h"}, Invalid, []string{"until it is released"}},
	} {
		ctl, log := twoFederations(&loop{})
		set := ctl.Pause
		if c.lock {
			set = ctl.Lock
		}
		_, err := set(t.Context(), ada, c.r)
		wantFailure(t, err, c.kind, c.says...)
		if set, berr := ctl.Brakes.Brakes(t.Context()); berr != nil || len(set)+len(*log) > 0 {
			t.Errorf("%s: set %v, recorded %v (%v)", c.why, set, *log, berr)
		}
	}
}

// spec 14: the saboteur is a record that cannot be written: nothing is set and
// nothing is released.
func TestBrakesWithoutRecord(t *testing.T) {
	t.Parallel()
	ctl, _ := newControl(&loop{})
	set, err := ctl.Pause(t.Context(), ada, BrakeRequest{Reason: "x"})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	ctl.Record = recorder{err: full}
	if _, err := ctl.Lock(t.Context(), ada, BrakeRequest{All: true, Reason: "x"}); !errors.Is(err, full) {
		t.Errorf("lock: %v", err)
	}
	if _, err := ctl.Resume(t.Context(), ada, ReleaseRequest{All: true}); !errors.Is(err, full) {
		t.Errorf("resume: %v", err)
	}
	if have, err := ctl.Brakes.Brakes(t.Context()); err != nil || len(have) != 1 || have[0] != set.Brake {
		t.Errorf("set are %v (%v)", have, err)
	}
}

// Which pauses a resume releases, and what it says still holds.
func TestResume(t *testing.T) {
	t.Parallel()
	all := []failover.Brake{{ID: "p1", Kind: failover.BrakePause}, {ID: "p2", Kind: failover.BrakePause, Federation: "corp"},
		{ID: "p3", Kind: failover.BrakePause, Federation: "labs"}, {ID: "l1", Kind: failover.BrakeLock, Federation: "corp"}}
	for _, c := range []struct {
		why            string
		set            []failover.Brake
		r              ReleaseRequest
		released, left string
		kind           Kind
		says           string
	}{
		{"by id", all, ReleaseRequest{ID: "p2"}, "p2", "p1 p3", "", ""},
		{"of a federation: the one of everything stays and is shown", all, ReleaseRequest{Federation: "corp"}, "p2", "p1 p3", "", ""},
		{"all", all, ReleaseRequest{All: true}, "p1 p2 p3", "", "", ""},
		{"the only one need not be named", all[2:], ReleaseRequest{}, "p3", "", "", ""},
		{"one of several must be named", all, ReleaseRequest{}, "", "", Invalid, "p1 (every federation), p2 (federation corp)"},
		{"nothing is paused", all[3:], ReleaseRequest{}, "", "", "", ""},
		{"nothing is paused there", all[2:], ReleaseRequest{Federation: "corp"}, "", "p3", "", ""},
		{"an id that is not there", all, ReleaseRequest{ID: "p9"}, "", "", NotFound, "p3"},
		{"the id of a lock", all, ReleaseRequest{ID: "l1"}, "", "", NotFound, "no pause"},
		{"two ways at once", all, ReleaseRequest{ID: "p1", All: true}, "", "", Invalid, "one of them"},
		{"a federation that does not exist", all, ReleaseRequest{Federation: "crop"}, "", "", NotFound, "corp, labs"},
	} {
		l := &loop{}
		ctl, log := twoFederations(l)
		put(t, ctl.Brakes, c.set)
		got, err := ctl.Resume(t.Context(), ada, c.r)
		if c.kind != "" {
			wantFailure(t, err, c.kind, c.says)
			continue
		}
		if err != nil || ids(got.Released) != c.released || ids(got.Left) != c.left {
			t.Errorf("%s: released %q, left %q, error %v", c.why, ids(got.Released), ids(got.Left), err)
		}
		have, err := ctl.Brakes.Brakes(t.Context())
		if err != nil || len(have) != len(c.set)-len(got.Released) || len(*log) != len(got.Released) {
			t.Errorf("%s: set are %v (%v), recorded %q", c.why, have, err, *log)
		}
	}
}

func put(t *testing.T, to move.Brakes, brakes []failover.Brake) {
	t.Helper()
	for _, b := range brakes {
		if err := to.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(brakes []failover.Brake) string {
	var out []string
	for _, b := range brakes {
		out = append(out, b.ID)
	}
	return strings.Join(out, " ")
}

func TestUnlock(t *testing.T) {
	t.Parallel()
	l := &loop{}
	ctl, log := newControl(l)
	put(t, ctl.Brakes, []failover.Brake{{ID: "l1", Kind: failover.BrakeLock, App: "okta/1", Federation: "corp"}, {ID: "l2", Kind: failover.BrakeLock}, {ID: "p1", Kind: failover.BrakePause}})
	got, err := ctl.Unlock(t.Context(), ada, ReleaseRequest{ID: "l1"})
	if err != nil || ids(got.Released) != "l1" || ids(got.Left) != "l2" || l.kicked != 1 || len(*log) != 1 || !strings.Contains((*log)[0], "lock.released | app okta/1") {
		t.Errorf("%+v, %v; woken %d times, recorded %q", got, err, l.kicked, *log)
	}
	for _, r := range []ReleaseRequest{{}, {ID: "l1"}, {ID: "p1"}} {
		_, err = ctl.Unlock(t.Context(), ada, r)
		wantFailure(t, err, NotFound, "l2")
	}
	_, err = ctl.Unlock(t.Context(), ada, ReleaseRequest{All: true})
	wantFailure(t, err, Invalid, "by its id")
}

// unread are brakes that cannot be read.
type unread struct{}

func (unread) Brakes(context.Context) ([]failover.Brake, error) { return nil, errors.New("store gone") }
func (unread) Put(context.Context, failover.Brake) error        { return nil }
func (unread) Release(context.Context, string) error            { return nil }

// A status without the brakes says so: nobody must think that nothing is set.
func TestUnreadBrakesAreSaid(t *testing.T) {
	t.Parallel()
	ctl, _ := newControl(&loop{})
	ctl.Brakes = unread{}
	if notes := strings.Join(ctl.Status(t.Context(), ada).Federations[0].Notes, "\n"); !strings.Contains(notes, "cannot be read: store gone") {
		t.Errorf("notes %q", notes)
	}
}

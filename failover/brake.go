package failover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
)

// BrakeKind says what a brake stops.
type BrakeKind string

// The kinds of brakes.
const (
	// BrakePause: no move starts where it applies.
	BrakePause BrakeKind = "pause"
	// BrakeLock: what it names is not written by any move or undo.
	BrakeLock BrakeKind = "lock"
)

// Brake is a pause or a lock that a person has set. It holds until it is
// released, or until Until where that is set.
type Brake struct {
	ID         string    `json:"id"`
	Kind       BrakeKind `json:"kind"`
	Federation string    `json:"federation,omitempty"` // "" = every federation
	App        string    `json:"app,omitempty"`        // federation.AppRef.String; "" = every app of it
	By         string    `json:"by"`
	Reason     string    `json:"reason"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until,omitzero"`
}

// Holds reports whether the brake has not run out at now. A brake holds from
// the moment it is known, whatever the clock of who set it said.
func (b Brake) Holds(now time.Time) bool { return b.Until.IsZero() || now.Before(b.Until) }

// Applies reports whether the brake is about a federation or something in it.
func (b Brake) Applies(federationName string) bool {
	return b.Federation == "" || b.Federation == federationName
}

// Covers reports whether the brake is about this app of this federation.
func (b Brake) Covers(federationName string, app federation.AppRef) bool {
	return b.Applies(federationName) && (b.App == "" || b.App == app.String())
}

// What names what the brake is about, for people.
func (b Brake) What() string {
	switch {
	case b.App != "":
		return "app " + b.App
	case b.Federation != "":
		return "federation " + b.Federation
	}
	return "every federation"
}

// String says who has braked what, until when and why.
func (b Brake) String() string {
	verb := "paused"
	if b.Kind == BrakeLock {
		verb = "locked"
	}
	until := "until it is released"
	if !b.Until.IsZero() {
		until = "until " + clock(b.Until)
	}
	return fmt.Sprintf("%s %s %s at %s, %s: %s", b.By, verb, b.What(), clock(b.Since), until, b.Reason)
}

// Release is the command that ends the brake.
func (b Brake) Release() string {
	if b.Kind == BrakeLock {
		return "samlfailover unlock " + b.ID
	}
	return "samlfailover resume " + b.ID
}

// LockOn returns the lock that keeps an app from being written at now, the
// first listed if there are several.
func LockOn(brakes []Brake, federationName string, app federation.AppRef, now time.Time) (Brake, bool) {
	i := slices.IndexFunc(brakes, func(b Brake) bool {
		return b.Kind == BrakeLock && b.Holds(now) && b.Covers(federationName, app)
	})
	if i < 0 {
		return Brake{}, false
	}
	return brakes[i], true
}

// LockFinding says that an app is not written because of a lock.
func LockFinding(app federation.AppRef, lock Brake) finding.Finding {
	return finding.Finding{Code: finding.AppLocked, Subject: "app " + app.Name, What: "the app is locked and is not written",
		Why: lock.String(), Remedy: "end the lock with: " + lock.Release() + "; or do the hand steps"}
}

// braking returns the brakes that hold for the federation now, of one kind if
// one is given.
func (v *view) braking(kind BrakeKind) []Brake {
	var out []Brake
	for _, b := range v.s.Brakes {
		if b.Applies(v.s.Federation.Name) && b.Holds(v.s.Now) && (kind == "" || b.Kind == kind) {
			out = append(out, b)
		}
	}
	return out
}

// putsAside reports whether the operator who asks has overridden a rule.
func (v *view) putsAside(rule string) bool {
	return v.s.Request != nil && slices.Contains(v.s.Request.Overrides, rule)
}

func checkPaused(v *view) ruling {
	pauses := v.braking(BrakePause)
	if len(pauses) == 0 {
		return pass("not paused")
	}
	why, release := brakeWords(pauses)
	return hold(why, "the end of the pause: "+release+", or an operator: "+v.command(Paused))
}

// checkLocked holds when every app that should move is locked. Locks never come
// into the job otherwise: a locked app is left where it is, and the others move.
func checkLocked(v *view) ruling {
	var locks []Brake
	locked := 0
	seen := func(ref federation.AppRef) {
		b, ok := LockOn(v.s.Brakes, v.s.Federation.Name, ref, v.s.Now)
		if !ok {
			return
		}
		locked++
		if !slices.Contains(locks, b) {
			locks = append(locks, b)
		}
	}
	if v.putsAside(Locked) {
		for _, a := range v.moving {
			seen(a.ref)
		}
	} else {
		for _, l := range v.left {
			if l.Blocking {
				seen(l.App)
			}
		}
	}
	why, release := brakeWords(locks)
	switch {
	case locked == 0:
		return pass("no app that should move is locked")
	case !v.putsAside(Locked) && len(v.moving) > 0:
		return pass(fmt.Sprintf("%s locked and left where they are: %s", apps(locked), why))
	}
	return hold(why, "the end of the lock: "+release+", or an operator: "+v.command(Locked))
}

// brakeWords tells brakes and what ends them.
func brakeWords(brakes []Brake) (why, release string) {
	var said, commands []string
	for _, b := range brakes {
		said, commands = append(said, b.String()), append(commands, b.Release())
	}
	return strings.Join(said, "; "), strings.Join(commands, ", ")
}

package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/people"
)

// BrakeRequest asks for a pause or a lock. A pause without a federation is one
// of everything; a lock of everything says so with All. For is how long it
// holds, such as "2h"; without it, it holds until somebody releases it.
type BrakeRequest struct {
	Federation string `json:"federation,omitempty"`
	App        string `json:"app,omitempty"`
	All        bool   `json:"all,omitempty"`
	Reason     string `json:"reason"`
	For        string `json:"for,omitempty"`
}

// BrakeAnswer is the brake that was set, and what it does not stop any more:
// the federations with a move that runs at this moment.
type BrakeAnswer struct {
	Brake  Brake    `json:"brake"`
	Moving []string `json:"moving,omitempty"`
}

// ReleaseRequest names what to release: one brake by its id, the pauses of one
// federation, or all pauses. Naming nothing is enough while only one is set.
type ReleaseRequest struct {
	ID         string `json:"id,omitempty"`
	Federation string `json:"federation,omitempty"`
	All        bool   `json:"all,omitempty"`
}

// ReleaseAnswer lists what was released and what still holds there.
type ReleaseAnswer struct {
	Released []Brake `json:"released"`
	Left     []Brake `json:"left,omitempty"`
}

// longestBrake bounds how long a brake with an end may hold: a longer one is
// meant to be released by a person.
const longestBrake = 366 * 24 * time.Hour

// Pause keeps moves from starting, of one federation or of all.
func (c *Control) Pause(ctx context.Context, actor Actor, r BrakeRequest) (BrakeAnswer, error) {
	if r.App != "" || r.All {
		return BrakeAnswer{}, fail(Invalid, "a pause is of one federation or of everything; to keep an app from being written use: samlfailover lock --app APP --reason TEXT")
	}
	b := failover.Brake{Kind: failover.BrakePause}
	if r.Federation != "" {
		f, _, err := c.federation(actor, people.Operator, r.Federation)
		if err != nil {
			return BrakeAnswer{}, err
		}
		b.Federation = f.Name
	}
	return c.brake(ctx, actor, r, b)
}

// Lock keeps an app, the apps of a federation, or every app from being written
// by any move or undo.
func (c *Control) Lock(ctx context.Context, actor Actor, r BrakeRequest) (BrakeAnswer, error) {
	b := failover.Brake{Kind: failover.BrakeLock}
	switch {
	case r.All && (r.App != "" || r.Federation != ""), !r.All && r.App == "" && r.Federation == "":
		return BrakeAnswer{}, fail(Invalid, "say what to lock: --app APP, --federation NAME, or --all for every app")
	case r.App != "":
		f, app, err := c.app(actor, r.Federation, r.App)
		if err != nil {
			return BrakeAnswer{}, err
		}
		b.Federation, b.App = f.Name, app.String()
	case !r.All:
		f, _, err := c.federation(actor, people.Operator, r.Federation)
		if err != nil {
			return BrakeAnswer{}, err
		}
		b.Federation = f.Name
	}
	return c.brake(ctx, actor, r, b)
}

// brake records and sets a brake.
func (c *Control) brake(ctx context.Context, actor Actor, r BrakeRequest, b failover.Brake) (BrakeAnswer, error) {
	if err := checkReason(r.Reason); err != nil {
		return BrakeAnswer{}, err
	}
	if err := c.mayWrite(actor, b.Federation); err != nil {
		return BrakeAnswer{}, err
	}
	b.ID = string(b.Kind) + "-" + strings.ToLower(rand.Text()[:5])
	b.By, b.Reason, b.Since = actor.String(), r.Reason, time.Now().UTC()
	if r.For != "" {
		d, err := time.ParseDuration(r.For)
		if err != nil || d < time.Second || d > longestBrake {
			return BrakeAnswer{}, fail(Invalid, "--for %.40q: write a time from 1s to %s, such as 90m or 2h; without it the %s holds until it is released", r.For, longestBrake, b.Kind)
		}
		b.Until = b.Since.Add(d)
	}
	if err := c.Record.Record(ctx, actor.String(), string(b.Kind)+".set", b.What(), b); err != nil {
		return BrakeAnswer{}, notRecorded(err)
	}
	if err := c.Brakes.Put(ctx, b); err != nil {
		return BrakeAnswer{}, fmt.Errorf("set the %s: %w", b.Kind, err)
	}
	return BrakeAnswer{Brake: b, Moving: c.look(b)}, nil
}

// look wakes the loops that a brake is about; it returns those in a move.
func (c *Control) look(b failover.Brake) (moving []string) {
	for _, f := range c.Federations {
		if !b.Applies(f.Name) {
			continue
		}
		c.Loops[f.Name].Kick()
		if c.Loops[f.Name].Status().Moving {
			moving = append(moving, f.Name)
		}
	}
	return moving
}

// Resume releases pauses.
func (c *Control) Resume(ctx context.Context, actor Actor, r ReleaseRequest) (ReleaseAnswer, error) {
	given := 0
	for _, one := range []bool{r.ID != "", r.Federation != "", r.All} {
		if one {
			given++
		}
	}
	if given > 1 {
		return ReleaseAnswer{}, fail(Invalid, "name the pause by its id, by --federation, or --all: one of them")
	}
	if r.Federation != "" {
		if _, _, err := c.federation(actor, people.Viewer, r.Federation); err != nil {
			return ReleaseAnswer{}, err
		}
	}
	pauses, err := c.brakesOf(ctx, actor, failover.BrakePause)
	if err != nil {
		return ReleaseAnswer{}, err
	}
	chosen := slices.DeleteFunc(slices.Clone(pauses), func(b failover.Brake) bool {
		return r.ID != "" && b.ID != r.ID || r.Federation != "" && b.Federation != r.Federation
	})
	switch {
	case len(chosen) == 0 && r.ID != "":
		return ReleaseAnswer{}, fail(NotFound, "no pause has the id %.60q; set: %s", r.ID, brakeIDs(pauses))
	case len(chosen) == 0:
		return ReleaseAnswer{Released: []Brake{}, Left: pauses}, nil
	case given == 0 && len(chosen) > 1:
		return ReleaseAnswer{}, fail(Invalid, "%d pauses are set; name one by its id, or use --federation or --all: %s", len(chosen), brakeIDs(chosen))
	}
	return c.release(ctx, actor, chosen, pauses)
}

// Unlock releases one lock, by its id.
func (c *Control) Unlock(ctx context.Context, actor Actor, r ReleaseRequest) (ReleaseAnswer, error) {
	if r.Federation != "" || r.All {
		return ReleaseAnswer{}, fail(Invalid, "a lock is released by its id; status lists the locks")
	}
	locks, err := c.brakesOf(ctx, actor, failover.BrakeLock)
	if err != nil {
		return ReleaseAnswer{}, err
	}
	i := slices.IndexFunc(locks, func(b failover.Brake) bool { return b.ID == r.ID })
	if i < 0 {
		return ReleaseAnswer{}, fail(NotFound, "no lock has the id %.60q; set: %s", r.ID, brakeIDs(locks))
	}
	return c.release(ctx, actor, locks[i:i+1], locks)
}

// release records and releases brakes of all that are set.
func (c *Control) release(ctx context.Context, actor Actor, chosen, all []failover.Brake) (ReleaseAnswer, error) {
	out := ReleaseAnswer{}
	for _, b := range chosen {
		if err := c.mayWrite(actor, b.Federation); err != nil {
			return out, err
		}
	}
	for _, b := range chosen {
		if err := c.Record.Record(ctx, actor.String(), string(b.Kind)+".released", b.What(), b); err != nil {
			return out, notRecorded(err)
		}
		if err := c.Brakes.Release(ctx, b.ID); err != nil && !errors.Is(err, move.ErrNoBrake) {
			return out, fmt.Errorf("release the %s %s: %w", b.Kind, b.ID, err)
		}
		out.Released = append(out.Released, b)
	}
	for _, b := range all {
		if !slices.Contains(chosen, b) {
			out.Left = append(out.Left, b)
		}
	}
	for _, b := range chosen {
		c.look(b)
	}
	return out, nil
}

// brakesOf returns the brakes of one kind that the actor may see.
func (c *Control) brakesOf(ctx context.Context, actor Actor, kind failover.BrakeKind) ([]failover.Brake, error) {
	all, err := c.Brakes.Brakes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the pauses and locks: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(b failover.Brake) bool {
		return b.Kind != kind || b.Federation != "" && !actor.Sees(b.Federation)
	}), nil
}

// brakeIDs lists brakes for a message.
func brakeIDs(brakes []failover.Brake) string {
	if len(brakes) == 0 {
		return "none"
	}
	var out []string
	for _, b := range brakes {
		out = append(out, b.ID+" ("+b.What()+")")
	}
	return strings.Join(out, ", ")
}

// app finds an app by its name, its id, or TENANT/ID, in one federation or in
// all.
func (c *Control) app(actor Actor, federationName, name string) (federation.Federation, federation.AppRef, error) {
	in, err := c.within(actor, federationName)
	if err != nil {
		return federation.Federation{}, federation.AppRef{}, err
	}
	var of federation.Federation
	var found []federation.AppRef
	var names []string
	for _, f := range in {
		for _, a := range f.Members() {
			names = append(names, a.Name)
			if name == a.Name || name == a.ID || name == a.String() {
				of, found = f, append(found, a)
			}
		}
	}
	const shown = 20
	switch {
	case len(found) == 1:
		return of, found[0], nil
	case len(found) > 1:
		var full []string
		for _, a := range found {
			full = append(full, a.String())
		}
		return of, federation.AppRef{}, fail(Invalid, "%d apps are called %.100q; name one with --federation, or as %s", len(found), name, strings.Join(full, " or "))
	case len(names) > shown:
		names = append(names[:shown], "...")
	}
	return of, federation.AppRef{}, fail(NotFound, "no app is called %.100q; the config has: %s", name, strings.Join(names, ", "))
}

// checkReason refuses an act without words for the record.
func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fail(Invalid, "say why, with --reason: it goes into the record that others will read")
	}
	if n := utf8.RuneCountInString(reason); n > maxReason {
		return fail(Invalid, "the reason has %d characters, and at most %d go into a record; make it shorter", n, maxReason)
	}
	return nil
}

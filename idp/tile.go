package idp

import (
	"context"
	"fmt"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Publisher is the optional ability of a Codec to show and hide an app's tile
// in the portal. It changes nobody's access: who is assigned stays assigned.
type Publisher interface {
	// Publish returns the changes that show or hide the tile; none when it is so
	// already. It refuses what Describe calls not movable.
	Publish(d Document, show bool) ([]Change, error)
}

// Publish is the Publisher of a codec, if it is one.
func Publish(c Codec, d Document, show bool) ([]Change, error) {
	p, ok := c.(Publisher)
	if !ok {
		return nil, finding.Finding{Code: finding.UnsupportedKind, Subject: subject(d.ID), What: "the tiles of this tenant cannot be shown or hidden from here",
			Remedy: "show or hide the app's tile in the portal by hand"}
	}
	return p.Publish(d, show)
}

// Tile is what a step makes of a standby app: its tile is shown or hidden, and
// its endpoint has to be in the Region for which it stands in. Ours says that
// we may change the tile; without it the app is only looked at.
type Tile struct {
	Region signin.Region
	Show   bool
	Ours   bool
}

// StepTile shows or hides one app's tile, through the same read, check, write
// and compare as Step. It never changes where the app signs in.
func StepTile(ctx context.Context, t Tenant, c Codec, id AppID, tile Tile, h Hooks) (StepResult, error) {
	if !tile.Ours {
		return lookAtTile(ctx, t, c, id, tile)
	}
	return StepChanges(ctx, t, c, id, func(now Document, app App) ([]Change, []finding.Finding, error) {
		if err := tile.at(app); err != nil {
			return nil, nil, err
		}
		changes, err := Publish(c, now, tile.Show)
		if err == nil && len(changes) == 0 && app.Hidden == tile.Show {
			err = finding.Finding{Code: finding.UnsupportedKind, Subject: app.Subject(), What: "how this app's tile is " + tile.word() + " is not known",
				Remedy: "set the tile to " + tile.word() + " by hand"}
		}
		return changes, nil, err
	}, h)
}

// lookAtTile is the step of a tile that people show and hide: it succeeds if
// they have.
func lookAtTile(ctx context.Context, t Tenant, c Codec, id AppID, tile Tile) (StepResult, error) {
	doc, err := t.Read(ctx, id)
	if err != nil {
		return StepResult{Calls: 1}, err
	}
	app := c.Describe(doc)
	out := StepResult{App: app, Before: doc, After: doc, Calls: 1, Findings: app.Findings, Already: true}
	if err := tile.at(app); err != nil {
		return out, err
	}
	if app.Hidden == tile.Show {
		out.Already = false
		return out, finding.Finding{Code: finding.TileByHand, Subject: app.Subject(), What: "the app's tile has to be " + tile.word() + " in the portal, and that is for people to do",
			Why: "the config does not allow it to us (unhide)", Remedy: "set the tile of " + app.Subject() + " to " + tile.word() + " by hand"}
	}
	return out, nil
}

// word names what the tile becomes.
func (t Tile) word() string {
	if t.Show {
		return "shown"
	}
	return "hidden"
}

// at refuses an app that signs in elsewhere than the config says: its tile would
// lead people astray.
func (t Tile) at(app App) error {
	if app.Region() == t.Region && !app.ACS.IsZero() {
		return nil
	}
	return finding.Finding{Code: finding.StandbyUnusable, Subject: app.Subject(), What: fmt.Sprintf("the app stands in for %s and does not sign in there", t.Region),
		Why: fmt.Sprintf("its endpoint is %q", clip(app.ACSText)), Remedy: "set its endpoint to that of " + t.Region.String() + " in the IdP, or correct standby in the config"}
}

// Switch returns the change that gives a key of a document the value true or
// false, if it has another; a key that is absent counts as false.
func Switch(v Value, p Pointer, want bool) ([]Change, error) {
	at, there := v.At(p)
	now := string(at.Raw())
	switch {
	case there && now != "true" && now != "false":
		return nil, fmt.Errorf("%s holds %s, not true or false", p, clip(now))
	case (now == "true") == want:
		return nil, nil
	}
	c := Change{Pointer: p, After: []byte(fmt.Sprint(want))}
	if there {
		c.Before = at.Raw()
	}
	return []Change{c}, nil
}

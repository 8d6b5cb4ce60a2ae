package failover

import (
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Undoing is what an operator's undo takes back (spec 4.1): a finished move,
// and for each app that it wrote the Region that the app came from.
type Undoing struct {
	Move MoveID    `json:"move"`
	Apps []UndoApp `json:"apps"`
	// Whole makes it a full restore: the one app's whole document goes back as it
	// was before the move. Other people always have to approve that (spec 4.2).
	Whole *Whole `json:"whole,omitempty"`
}

// Whole is what a full restore puts back. An approval binds all of it.
type Whole struct {
	Stored string       `json:"stored"` // SHA-256 of the stored document
	Seen   string       `json:"seen"`   // SHA-256 of all in which the app differed from it
	Back   []idp.Change `json:"back"`   // from the stored value to the one that the app held
}

// UndoApp is one app of an undo; To is where it goes back to.
type UndoApp struct {
	App federation.AppRef `json:"app"`
	To  signin.Region     `json:"to"`
}

// undo returns what the request takes back, nil if it is no undo.
func (v *view) undo() *Undoing {
	if v.s.Request == nil {
		return nil
	}
	return v.s.Request.Undoes
}

// undoing works out an undo: each app goes back to where it came from. What of
// it still stands is for the step to find out, which reads for itself.
func (v *view) undoing(u Undoing) {
	v.cause, v.to = Switchover, v.s.Request.To
	for _, back := range u.Apps {
		app := back.App
		if s, ok := v.s.Federation.Standby(app); ok {
			app = s.For
		}
		i := slices.IndexFunc(v.apps, func(a appView) bool { return a.ref.Same(app) })
		if i < 0 {
			v.left = append(v.left, Left{App: back.App, Why: "is not in the federation any more", Blocking: true})
			continue
		}
		if slices.ContainsFunc(v.moving, func(a appView) bool { return a.ref == v.apps[i].ref }) {
			continue // another of its tiles
		}
		if !v.locked(v.apps[i]) {
			v.moving = append(v.moving, v.apps[i])
		}
	}
}

// targets are the Regions that the job leads to: one, but for an undo of a move
// that gathered apps from several.
func (v *view) targets() []signin.Region {
	u := v.undo()
	if u == nil {
		return []signin.Region{v.to}
	}
	var out []signin.Region
	for _, back := range u.Apps {
		if !slices.Contains(out, back.To) {
			out = append(out, back.To)
		}
	}
	return out
}

// undoWhy says why the undo happens now.
func (v *view) undoWhy(u Undoing) string {
	if u.Whole != nil {
		return fmt.Sprintf("app %s to put back whole as it was before move %s, because %s asks for it: %s", u.Apps[0].App.Name, u.Move, v.s.Request.By, v.s.Request.Reason)
	}
	return fmt.Sprintf("%s to take back what move %s wrote, because %s asks for it: %s", apps(len(v.moving)), u.Move, v.s.Request.By, v.s.Request.Reason)
}

package failover

import (
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Tile says what a step does to a standby app's tile in the portal. Such a step
// changes no endpoint.
type Tile string

// What becomes of a tile.
const (
	TileShown  Tile = "shown"
	TileHidden Tile = "hidden"
)

// TileOf says what a move to r makes of a standby app's tile: it is shown where
// it stands in, and hidden when the move leads elsewhere.
func TileOf(s federation.Standby, r signin.Region) Tile {
	if s.Region == r {
		return TileShown
	}
	return TileHidden
}

// standbyView is a standby app with its last read.
type standbyView struct {
	federation.Standby
	state AppState
}

// shown reports whether people see the tile, as far as is known.
func (s standbyView) shown(now time.Time) bool {
	return s.state.known(now) && !s.state.App.Hidden && s.state.App.Region() == s.Region
}

// Active returns where people sign in through an app: the Region of its standby
// app whose tile is shown, else the app's own. It is zero while that is not
// known; apps are those that were read last, standby apps among them.
func Active(f federation.Federation, app federation.AppRef, apps []AppState, now time.Time) signin.Region {
	for _, s := range standbysOf(f, app, apps) {
		if s.shown(now) {
			return s.Region
		}
	}
	if st := lastRead(app, apps); st.known(now) {
		return st.App.Region()
	}
	return signin.Region{}
}

func lastRead(app federation.AppRef, apps []AppState) AppState {
	for i := len(apps) - 1; i >= 0; i-- {
		if apps[i].Ref.Same(app) {
			return apps[i]
		}
	}
	return AppState{}
}

func standbysOf(f federation.Federation, app federation.AppRef, apps []AppState) []standbyView {
	var out []standbyView
	for _, s := range f.StandbysOf(app) {
		out = append(out, standbyView{s, lastRead(s.App, apps)})
	}
	return out
}

// standIns keeps the apps from moving whose standby apps cannot take over in the
// target Region.
func (v *view) standIns() {
	v.moving = slices.DeleteFunc(v.moving, func(a appView) bool {
		if len(a.standbys) == 0 || v.to.IsZero() {
			return false
		}
		why := v.cannotStandIn(a)
		if why == nil {
			return false
		}
		v.leave(a, "is left: "+why.What, true)
		l := &v.left[len(v.left)-1]
		l.Findings = append(slices.Clone(l.Findings), *why)
		return true
	})
}

// cannotStandIn says why nobody could sign in at the target in place of the app.
func (v *view) cannotStandIn(a appView) *finding.Finding {
	i := slices.IndexFunc(a.standbys, func(s standbyView) bool { return s.Region == v.to })
	if i < 0 {
		if a.state.known(v.s.Now) && a.state.App.Region() == v.to {
			return nil
		}
		return &finding.Finding{Code: finding.StandbyUnusable, Subject: "app " + a.ref.Name, What: "no app stands in for it in " + v.to.String(),
			Why: "its own endpoint stays where it is", Remedy: "make a standby app for " + v.to.String() + " and name it under standby in the config"}
	}
	s := a.standbys[i]
	out := &finding.Finding{Code: finding.StandbyUnusable, Subject: "app " + s.App.Name}
	switch {
	case s.state.ReadAt.IsZero():
		out.What, out.Why, out.Remedy = "its standby app "+s.App.Name+" could not be read", readError(s.state), "see whether the IdP answers, and whether the id in the config is right"
	case v.s.Now.Sub(s.state.ReadAt) > maxReadAge:
		out.What, out.Remedy = "its standby app "+s.App.Name+" was last read more than 24 h ago", "see whether the IdP answers"
	case s.state.App.ACS.IsZero() || s.state.App.Region() != s.Region:
		out.What = fmt.Sprintf("its standby app %s does not sign in at %s", s.App.Name, s.Region)
		out.Why = fmt.Sprintf("its endpoint is %q", s.state.App.ACSText)
		out.Remedy = "set its endpoint to that of " + s.Region.String() + " in the IdP, or correct standby in the config"
	case s.Unhide && !s.state.App.Movable:
		out.What, out.Why, out.Remedy = "its standby app "+s.App.Name+" cannot be written", s.state.App.Refusal().Error(), "show its tile by hand"
	default:
		return nil
	}
	return out
}

// tileSteps plans an app that others stand in for: the tile of the one in the
// target Region is shown, any other that is shown is hidden.
func (v *view) tileSteps(a appView) []StepPlan {
	var out []StepPlan
	for _, s := range a.standbys {
		tile := TileOf(s.Standby, v.to)
		if tile == TileHidden && !s.shown(v.s.Now) {
			continue
		}
		from := a.region
		if tile == TileHidden {
			from = s.Region
		}
		app := s.state.App
		step := StepPlan{App: s.App, For: s.For.Name, Tile: tile, From: from, To: v.to, Before: app.ACS, After: app.ACS, RelayBefore: app.RelayState,
			RelayAfter: app.RelayState, ReadAt: s.state.ReadAt, Findings: slices.Clone(app.Findings)}
		if !s.Unhide && app.Hidden == (tile == TileShown) {
			step.Findings = append(step.Findings, finding.Finding{Code: finding.TileByHand, Subject: "app " + s.App.Name,
				What: "its tile has to be " + string(tile) + " by hand", Why: "the config does not allow it to us (unhide)", Remedy: "set the tile to " + string(tile) + " in the IdP"})
		}
		out = append(out, step)
	}
	slices.SortStableFunc(out, func(x, y StepPlan) int { // people need the new tile first
		switch x.Tile {
		case y.Tile:
			return 0
		case TileShown:
			return -1
		}
		return 1
	})
	return out
}

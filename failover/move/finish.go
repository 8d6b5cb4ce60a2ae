package move

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// result says how the move stands.
func (x *run) result() failover.Result {
	res := failover.Result{ID: x.r.ID, Federation: x.r.Federation, Cause: x.r.Cause, To: x.r.To, Undoes: x.r.Undoes, Started: x.r.Started}
	for _, a := range x.apps {
		res.Apps = append(res.Apps, a.result)
		if !a.result.Moved {
			res.HandSteps = append(res.HandSteps, x.handSteps(a)...)
		}
	}
	for _, l := range x.r.Left {
		if l.Blocking {
			res.Stuck++
			if len(x.f.StandbysOf(l.App)) > 0 {
				res.HandSteps = append(res.HandSteps, x.standInByHand(l.App))
				continue
			}
			acs, _ := signin.ParseACS(l.ACSText)
			res.HandSteps = append(res.HandSteps, x.byHand(l.App, l.Region, acs, l.ACSText, l.RelayState)...)
		}
	}
	res.Status, res.Proof, res.Why = judge(res, x.r.Left)
	if res.Moved() > 0 {
		res.UserText = failover.UserText(x.f, x.r.To)
	}
	return res
}

// judge names the status and the level, which is that of the least proven app.
func judge(res failover.Result, left []failover.Left) (failover.Status, failover.Level, string) {
	level := failover.P4
	var behind, doubted []failover.AppResult
	for _, a := range res.Apps {
		if !a.Moved {
			behind = append(behind, a)
			continue
		}
		level = min(level, a.Proof)
		if a.Proof < failover.P3 && a.Finding != nil {
			doubted = append(doubted, a)
		}
	}
	missing, doubts := reasons(behind), reasons(doubted)
	for _, l := range left {
		if l.Blocking {
			missing = append(missing, l.App.Name+": "+l.Why)
		}
	}
	if res.Moved() == 0 {
		level = failover.Unproven
	}
	switch {
	case len(missing) > 0:
		return failover.Incomplete, level, fmt.Sprintf("%d of %d moved; not moved: %s", res.Moved(), res.Meant(), strings.Join(missing, "; "))
	case level >= failover.P3:
		return failover.Verified, level, ""
	case res.Undoes != "":
		return failover.Partial, level, "an undo is read back and compared, and not proven by a login"
	case len(doubts) > 0:
		return failover.Partial, level, "proven to " + level.String() + " only: " + strings.Join(doubts, "; ")
	}
	return failover.Partial, level, "proven to " + level.String() + " only: no way to prove a login is configured"
}

// reasons tells why, each reason once with the apps it is about: one thing that
// is wrong with a tenant must not fill a page.
func reasons(apps []failover.AppResult) []string {
	var whys []string
	about := map[string][]string{}
	for _, a := range apps {
		why := ""
		if a.Finding != nil {
			f := *a.Finding
			if f.Subject == "app "+a.App.Name {
				f.Subject = ""
			}
			why = ": " + f.Error()
		}
		if about[why] == nil {
			whys = append(whys, why)
		}
		about[why] = append(about[why], a.App.Name)
	}
	out := make([]string, len(whys))
	for i, why := range whys {
		out[i] = strings.Join(about[why], ", ") + why
	}
	return out
}

// signInField names the values that carry the sign-in URL where the vendor's
// field is not known.
const signInField = "sign-in URL (single sign-on URL, recipient, destination)"

// handSteps names each field that a person has to set, exact ones where the
// step has got as far as computing them.
func (x *run) handSteps(a *appRun) []failover.HandStep {
	app, url := a.step.App, x.m.Apps.AdminURL(a.step.App)
	changes := a.last.Changes
	if x.r.Undoes != "" && len(changes) == 0 { // nothing was computed, or all of it was edited since
		changes = inverse(a.step.Undo)
	}
	var out []failover.HandStep
	for _, c := range changes {
		out = append(out, failover.HandStep{App: app, AdminURL: url, Field: string(c.Pointer), Current: plain(c.Before), Target: plain(c.After)})
	}
	if len(out) > 0 || x.r.Undoes != "" {
		return out
	}
	if s, ok := x.f.Standby(app); ok {
		return []failover.HandStep{x.tileByHand(s, a.last.App)}
	}
	acs, text, relay := a.step.Before, a.step.Before.String(), a.step.RelayBefore
	if a.last.App.ID != "" {
		acs, text, relay = a.last.App.ACS, a.last.App.ACSText, a.last.App.RelayState
	}
	return x.byHand(app, a.step.From, acs, text, relay)
}

// tileField names what shows a tile where the vendor's field is not known.
const tileField = "tile in the portal (visibility)"

// tileByHand names the step for a standby app's tile; was is zero if the app
// could not be read.
func (x *run) tileByHand(s federation.Standby, was idp.App) failover.HandStep {
	now := orUnknown("")
	if was.ID != "" {
		now = string(tileWord(was))
	}
	return failover.HandStep{App: s.App, AdminURL: x.m.Apps.AdminURL(s.App), Field: tileField, Current: now, Target: string(failover.TileOf(s, x.r.To))}
}

// standInByHand names the step for an app that nothing could stand in for.
func (x *run) standInByHand(app federation.AppRef) failover.HandStep {
	if s, ok := x.f.Standby(x.f.Serving(app, x.r.To)); ok {
		return x.tileByHand(s, idp.App{})
	}
	acs, _ := x.r.To.ACS("")
	return failover.HandStep{App: app, AdminURL: x.m.Apps.AdminURL(app), Field: "standby app for " + x.r.To.String(), Current: "(none)",
		Target: "an app that signs in at " + acs.String()}
}

// byHand names the steps for an app that holds an endpoint and a RelayState.
func (x *run) byHand(app federation.AppRef, from signin.Region, acs signin.ACS, text, relay string) []failover.HandStep {
	url := x.m.Apps.AdminURL(app)
	out := []failover.HandStep{{App: app, AdminURL: url, Field: signInField, Current: orUnknown(text), Target: moved(acs, x.r.To)}}
	target := signin.Target{From: from, To: x.r.To, Relay: x.f.Policy.Relay}
	if to, outcome := target.Rewrite(relay); outcome.Changes() {
		out = append(out, failover.HandStep{App: app, AdminURL: url, Field: "RelayState", Current: relay, Target: to.String()})
	}
	return out
}

// moved is the endpoint in the target Region with the app's provider suffix.
func moved(from signin.ACS, to signin.Region) string {
	acs, err := to.ACS(from.Suffix())
	if err != nil {
		return ""
	}
	return acs.String()
}

func orUnknown(s string) string {
	if s == "" {
		return "(not known: the app could not be read)"
	}
	return s
}

// plain shows a JSON value to people: a text without its quotes.
func plain(raw json.RawMessage) string {
	var s string
	switch {
	case raw == nil:
		return "(absent)"
	case json.Unmarshal(raw, &s) == nil && string(raw) != "null":
		return s
	}
	return string(raw)
}

// FinishText tells how a move ended in one sentence.
func FinishText(res failover.Result) string {
	text := fmt.Sprintf("%s: %d of %d apps moved, proven to %s", res.Status, res.Moved(), res.Meant(), res.Proof)
	if res.Why != "" && res.Status != failover.Partial { // what is not proved stands in the result
		text += " (" + res.Why + ")"
	}
	return text
}

package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Invert returns the changes that take back what we wrote (spec 4.1): only
// those fields, and only where they still hold what we wrote. A field that
// somebody changed since is kept and named in kept; one that is back already
// needs nothing.
//
// A sign-in endpoint goes back in its canonical form: the alias host of spec
// 1.2 is understood and never written.
func Invert(wrote []Change, now Document) (changes []Change, kept []finding.Finding, err error) {
	doc, err := Parse(now.Raw)
	if err != nil {
		return nil, nil, fmt.Errorf("app %s: %w", now.ID, err)
	}
	for _, c := range merged(wrote) {
		at, _ := doc.At(c.Pointer)
		value := at.Raw()
		back := canonicalACS(c.Before)
		if same, err := sameValue(value, back); err != nil || same {
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		same, err := sameValue(value, c.After)
		if err != nil {
			return nil, nil, err
		}
		if !same {
			kept = append(kept, laterEdit(now.ID, c, value))
			continue
		}
		changes = append(changes, Change{Pointer: c.Pointer, Before: value, After: back})
	}
	return changes, kept, nil
}

// merged joins the changes of several attempts at one move: per field, what it
// held before the first and after the last.
func merged(wrote []Change) []Change {
	var out []Change
	for _, c := range wrote {
		i := slices.IndexFunc(out, func(have Change) bool { return have.Pointer == c.Pointer })
		if i < 0 {
			out = append(out, c)
			continue
		}
		out[i].After = c.After
	}
	return out
}

// canonicalACS returns the value as it may be written: a sign-in endpoint in
// the catalogue's form, anything else as it is.
func canonicalACS(value json.RawMessage) json.RawMessage {
	v, err := Parse(value)
	if err != nil {
		return value
	}
	text, ok := v.Text()
	if !ok {
		return value
	}
	if acs, err := signin.ParseACS(text); err == nil && acs.String() != text {
		return QuoteJSON(acs.String())
	}
	return value
}

func laterEdit(id AppID, c Change, now json.RawMessage) finding.Finding {
	return finding.Finding{Code: finding.LaterEdit, Subject: subject(id),
		What: fmt.Sprintf("%s no longer holds what the move wrote and is kept", c.Pointer),
		Why:  "somebody changed it after the move", Remedy: "if it shall go back too, set it by hand",
		Evidence: map[string]string{"before the move": shown(c.Before, c.Before != nil),
			"the move wrote": shown(c.After, c.After != nil), "now": shown(now, now != nil)}}
}

// Undo takes back what a move wrote to one app, through the same read, check,
// write and compare as Step. wrote comes from the record of the move. A
// recorded endpoint that is not in the catalogue is refused; a recorded
// RelayState that is no console page is not written, the present one is kept
// and reported.
func Undo(ctx context.Context, t Tenant, c Codec, id AppID, wrote []Change, h Hooks) (StepResult, error) {
	return StepChanges(ctx, t, c, id, func(now Document, app App) ([]Change, []finding.Finding, error) {
		changes, kept, err := Invert(wrote, now)
		if err != nil {
			return nil, nil, err
		}
		safe, more, err := withoutForeignRelay(c, now, app, changes)
		return safe, append(kept, more...), err
	}, h)
}

// withoutForeignRelay drops every change that would give the app a RelayState
// which no move may write.
func withoutForeignRelay(c Codec, now Document, app App, changes []Change) (safe []Change, kept []finding.Finding, err error) {
	for _, change := range changes {
		next, err := Apply(now, []Change{change})
		if err != nil {
			return nil, nil, err
		}
		relay := c.Describe(next).RelayState
		if _, bad := signin.ParseRelayState(relay); bad != nil && relay != app.RelayState {
			kept = append(kept, finding.Finding{Code: finding.ForeignRelayState, Subject: subject(now.ID),
				What: "the RelayState from before the move is not written back", Why: "it does not lead to AWS's console",
				Remedy:   "set it by hand if it is meant",
				Evidence: map[string]string{"before the move": clip(relay), "now": clip(app.RelayState)}})
			continue
		}
		safe = append(safe, change)
	}
	return safe, kept, nil
}

package idp

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/finding"
)

// Restorer is the optional ability of a Codec to put back values that no move
// writes (spec 4.2).
type Restorer interface {
	// Restorable reports whether a value of a stored document can be sent so that
	// it reads back as it was, and steers neither keys nor people's access.
	Restorable(p Pointer) bool
}

// Restorable is the Restorer of a codec, if it is one.
func Restorable(c Codec, p Pointer) bool {
	r, ok := c.(Restorer)
	return ok && r.Restorable(p)
}

// Difference is one value in which a whole stored document and the app as it is
// now differ, with what a move wrote there in between. nil is an absent key.
type Difference struct {
	Pointer Pointer         `json:"pointer"`
	Stored  json.RawMessage `json:"stored,omitempty"`
	Wrote   json.RawMessage `json:"wrote,omitempty"`
	Live    json.RawMessage `json:"live,omitempty"`
	// Ours: the app still holds what the move wrote. Else somebody has changed the
	// value since, and going back takes that away too.
	Ours bool `json:"ours,omitempty"`
	// Stays: the value is not ours to send, and is left as it is.
	Stays bool `json:"stays,omitempty"`
}

// ThreeWay compares the document from before a move, what the move wrote, and
// the app as it is now, for putting the whole document back (spec 4.2). It
// refuses a stored document, and an app, that may not be written (spec 1.4, 2.8).
// What the vendor changes by itself is left out; an array counts as one value.
func ThreeWay(c Codec, stored Document, wrote []Change, live Document) ([]Difference, error) {
	if stored.ID != live.ID {
		return nil, fmt.Errorf("compare app %s with the stored document of app %s: they are two apps", live.ID, stored.ID)
	}
	for what, doc := range map[string]Document{"the stored document": stored, "the app as it is now": live} {
		if err := c.Describe(doc).Refusal(); err != nil {
			return nil, fmt.Errorf("%s may not be written: %w", what, err)
		}
	}
	then, err := Parse(stored.Raw)
	if err != nil {
		return nil, fmt.Errorf("the stored document of app %s: %w", stored.ID, err)
	}
	now, err := Parse(live.Raw)
	if err != nil {
		return nil, fmt.Errorf("app %s as read: %w", live.ID, err)
	}
	changed, err := Changed(stored.Raw, live.Raw, c.Volatile())
	if err != nil {
		return nil, err
	}
	var out []Difference
	for _, p := range changed {
		if p, err = wholeArray(p, then, now); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(d Difference) bool { return d.Pointer == p }) {
			continue
		}
		d := Difference{Pointer: p, Stored: rawAt(then, p), Live: rawAt(now, p), Stays: !Restorable(c, p)}
		if d.Wrote, d.Ours, err = wroteAt(wrote, p, d.Live); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Back returns what puts the stored values back, in the form that Undo takes: as
// if what the app holds now had been written over them. So a value that somebody
// changes after the comparison was shown is kept and reported, not replaced.
func Back(differences []Difference) []Change {
	var out []Change
	for _, d := range differences {
		if !d.Stays {
			out = append(out, Change{Pointer: d.Pointer, Before: d.Stored, After: d.Live})
		}
	}
	return out
}

// StaysFinding says which values a restore leaves as they are; ok is false if it
// leaves none.
func StaysFinding(id AppID, differences []Difference) (f finding.Finding, ok bool) {
	var stay []Pointer
	for _, d := range differences {
		if d.Stays {
			stay = append(stay, d.Pointer)
		}
	}
	return finding.Finding{Code: finding.LaterEdit, Subject: subject(id), What: pointerList(stay) + " differ from the stored document and are kept",
		Why: "they are the vendor's own, hold keys, or steer who may use the app", Remedy: "set them by hand if they are meant to go back"}, len(stay) > 0
}

// wroteAt returns what a move wrote at a pointer, and whether it still stands.
func wroteAt(wrote []Change, p Pointer, live json.RawMessage) (json.RawMessage, bool, error) {
	for _, w := range merged(wrote) {
		if w.Pointer == p {
			same, err := sameValue(live, w.After)
			return w.After, same, err
		}
	}
	return nil, false, nil
}

// wholeArray returns the pointer to the outermost array that a pointer leads
// into, in either document, or the pointer itself.
func wholeArray(p Pointer, docs ...Value) (Pointer, error) {
	tokens, err := p.tokens()
	if err != nil {
		return p, err
	}
	at := Pointer("")
	for _, t := range tokens {
		for _, doc := range docs {
			if v, ok := doc.At(at); ok && v.node.kind == '[' {
				return at, nil
			}
		}
		at = at.Child(t)
	}
	return p, nil
}

func rawAt(v Value, p Pointer) json.RawMessage {
	at, ok := v.At(p)
	if !ok {
		return nil
	}
	return slices.Clone(at.Raw())
}

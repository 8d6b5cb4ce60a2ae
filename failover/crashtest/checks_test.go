package crashtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// outcome is what is left when the last leader has done its work: the store's
// side, and the world's own account of what was done to it.
type outcome struct {
	Open    []move.Record  `json:"open"`
	Past    []move.Record  `json:"past"` // newest first
	Records []audit.Record `json:"records"`
	Broken  string         `json:"broken"` // what is wrong with the audit chain

	docs       map[string][]byte
	writes     map[string]int
	unrecorded []string
}

// untouched says what is wrong if no move has begun.
func (o outcome) untouched(before map[string][]byte) (wrong []string) {
	if len(o.writes) > 0 {
		wrong = append(wrong, fmt.Sprintf("no move is in the journal, and apps were written: %v", o.writes))
	}
	for id, raw := range before {
		for at := range differing(raw, o.docs[id]) {
			if !slices.Contains([]string{"/lastUpdated", "/updatedAt", "/updated_at"}, at) {
				wrong = append(wrong, fmt.Sprintf("no move is in the journal, and %s of app %s has changed", at, id))
			}
		}
	}
	return wrong
}

// finished says what is wrong after moves that have ended. The apps are to be at
// a Region, and to have been written so many times each; before is what they
// were before the first of the moves.
func (o outcome) finished(m mission, before map[string][]byte, at signin.Region, moves int) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if len(o.Open) > 0 {
		say("the journal has %d open moves: they are forgotten", len(o.Open))
	}
	if len(o.Past) != moves {
		say("the journal has %d ended moves, want %d", len(o.Past), moves)
		return wrong
	}
	if res := o.Past[0].Result; res.Moved() != len(m.fed.Apps) || res.Status == failover.Incomplete {
		say("the last move ended as %s with %d of %d apps: %s", res.Status, res.Moved(), len(m.fed.Apps), res.Why)
	}
	for _, app := range m.fed.Apps {
		if n := o.writes[app.ID]; n != moves {
			say("app %s was written %d times, want %d", app.Name, n, moves)
		}
		doc := idp.Document{ID: idp.AppID(app.ID), Raw: o.docs[app.ID]}
		if is := m.codecOf(app).Describe(doc).Region(); is != at {
			say("app %s signs in at %s, want %s", app.Name, is, at)
		}
		for _, w := range m.seen.document(o.Past[moves-1], app, before[app.ID], o.docs[app.ID], moves == 1) {
			say("app %s: %s", app.Name, w)
		}
		if n := count(o.Records, func(r audit.Record) bool { return announces(r, app.ID) }); n < moves {
			say("%d writes of app %s are in the audit record, want %d or more", n, app.Name, moves)
		}
	}
	for id := range o.writes {
		if !slices.ContainsFunc(m.fed.Apps, func(a federation.AppRef) bool { return a.ID == id }) {
			say("%s was written and is none of the move's apps", id)
		}
	}
	if len(o.unrecorded) > 0 {
		say("%v were written before that was in the audit record", o.unrecorded)
	}
	if o.Broken != "" {
		say("the audit chain: %s", o.Broken)
	}
	return wrong
}

// document says what is wrong with an app's document and with what the first
// move's record has noted of it. moved: the app is where the move has put it,
// and not back again.
func document(first move.Record, app federation.AppRef, before, now []byte, moved bool) (wrong []string) {
	for at, v := range differing(before, now) {
		if at != stampOf(app) && !(moved && v.ours()) {
			wrong = append(wrong, fmt.Sprintf("%s was %s and is %s", at, v.was, v.is))
		}
	}
	if err := snapshot(first, app, before, now, moved); err != nil {
		wrong = append(wrong, fmt.Sprintf("its snapshot: %v", err))
	}
	return wrong
}

// snapshot checks what the journal has noted of an app, as undo would use it:
// it names what the app held, and inverts to it.
func snapshot(r move.Record, app federation.AppRef, before, now []byte, invert bool) error {
	i := slices.IndexFunc(r.Notes, func(n move.StepNote) bool { return n.App == app.String() && n.Phase == move.Planned })
	if i < 0 || len(r.Notes[i].Changes) == 0 {
		return errors.New("the journal does not say what was written")
	}
	wrote := r.Notes[i].Changes
	for _, c := range wrote {
		if was, _, err := idp.Get(before, c.Pointer); err != nil || string(was) != string(c.Before) {
			return errors.Join(err, fmt.Errorf("%s held %s, noted is %s", c.Pointer, was, c.Before))
		}
	}
	if !invert {
		return nil
	}
	doc := idp.Document{ID: idp.AppID(app.ID), Raw: now}
	back, kept, err := idp.Invert(wrote, doc)
	if err != nil || len(kept) > 0 {
		return errors.Join(err, fmt.Errorf("it does not invert: %v", kept))
	}
	if doc, err = idp.Apply(doc, back); err != nil {
		return err
	}
	for at := range differing(before, doc.Raw) {
		if at != stampOf(app) {
			return fmt.Errorf("it leaves %s other than it was", at)
		}
	}
	return nil
}

// stampOf is the one value that a vendor changes by itself.
func stampOf(app federation.AppRef) string {
	switch {
	case strings.Contains(app.Tenant, "pingone"):
		return "/updatedAt"
	case strings.Contains(app.Tenant, "onelogin"):
		return "/updated_at"
	}
	return "/lastUpdated"
}

// values are those at one place in two documents, as JSON; "" where there is
// none.
type values struct{ was, is string }

// ours reports whether a move may have changed the value: only endpoints of AWS
// and pages of its console are.
func (v values) ours() bool {
	return (v.was == "" || v.was == "null" || aws(v.was)) && (v.is == "" || v.is == "null" || aws(v.is)) && v.was != v.is
}

func count[T any](all []T, is func(T) bool) (n int) {
	for _, v := range all {
		if is(v) {
			n++
		}
	}
	return n
}

func aws(s string) bool {
	return strings.Contains(s, "signin.aws") || strings.Contains(s, "console.aws")
}

// differing returns every place at which two documents differ. It shares
// nothing with the product's own comparison.
func differing(before, after []byte) map[string]values {
	was, is := leaves(before), leaves(after)
	out := map[string]values{}
	all := maps.Clone(was)
	maps.Copy(all, is)
	for at := range all {
		if was[at] != is[at] {
			out[at] = values{was[at], is[at]}
		}
	}
	return out
}

// leaves lists the values of a document by their path.
func leaves(raw []byte) map[string]string {
	out := map[string]string{}
	var walk func(at string, raw json.RawMessage)
	walk = func(at string, raw json.RawMessage) {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		switch {
		case string(raw) != "null" && json.Unmarshal(raw, &object) == nil:
			out[at+"/"] = "object"
			for k, v := range object {
				walk(at+"/"+k, v)
			}
		case string(raw) != "null" && json.Unmarshal(raw, &list) == nil:
			out[at+"/"] = fmt.Sprintf("list of %d", len(list))
			if !slices.ContainsFunc(list, func(v json.RawMessage) bool { return !aws(string(v)) }) {
				out[at+"/"] += " endpoints at signin.aws" // which may grow by one
			}
			for i, v := range list {
				walk(fmt.Sprintf("%s/%d", at, i), v)
			}
		default:
			out[at] = string(raw)
		}
	}
	walk("", raw)
	return out
}

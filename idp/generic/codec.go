package generic

import (
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/signin"
)

// Codec knows the keys of a webhook's document. The zero value is ready to use.
type Codec struct{}

var _ idp.Codec = Codec{}

// The keys that have a meaning here (docs/idp/generic.md).
const (
	label      idp.Pointer = "/label"
	acsURL     idp.Pointer = "/acs"
	relayState idp.Pointer = "/relay_state"
	status     idp.Pointer = "/status"
	revision   idp.Pointer = "/revision"

	kind         = "generic:webhook"
	activeStatus = "active"
)

// Volatile lists what a webhook changes by itself at a write.
func (Codec) Volatile() []idp.Pointer { return []idp.Pointer{revision} }

// Describe reads a document. It is movable if its acs is in the catalogue and
// the keys of the contract have the contract's types.
func (Codec) Describe(doc idp.Document) idp.App {
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		f, _ := finding.From(err)
		f.Subject = "app " + string(doc.ID)
		return idp.App{ID: doc.ID, Kind: "generic:unreadable", Findings: []finding.Finding{f}}
	}
	d := description{doc: v, app: idp.App{ID: doc.ID, Kind: kind, Movable: true}}
	d.app.Label, _ = d.text(label)
	d.state()
	d.endpoint()
	d.landing()
	return d.app
}

// description gathers what Describe finds.
type description struct {
	doc idp.Value
	app idp.App
}

// text returns a text that may be absent or null; set tells whether there is
// one. Any other type breaks the contract.
func (d *description) text(p idp.Pointer) (s string, set bool) {
	at, ok := d.doc.At(p)
	if !ok || at.IsNull() {
		return "", false
	}
	s, isText := at.Text()
	if !isText {
		d.app.Refuse(finding.Finding{Code: finding.IdPAnswer, What: fmt.Sprintf("the key %q of the webhook's document is not a text", strings.TrimPrefix(string(p), "/")),
			Remedy: "let the webhook answer what docs/idp/generic.md asks for"})
	}
	return s, isText
}

// state reads the status. Every word but active means that nobody can sign in.
func (d *description) state() {
	s, set := d.text(status)
	if d.app.Status = s; !set {
		d.app.Status = activeStatus
	}
	if set && s != activeStatus {
		d.app.Note(finding.Finding{Code: finding.AppInactive, What: "nobody can sign in through this app", Why: fmt.Sprintf("its status is %q", call.Cut(s, 100)),
			Remedy: "activate it in the identity provider if it is meant to work; it is never activated from here"})
	}
}

// endpoint reads the acs (spec 1.4).
func (d *description) endpoint() {
	at, _ := d.doc.At(acsURL)
	s, isText := at.Text()
	acs, err := signin.ParseACS(s)
	d.app.ACSText = s
	if isText && err == nil {
		d.app.ACS = acs
		return
	}
	d.app.Refuse(finding.Finding{Code: finding.ForeignACS, What: "the app's sign-in endpoint is not AWS's; it is not written",
		Why:      "the endpoint of an app has to be in the catalogue",
		Remedy:   "find out who set it: whoever owns that host receives people's assertions; then correct it in the identity provider",
		Evidence: map[string]string{string(acsURL): shown(at)}})
}

// landing reads the RelayState.
func (d *description) landing() {
	d.app.RelayState, _ = d.text(relayState)
	if f, ok := idp.RelayFinding("", d.app.RelayState, signin.Target{}); ok {
		d.app.Note(f)
	}
}

// Retarget points an app at the target: the acs with its own provider suffix,
// and the RelayState where spec 1.3 moves it. A RelayState is set only where
// the document has the key: without it the webhook cannot set one.
func (c Codec) Retarget(doc idp.Document, target signin.Target) ([]idp.Change, error) {
	app := c.Describe(doc)
	if err := app.Refusal(); err != nil {
		return nil, err
	}
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		return nil, err
	}
	next, err := in(app.ACS, target.To)
	if err != nil {
		return nil, err
	}
	var out []idp.Change
	if next != app.ACS {
		at, _ := v.At(acsURL)
		out = append(out, idp.Change{Pointer: acsURL, Before: at.Raw(), After: idp.QuoteJSON(next.String())})
	}
	if at, ok := v.At(relayState); ok {
		if page, outcome := target.Rewrite(app.RelayState); outcome.Changes() && page.String() != app.RelayState {
			out = append(out, idp.Change{Pointer: relayState, Before: at.Raw(), After: idp.QuoteJSON(page.String())})
		}
	}
	return out, nil
}

// in returns the endpoint in another Region of its partition.
func in(acs signin.ACS, to signin.Region) (signin.ACS, error) {
	if !to.IsZero() && acs.Region().Partition() != to.Partition() {
		return signin.ACS{}, finding.Finding{Code: finding.OtherPartition, Subject: to.String(), What: "the Region belongs to another partition than the app",
			Why: fmt.Sprintf("the app signs in to %s, %s is in %s", acs.Region().Partition(), to, to.Partition()), Remedy: "choose a Region of the app's own partition"}
	}
	return acs.In(to)
}

// body returns what a write sends: the document as read with the changes, which
// may touch acs and relay_state only.
func body(doc idp.Document, changes []idp.Change) ([]byte, error) {
	for _, c := range changes {
		if c.Pointer != acsURL && c.Pointer != relayState {
			return nil, finding.Finding{Code: finding.UnsupportedKind, Subject: "app " + string(doc.ID),
				What: fmt.Sprintf("%s is not ours to change and is not written", c.Pointer), Remedy: "change it in the identity provider if it is meant"}
		}
	}
	next, err := idp.Apply(doc, changes)
	return next.Raw, err
}

// shown is an endpoint for evidence.
func shown(v idp.Value) string {
	s, ok := v.Text()
	switch {
	case !ok && v.Raw() == nil:
		return "(absent)"
	case !ok:
		return "(not a text)"
	}
	return call.Cut(s, 300)
}

package pingone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/signin"
)

// Codec knows the JSON of PingOne applications (PingOne Platform API,
// "Applications SAML settings data model"). The zero value is ready to use and
// finds every kind unproven.
//
// The sign-in endpoint is the first entry of acsUrls: "the first URL in the
// list is used as default". A move brings the target to the front and keeps
// the order of the rest. It is one Change of the whole list: entries have no
// name of their own, so an undo entry by entry could drop an endpoint that
// somebody moved within the list meanwhile. The price is that an undo leaves a
// list alone that somebody changed since, and says so.
type Codec struct {
	// Proven are the kinds of app that a person has moved and moved back in this
	// tenant (spec 2.8). CatalogueKind is the only one for which it matters.
	Proven []string
}

var (
	_ idp.Codec     = Codec{}
	_ idp.Publisher = Codec{}
)

const (
	acsURLs       idp.Pointer = "/acsUrls"
	relayState    idp.Pointer = "/defaultTargetUrl"
	entityID      idp.Pointer = "/spEntityId"
	enabled       idp.Pointer = "/enabled"
	hidden        idp.Pointer = "/hiddenFromAppPortal"
	signingKey    idp.Pointer = "/idpSigning/key/id"
	template      idp.Pointer = "/template"
	configuration             = template + "/configuration"
	saml                      = "SAML"
	samlKind                  = "pingone:saml"
)

// CatalogueKind is a SAML app that was made from PingOne's catalogue.
const CatalogueKind = "pingone:catalogue-saml"

// required are the keys without which PingOne accepts no replacement (PingOne
// Platform API, "Update application (SAML)").
func required() []idp.Pointer {
	return []idp.Pointer{"/name", "/type", "/protocol", enabled, acsURLs, "/assertionDuration", entityID}
}

// Volatile lists what PingOne changes by itself at a write.
func (Codec) Volatile() []idp.Pointer { return []idp.Pointer{"/updatedAt"} }

// Describe reads an app of any kind. Only a complete SAML app whose every entry
// of acsUrls is in the catalogue, and which names its signing key, is movable.
func (c Codec) Describe(doc idp.Document) idp.App {
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		f, _ := finding.From(err)
		f.Subject = "app " + string(doc.ID)
		return idp.App{ID: doc.ID, Kind: "pingone:unreadable", Findings: []finding.Finding{f}}
	}
	d := description{doc: v, proven: c.Proven, app: idp.App{ID: doc.ID, Label: text(v, "/name"), Movable: true}}
	at, _ := v.At(hidden)
	d.app.Hidden = string(at.Raw()) == "true"
	d.kind()
	d.status()
	if d.app.Kind == samlKind || d.app.Kind == CatalogueKind {
		d.complete()
		d.endpoints()
		d.signing()
		d.catalogue()
	}
	d.extras()
	return d.app
}

// description gathers what Describe finds.
type description struct {
	doc    idp.Value
	proven []string
	app    idp.App
}

// kind decides what kind of app this is.
func (d *description) kind() {
	protocol := text(d.doc, "/protocol")
	if protocol != saml {
		d.app.Kind = "pingone:" + protocol
		d.app.Refuse(finding.Finding{Code: finding.NotSAML, What: "the app does not sign in with SAML", Why: fmt.Sprintf("its protocol is %q", call.Cut(protocol, 100)),
			Remedy: "take it out of the config, or make a SAML app for AWS in the PingOne console"})
		return
	}
	d.app.Kind = samlKind
	if id := text(d.doc, template+"/integration/id"); id != "" {
		d.app.Kind = CatalogueKind
	}
}

// status reads whether the app is switched on. A replacement must carry it, so
// one that cannot be read forbids a write (see complete).
func (d *description) status() {
	at, _ := d.doc.At(enabled)
	switch string(at.Raw()) {
	case "true":
		d.app.Status = "enabled"
	case "false":
		d.app.Status = "disabled"
		d.app.Note(finding.Finding{Code: finding.AppInactive, What: "nobody can sign in through this app", Why: "it is disabled",
			Remedy: "enable it in the PingOne console if it is meant to work; it is never enabled from here"})
	default:
		d.app.Status = "unknown"
	}
}

// complete refuses an app that lacks what a replacement must have: PingOne
// would reject it, in the middle of a move.
func (d *description) complete() {
	lacks := map[string]string{}
	for _, p := range required() {
		if at, ok := d.doc.At(p); !ok || at.IsNull() {
			lacks[string(p)] = shown(at)
		}
	}
	if d.app.Status == "unknown" {
		at, _ := d.doc.At(enabled)
		lacks[string(enabled)] = shown(at)
	}
	if len(lacks) > 0 {
		d.app.Refuse(finding.Finding{Code: finding.IdPAnswer, What: "the app as read lacks what PingOne asks for in every update", Why: "it would be rejected, or its settings cleared",
			Remedy: "open the app in the PingOne console, save it, and look again; if it stays, change its ACS URL by hand", Evidence: lacks})
	}
}

// endpoints checks every entry of acsUrls (spec 1.4); the first is the active
// one.
func (d *description) endpoints() {
	list, _ := d.doc.At(acsURLs)
	items := list.Items()
	foreign := map[string]string{}
	for i, item := range items {
		s, ok := item.Text()
		acs, err := signin.ParseACS(s)
		if !ok || err != nil {
			foreign[fmt.Sprintf("%s/%d", acsURLs, i)] = shown(item)
		}
		if i == 0 {
			d.app.ACS, d.app.ACSText = acs, s
		}
	}
	switch {
	case len(foreign) > 0:
		d.app.Refuse(finding.Finding{Code: finding.ForeignACS, What: "the app holds a sign-in endpoint that is not AWS's; it is not written",
			Why:    "every entry of acsUrls has to be in the catalogue: whoever asks for one of them receives the assertion there",
			Remedy: "find out who set it: whoever owns that host receives people's assertions; then correct it in the PingOne console", Evidence: foreign})
	case len(items) == 0 && !list.IsNull() && list.Raw() != nil:
		d.app.Refuse(finding.Finding{Code: finding.IdPAnswer, What: "the app's acsUrls is not a list with at least one URL", Remedy: "look at the app in the PingOne console"})
	}
}

// signing refuses an app that does not say which key signs its assertions: a
// replacement without it falls back to the environment's default certificate,
// and AWS rejects assertions that another key signed (PingOne Platform API,
// idpSigning.key.id).
func (d *description) signing() {
	if text(d.doc, signingKey) != "" {
		return
	}
	d.app.Refuse(finding.Finding{Code: finding.SigningKeyUnknown, What: "the app does not say which key signs its assertions; it is not written",
		Why:    "an update without idpSigning.key.id makes PingOne sign with the environment's default certificate, which AWS may not know",
		Remedy: "choose the signing certificate in the app's configuration in the PingOne console: the one that AWS's IAM SAML provider holds"})
}

// catalogue refuses an app whose template has its own idea of the endpoint:
// whether it overrides acsUrls is not documented, so a person has to try it in
// this tenant first. A URL in it that is not AWS's is refused in any case.
func (d *description) catalogue() {
	own, strange := map[string]string{}, map[string]string{}
	for p, s := range templateTexts(d.doc) {
		switch {
		case strangeURL(s):
			strange[string(p)] = call.Cut(s, 300)
		case maySteer(s):
			own[string(p)] = call.Cut(s, 300)
		}
	}
	if len(strange) > 0 {
		d.app.Refuse(finding.Finding{Code: finding.UnsupportedKind, What: "an app whose template holds a URL that is not AWS's cannot be moved",
			Why:    "whether the template's configuration overrides acsUrls is not documented, so people's assertions might go there",
			Remedy: "change the ACS URL of this app by hand in the PingOne console, or make a SAML app without the catalogue", Evidence: strange})
	}
	if len(own) > 0 && !slices.Contains(d.proven, d.app.Kind) {
		d.app.Refuse(finding.Finding{Code: finding.UnprovenKind, What: "the app's template names an endpoint or a Region, and nobody has tried in this tenant whether a move works",
			Why:    "whether the template's configuration overrides acsUrls is not documented",
			Remedy: "move a test app of this kind and back, see that people land in the right Region, then list " + d.app.Kind + " under proven_kinds of the tenant; until then change this app by hand", Evidence: own})
	}
}

// extras reads the RelayState and the audience. AWS's sign-in compares neither
// Recipient nor Destination with fields of the app: PingOne has none, it takes
// them from the endpoint.
func (d *description) extras() {
	if at, ok := d.doc.At(relayState); ok && !at.IsNull() {
		s, isText := at.Text()
		if !isText {
			d.app.Refuse(finding.Finding{Code: finding.IdPAnswer, What: "defaultTargetUrl is neither a text nor null", Remedy: "look at the app in the PingOne console"})
		}
		d.app.RelayState = s
	}
	if f, ok := idp.RelayFinding("", d.app.RelayState, signin.Target{}); ok {
		d.app.Note(f)
	}
	d.app.Audience = text(d.doc, entityID)
	if _, err := signin.ParseACS(d.app.Audience); err == nil {
		d.app.Note(finding.Finding{Code: finding.AudienceIsEndpoint, What: "the entity id is a sign-in endpoint and is left as it is",
			Why: "AWS compares the recipient, not the audience", Remedy: "nothing; urn:amazon:webservices would fit every Region",
			Evidence: map[string]string{"spEntityId": d.app.Audience}})
	}
}

// Retarget brings the target's endpoint to the front of acsUrls, with the
// provider suffix of the endpoint in use, and moves the RelayState where spec
// 1.3 does. An endpoint that is not in the list yet is added.
func (c Codec) Retarget(doc idp.Document, target signin.Target) ([]idp.Change, error) {
	app := c.Describe(doc)
	if err := app.Refusal(); err != nil {
		return nil, err
	}
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		return nil, err
	}
	if to := target.To; !to.IsZero() && app.Region().Partition() != to.Partition() {
		return nil, finding.Finding{Code: finding.OtherPartition, Subject: to.String(), What: "the Region belongs to another partition than the app",
			Why: fmt.Sprintf("the app signs in to %s, %s is in %s", app.Region().Partition(), to, to.Partition()), Remedy: "choose a Region of the app's own partition"}
	}
	next, err := app.ACS.In(target.To)
	if err != nil {
		return nil, err
	}
	var out []idp.Change
	if next != app.ACS {
		list, _ := v.At(acsURLs)
		out = append(out, idp.Change{Pointer: acsURLs, Before: list.Raw(), After: toFront(list, next)})
	}
	if page, outcome := target.Rewrite(app.RelayState); outcome.Changes() && page.String() != app.RelayState {
		at, _ := v.At(relayState)
		out = append(out, idp.Change{Pointer: relayState, Before: at.Raw(), After: idp.QuoteJSON(page.String())})
	}
	return out, nil
}

// Publish implements idp.Publisher.
func (c Codec) Publish(doc idp.Document, show bool) ([]idp.Change, error) {
	if err := c.Describe(doc).Refusal(); err != nil {
		return nil, err
	}
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		return nil, err
	}
	out, err := idp.Switch(v, hidden, !show)
	if err != nil {
		return nil, fmt.Errorf("pingone: app %s: %w", doc.ID, err)
	}
	return out, nil
}

// toFront returns the list with the endpoint first and once, every other entry
// as it was and in its old order.
func toFront(list idp.Value, first signin.ACS) json.RawMessage {
	entries := [][]byte{idp.QuoteJSON(first.String())}
	for _, item := range list.Items() {
		if s, _ := item.Text(); s != first.String() {
			entries = append(entries, item.Raw())
		}
	}
	return slices.Concat([]byte("["), bytes.Join(entries, []byte(",")), []byte("]"))
}

// readOnlyKeys are what PingOne keeps itself and a replacement leaves out
// (PingOne Platform API, readOnly properties of an application).
func readOnlyKeys() []idp.Pointer {
	return []idp.Pointer{"/_links", "/id", "/environment", "/createdAt", "/updatedAt"}
}

// body returns what a full replacement sends: the app as read, with the
// changes, without the read-only keys, every other byte as it came. It refuses
// to send an app that would sign with another key than the one that was read,
// or that would be switched on or off.
func body(doc idp.Document, changes []idp.Change) ([]byte, error) {
	next, err := idp.Apply(doc, changes)
	if err != nil {
		return nil, err
	}
	before, err := idp.Parse(doc.Raw)
	if err != nil {
		return nil, err
	}
	after, err := idp.Parse(next.Raw)
	if err != nil {
		return nil, err
	}
	if key := text(before, signingKey); key == "" || text(after, signingKey) != key {
		return nil, finding.Finding{Code: finding.SigningKeyUnknown, Subject: "app " + string(doc.ID), What: "the app would be sent without the signing key that it has now; nothing was written",
			Remedy: "choose the signing certificate in the app's configuration in the PingOne console"}
	}
	was, _ := before.At(enabled)
	is, _ := after.At(enabled)
	if len(was.Raw()) == 0 || !bytes.Equal(was.Raw(), is.Raw()) {
		return nil, finding.Finding{Code: finding.IdPAnswer, Subject: "app " + string(doc.ID), What: "the app would be sent without the state that it has now (enabled); nothing was written",
			Remedy: "look at the app in the PingOne console"}
	}
	raw := next.Raw
	for _, p := range readOnlyKeys() {
		if raw, err = idp.Delete(raw, p); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

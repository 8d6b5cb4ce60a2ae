package okta

import (
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Codec knows the JSON of Okta apps (Okta Management API, Applications). The
// zero value is ready to use and finds every kind unproven.
type Codec struct {
	// Proven are the kinds of app that a person has tried to write in this
	// tenant. Kinds with secrets that read back as null are not movable without.
	Proven []string
}

var (
	_ idp.Codec     = Codec{}
	_ idp.Publisher = Codec{}
)

// Where the values stand. In a custom SAML app the endpoint is three
// independent strings, and all three move together.
const (
	signOn        idp.Pointer = "/settings/signOn"
	acsURL                    = signOn + "/ssoAcsUrl"
	recipient                 = signOn + "/recipient"
	destination               = signOn + "/destination"
	relayState                = signOn + "/defaultRelayState"
	audience                  = signOn + "/audience"
	acsEndpoints              = signOn + "/acsEndpoints"
	identityURL   idp.Pointer = "/settings/app/acsURL"
	samlSignOn                = "SAML_2_0"
	hiddenWeb     idp.Pointer = "/visibility/hide/web"
	hiddenMobile  idp.Pointer = "/visibility/hide/iOS"
	accountApp                = "amazon_aws"
	identityApp               = "amazon_aws_sso"
	environment   idp.Pointer = "/settings/app/awsEnvironmentType"
	deletedStatus             = "DELETED"
	activeStatus              = "ACTIVE"
)

// endpoints are the three values that decide where a login goes. A function,
// so that nobody can change them.
func endpoints() []idp.Pointer { return []idp.Pointer{acsURL, recipient, destination} }

// CustomKind and AccountKind are the kinds of app that can be moved: a custom
// SAML 2.0 app, and the catalogue's "AWS Account Federation".
const (
	CustomKind  = "okta:custom-saml"
	AccountKind = "okta:amazon_aws"
)

// Volatile lists what Okta changes by itself at a write.
func (Codec) Volatile() []idp.Pointer { return []idp.Pointer{"/lastUpdated"} }

// Describe reads an app of any kind. Movable are custom SAML 2.0 apps and, where
// that is proven, the AWS Account Federation app, if every ACS-bearing value is
// in the catalogue.
func (c Codec) Describe(doc idp.Document) idp.App {
	d, err := c.describe(doc)
	if err != nil {
		f, _ := finding.From(err)
		f.Subject = "app " + string(doc.ID)
		return idp.App{ID: doc.ID, Kind: "okta:unreadable", Findings: []finding.Finding{f}}
	}
	return d.app
}

func (c Codec) describe(doc idp.Document) (*description, error) {
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		return nil, err
	}
	d := &description{doc: v, proven: c.Proven, app: idp.App{ID: doc.ID, Label: text(v, "/label"), Status: text(v, "/status"), Movable: true}}
	d.app.Hidden = is(v, hiddenWeb)
	d.kind()
	d.endpoints()
	d.extras()
	return d, nil
}

// is reports whether the value at p is true.
func is(v idp.Value, p idp.Pointer) bool {
	at, ok := v.At(p)
	return ok && string(at.Raw()) == "true"
}

// Publish implements idp.Publisher: both portals, the web's and the mobile
// app's, show the same.
func (c Codec) Publish(doc idp.Document, show bool) ([]idp.Change, error) {
	d, err := c.describe(doc)
	if err == nil {
		err = d.app.Refusal()
	}
	if err != nil {
		return nil, err
	}
	web, err := idp.Switch(d.doc, hiddenWeb, !show)
	if err != nil {
		return nil, fmt.Errorf("okta: app %s: %w", doc.ID, err)
	}
	mobile, err := idp.Switch(d.doc, hiddenMobile, !show)
	if err != nil {
		return nil, fmt.Errorf("okta: app %s: %w", doc.ID, err)
	}
	return append(web, mobile...), nil
}

// description gathers what Describe finds.
type description struct {
	doc    idp.Value
	proven []string
	app    idp.App
	fields []idp.Pointer // that a move writes, the deciding one first
}

// kind decides what kind of app this is and whether we know how to move it.
func (d *description) kind() {
	name, mode := text(d.doc, "/name"), text(d.doc, "/signOnMode")
	_, custom := d.doc.At(acsURL)
	d.app.Kind = "okta:" + name
	switch {
	case mode != samlSignOn:
		d.app.Kind += ":" + strings.ToLower(mode)
		d.app.Refuse(finding.Finding{Code: finding.NotSAML, What: "the app does not sign in with SAML 2.0", Why: fmt.Sprintf("its sign-on mode is %q", mode),
			Remedy: "take it out of the config, or switch it to SAML 2.0 in the Okta console"})
	case name == identityApp:
		d.app.Refuse(finding.Finding{Code: finding.UnsupportedKind, What: "an IAM Identity Center app cannot be moved",
			Why:    "its endpoint belongs to one Identity Center instance, not to a Region's sign-in",
			Remedy: "take it out of the config; Identity Center has its own Regional redundancy"})
	case name == accountApp && !custom:
		d.unproven()
	case name == accountApp || !custom:
		d.app.Refuse(finding.Finding{Code: finding.UnsupportedKind, What: "this app from Okta's catalogue cannot be moved",
			Why:    "of the catalogue's apps only AWS Account Federation is known here",
			Remedy: "change the endpoint of this app by hand in the Okta console, or use a custom SAML 2.0 app"})
	default:
		d.app.Kind = CustomKind
	}
	if d.app.Status == deletedStatus {
		d.app.Refuse(finding.Finding{Code: finding.AppNotFound, What: "the app is deleted", Remedy: "take it out of the config"})
	} else if d.app.Status != activeStatus {
		d.app.Note(finding.Finding{Code: finding.AppInactive, What: "nobody can sign in through this app", Why: fmt.Sprintf("its status is %q", d.app.Status),
			Remedy: "activate it in the Okta console if it is meant to work; it is never activated from here"})
	}
}

// endpoints checks every ACS-bearing value (spec 1.4), finds the active one and
// the fields that a move writes.
func (d *description) endpoints() {
	foreign := map[string]string{}
	if d.app.Kind == CustomKind {
		d.custom(foreign)
	} else {
		d.catalogue(foreign)
	}
	d.further(foreign)
	if len(foreign) > 0 {
		d.app.Refuse(finding.Finding{Code: finding.ForeignACS, What: "the app holds a sign-in endpoint that is not AWS's; it is not written",
			Why:    "every endpoint of an app has to be in the catalogue",
			Remedy: "find out who set it: whoever owns that host receives people's assertions; then correct it in the Okta console", Evidence: foreign})
	}
	d.agreement()
}

// custom reads the three fields of a custom app. An override beside them makes
// it unclear which value counts.
func (d *description) custom(foreign map[string]string) {
	d.fields = endpoints()
	for _, p := range d.fields {
		acs, _ := d.endpoint(p, foreign)
		if p == acsURL {
			d.app.ACS, d.app.ACSText = acs, text(d.doc, p)
		}
	}
	for _, p := range overrides() {
		if !d.isSet(p) {
			continue
		}
		d.endpoint(p, foreign)
		d.app.Refuse(finding.Finding{Code: finding.UnsupportedKind, What: "a custom app holds an override field",
			Why: fmt.Sprintf("which of %s and ssoAcsUrl counts is not documented", p), Remedy: "clear the override in the Okta console"})
	}
}

// agreement notes fields that name different Regions.
func (d *description) agreement() {
	regions, evidence := map[signin.Region]bool{}, map[string]string{}
	if !d.app.ACS.IsZero() {
		regions[d.app.ACS.Region()] = true
	}
	for _, p := range d.fields {
		if acs, err := signin.ParseACS(text(d.doc, p)); err == nil {
			regions[acs.Region()] = true
			evidence[string(p[strings.LastIndex(string(p), "/")+1:])] = text(d.doc, p)
		}
	}
	if len(regions) > 1 {
		d.app.Note(finding.Finding{Code: finding.ACSDisagrees, What: "ACS URL, recipient and destination name different Regions",
			Why: "an earlier change was made by hand or was cut off; logins may fail", Remedy: "a move sets all of them", Evidence: evidence})
	}
}

// endpoint reads one ACS-bearing value and notes a foreign one.
func (d *description) endpoint(p idp.Pointer, foreign map[string]string) (signin.ACS, bool) {
	at, _ := d.doc.At(p)
	s, ok := at.Text()
	acs, err := signin.ParseACS(s)
	if !ok || err != nil {
		foreign[string(p)] = shown(at)
		return signin.ACS{}, false
	}
	return acs, true
}

// further checks the list of additional endpoints. It is never written.
func (d *description) further(foreign map[string]string) {
	list, ok := d.doc.At(acsEndpoints)
	if !ok || list.IsNull() {
		return
	}
	for i, item := range list.Items() {
		at, _ := item.At("/url")
		s, _ := at.Text()
		if _, err := signin.ParseACS(s); err != nil {
			foreign[fmt.Sprintf("%s/%d/url", acsEndpoints, i)] = shown(at)
		}
	}
}

// extras reads the RelayState and the audience.
func (d *description) extras() {
	if at, ok := d.doc.At(relayState); ok && !at.IsNull() {
		s, isText := at.Text()
		if !isText {
			d.app.Refuse(finding.Finding{Code: finding.IdPAnswer, What: "defaultRelayState is neither a text nor null", Remedy: "look at the app in the Okta console"})
		}
		d.app.RelayState = s
	}
	if f, ok := idp.RelayFinding("", d.app.RelayState, signin.Target{}); ok {
		d.app.Note(f)
	}
	d.app.Audience = text(d.doc, audience)
	if d.app.Kind == AccountKind {
		d.app.Audience = text(d.doc, audienceOverride)
	}
	if _, err := signin.ParseACS(d.app.Audience); err == nil {
		d.app.Note(finding.Finding{Code: finding.AudienceIsEndpoint, What: "the audience is a sign-in endpoint and is left as it is",
			Why: "AWS compares the recipient, not the audience", Remedy: "nothing; urn:amazon:webservices would fit every Region",
			Evidence: map[string]string{"audience": d.app.Audience}})
	}
}

// Retarget points an app at the target: its endpoint fields, each with its own
// provider suffix, and the RelayState where spec 1.3 moves it.
func (c Codec) Retarget(doc idp.Document, target signin.Target) ([]idp.Change, error) {
	d, err := c.describe(doc)
	if err == nil {
		err = d.app.Refusal()
	}
	if err != nil {
		return nil, err
	}
	out, err := d.retarget(target.To)
	if err != nil {
		return nil, err
	}
	if page, outcome := target.Rewrite(d.app.RelayState); outcome.Changes() && page.String() != d.app.RelayState {
		at, _ := d.doc.At(relayState)
		out = append(out, idp.Change{Pointer: relayState, Before: at.Raw(), After: idp.QuoteJSON(page.String())})
	}
	return out, nil
}

// retarget returns the changes of the endpoint fields. A field that is empty
// gets the deciding one's endpoint, but not if all the others are there already.
func (d *description) retarget(to signin.Region) ([]idp.Change, error) {
	var out []idp.Change
	moved := false
	for _, p := range d.fields {
		at, _ := d.doc.At(p)
		acs, set := d.app.ACS, d.isSet(p)
		if set {
			var err error
			if acs, err = signin.ParseACS(text(d.doc, p)); err != nil {
				return nil, err
			}
		}
		next, moves, err := retarget(acs, to)
		if err != nil {
			return nil, err
		}
		moved = moved || moves
		if moves || !set {
			out = append(out, idp.Change{Pointer: p, Before: at.Raw(), After: idp.QuoteJSON(next.String())})
		}
	}
	if !moved {
		return nil, nil
	}
	return out, nil
}

// retarget returns the endpoint in its new Region; moves is false when it is
// there already.
func retarget(acs signin.ACS, to signin.Region) (next signin.ACS, moves bool, err error) {
	if !to.IsZero() && acs.Region().Partition() != to.Partition() {
		return next, false, finding.Finding{Code: finding.OtherPartition, Subject: to.String(), What: "the Region belongs to another partition than the app",
			Why: fmt.Sprintf("the app signs in to %s, %s is in %s", acs.Region().Partition(), to, to.Partition()), Remedy: "choose a Region of the app's own partition"}
	}
	next, err = acs.In(to)
	return next, err == nil && next != acs, err
}

// systemKeys are what Okta computes itself or keeps elsewhere; a replacement
// leaves them out (Okta Management API, "Replace an application").
func systemKeys() []idp.Pointer {
	return []idp.Pointer{"/id", "/status", "/created", "/lastUpdated", "/orn", "/_links", "/_embedded", "/universalLogout"}
}

// body returns what a full replacement sends: the app as read, with the
// changes, without the system keys, every other byte as it came.
func body(doc idp.Document, changes []idp.Change) ([]byte, error) {
	next, err := idp.Apply(doc, changes)
	if err != nil {
		return nil, err
	}
	raw := next.Raw
	for _, p := range systemKeys() {
		if raw, err = idp.Delete(raw, p); err != nil {
			return nil, err
		}
	}
	return allSix(raw)
}

func text(v idp.Value, p idp.Pointer) string {
	at, _ := v.At(p)
	s, _ := at.Text()
	return s
}

// shown is a value for evidence: an endpoint, never a secret.
func shown(v idp.Value) string {
	s, ok := v.Text()
	switch {
	case !ok && v.Raw() == nil:
		return "(absent)"
	case !ok:
		return "(not a text)"
	case len(s) > 300:
		return s[:300] + "..."
	}
	return s
}

package onelogin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Codec knows the JSON of OneLogin apps (OneLogin API v2, Apps). The zero value
// is ready to use.
type Codec struct{}

var (
	_ idp.Codec     = Codec{}
	_ idp.Publisher = Codec{}
)

// Where the values stand. The names inside configuration are those of the
// connector "SAML Custom Connector (Advanced)", as OneLogin's own Terraform
// provider documents them. sso.acs_url is not among them: it is OneLogin's own
// address and read-only.
const (
	configuration idp.Pointer = "/configuration"
	consumerURL               = configuration + "/consumer_url"
	recipient                 = configuration + "/recipient"
	validator                 = configuration + "/validator"
	relayState                = configuration + "/relaystate"
	relayOther                = configuration + "/relay" // the name that some connectors use
	audience                  = configuration + "/audience"
	visible       idp.Pointer = "/visible"

	samlMethod      = "2" // auth_method of SAML apps (API v2, Apps)
	customKind      = "onelogin:custom-saml"
	customConnector = "SAML Custom Connector (Advanced)"
)

// Volatile lists what OneLogin changes by itself at a write.
func (Codec) Volatile() []idp.Pointer { return []idp.Pointer{"/updated_at"} }

// Describe reads an app of any kind. Only a SAML app that holds a consumer_url
// of its own, whose every ACS-bearing value is AWS's, is movable.
func (Codec) Describe(doc idp.Document) idp.App {
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		f, _ := finding.From(err)
		f.Subject = "app " + string(doc.ID)
		return idp.App{ID: doc.ID, Kind: "onelogin:unreadable", Findings: []finding.Finding{f}}
	}
	d := description{doc: v, app: idp.App{ID: doc.ID, Label: text(v, "/name"), Status: status(v), Hidden: status(v) == hiddenTile, Movable: true}}
	d.kind()
	if d.app.Kind == customKind {
		d.endpoints()
		d.judgeValidator()
	}
	d.landing()
	d.audience()
	return d.app
}

// hiddenTile is the status of an app that people do not see.
const hiddenTile = "hidden"

// Publish implements idp.Publisher.
func (c Codec) Publish(doc idp.Document, show bool) ([]idp.Change, error) {
	if err := c.Describe(doc).Refusal(); err != nil {
		return nil, err
	}
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		return nil, err
	}
	if show && status(v) != hiddenTile { // an absent key is a tile that is shown
		return nil, nil
	}
	out, err := idp.Switch(v, visible, show)
	if err != nil {
		return nil, fmt.Errorf("onelogin: app %s: %w", doc.ID, err)
	}
	return out, nil
}

// status says whether people see the tile; an app of OneLogin has no other
// state.
func status(v idp.Value) string {
	if at, ok := v.At(visible); ok && string(at.Raw()) == "false" {
		return hiddenTile
	}
	return "visible"
}

// description gathers what Describe finds.
type description struct {
	doc idp.Value
	app idp.App
}

// kind decides by what the app holds, not by its connector's id: which keys a
// connector's configuration has is documented for few of them.
func (d *description) kind() {
	connector, method := plain(d.doc, "/connector_id"), plain(d.doc, "/auth_method")
	_, hasACS := d.doc.At(consumerURL)
	d.app.Kind = "onelogin:connector-" + connector
	switch {
	case method != samlMethod:
		d.app.Refuse(finding.Finding{Code: finding.NotSAML, What: "the app does not sign in with SAML", Why: fmt.Sprintf("its auth_method is %q, SAML is %s", method, samlMethod),
			Remedy: "take it out of the config, or make a SAML app for AWS in OneLogin"})
	case !hasACS:
		d.app.Refuse(finding.Finding{Code: finding.UnsupportedKind, What: "this connector's endpoint cannot be moved by API",
			Why: "its configuration has no consumer_url: OneLogin's AWS connectors keep the endpoint to themselves",
			Remedy: fmt.Sprintf("make an app with the connector %q, copy roles and parameters, set ACS, recipient and validator there, and name that app in the config",
				customConnector)})
	default:
		d.app.Kind = customKind
	}
}

// endpoints checks the two values that name the endpoint (spec 1.4) and finds
// the active one.
func (d *description) endpoints() {
	foreign := map[string]string{}
	at, _ := d.doc.At(consumerURL)
	d.app.ACSText, _ = at.Text()
	acs, ok := endpoint(at)
	if ok {
		d.app.ACS = acs
	} else {
		foreign[string(consumerURL)] = shown(at)
	}
	at, _ = d.doc.At(recipient)
	other, otherOK := endpoint(at)
	switch {
	case otherOK:
	case blank(at):
		d.app.Note(finding.Finding{Code: finding.RecipientEmpty, What: "the app names no recipient, so OneLogin decides what the assertion says",
			Why:    "AWS wants the endpoint there; logins can only work if OneLogin puts the ACS, and then a move of the ACS moves both",
			Remedy: "set the recipient to the ACS in OneLogin, so that nothing is left to guess"})
	default:
		foreign[string(recipient)] = shown(at)
	}
	if len(foreign) > 0 {
		d.foreign("the app holds a sign-in endpoint that is not AWS's; it is not written", "every endpoint of an app has to be in the catalogue",
			"find out who set it: whoever owns that host receives people's assertions; then correct it in OneLogin", foreign)
	}
	if ok && otherOK && acs.Region() != other.Region() {
		d.app.Note(finding.Finding{Code: finding.ACSDisagrees, What: "ACS and recipient name different Regions",
			Why: "an earlier change was made by hand or was cut off; logins may fail", Remedy: "a move sets both",
			Evidence: map[string]string{"consumer_url": d.app.ACSText, "recipient": text(d.doc, recipient)}})
	}
}

func (d *description) foreign(what, why, remedy string, evidence map[string]string) {
	d.app.Refuse(finding.Finding{Code: finding.ForeignACS, What: what, Why: why, Remedy: remedy, Evidence: evidence})
}

func endpoint(at idp.Value) (signin.ACS, bool) {
	s, isText := at.Text()
	acs, err := signin.ParseACS(s)
	return acs, isText && err == nil
}

// judgeValidator refuses an app whose validator lets assertions go to a host
// that is not AWS's (spec 1.4), or cannot be judged, and reports one that would
// refuse the endpoint in use.
func (d *description) judgeValidator() {
	pattern := text(d.doc, validator)
	evidence := map[string]string{"validator": shownAt(d.doc, validator)}
	rule, err := judged.of(pattern)
	switch {
	case err != nil:
		d.app.Refuse(finding.Finding{Code: finding.ACSValidator, What: "it cannot be shown which endpoints the app's ACS URL validator admits; the app is not written",
			Why: err.Error(), Remedy: advice(d.app.ACS.Region()), Evidence: evidence})
	case rule.foreign != "":
		evidence["it admits"] = rule.foreign
		d.foreign("the app's ACS URL validator admits a host that is not AWS's; the app is not written",
			"whoever can make a sign-in request may have the assertion sent there", advice(d.app.ACS.Region()), evidence)
	case !d.app.ACS.IsZero() && !rule.whole.MatchString(d.app.ACSText):
		d.app.Note(finding.Finding{Code: finding.ACSValidator, What: "the app's ACS URL validator refuses the endpoint that the app has now",
			Why: "sign-in requests that name it may fail", Remedy: advice(d.app.ACS.Region()), Evidence: evidence})
	}
}

// landing reads the RelayState. Two names are known for it; where both hold
// something, which of them counts is not documented.
func (d *description) landing() {
	p := relayPointer(d.doc)
	at, ok := d.doc.At(p)
	if s, isText := at.Text(); isText {
		d.app.RelayState = s
	} else if ok && !at.IsNull() {
		d.app.Refuse(finding.Finding{Code: finding.IdPAnswer, What: string(p) + " is neither a text nor null", Remedy: "look at the app in OneLogin"})
	}
	other, _ := d.doc.At(relayOther)
	if p != relayOther && !blank(other) && d.app.RelayState != "" {
		d.app.Refuse(finding.Finding{Code: finding.UnsupportedKind, What: "the app has two RelayStates",
			Why: "which of relaystate and relay counts is not documented", Remedy: "clear one of them in OneLogin"})
	}
	if f, ok := idp.RelayFinding("", d.app.RelayState, signin.Target{}); ok {
		d.app.Note(f)
	}
}

// relayPointer returns where the app keeps its RelayState.
func relayPointer(doc idp.Value) idp.Pointer {
	own, _ := doc.At(relayState)
	other, hasOther := doc.At(relayOther)
	if own.Raw() == nil && hasOther || blank(own) && !blank(other) {
		return relayOther
	}
	return relayState
}

func (d *description) audience() {
	d.app.Audience = text(d.doc, audience)
	if _, err := signin.ParseACS(d.app.Audience); err == nil {
		d.app.Note(finding.Finding{Code: finding.AudienceIsEndpoint, What: "the audience is a sign-in endpoint and is left as it is",
			Why: "AWS compares the recipient, not the audience", Remedy: "nothing; urn:amazon:webservices would fit every Region",
			Evidence: map[string]string{"audience": d.app.Audience}})
	}
}

// Retarget points an app at the target: ACS and recipient, each with its own
// provider suffix, and the RelayState where spec 1.3 moves it. It refuses when
// the app's validator would not admit the new endpoint; the validator itself is
// never changed. A RelayState is set only where the app has a key for it.
func (c Codec) Retarget(doc idp.Document, target signin.Target) ([]idp.Change, error) {
	app := c.Describe(doc)
	if err := app.Refusal(); err != nil {
		return nil, err
	}
	v, err := idp.Parse(doc.Raw)
	if err != nil {
		return nil, err
	}
	var out []idp.Change
	for _, p := range []idp.Pointer{consumerURL, recipient} {
		at, _ := v.At(p)
		now, ok := endpoint(at)
		if !ok {
			continue // an empty recipient stays empty
		}
		next, err := in(now, target.To)
		if err != nil {
			return nil, err
		}
		if next == now {
			continue
		}
		if p == consumerURL {
			err = admitted(app, v, next)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, idp.Change{Pointer: p, Before: at.Raw(), After: idp.QuoteJSON(next.String())})
	}
	p := relayPointer(v)
	if at, ok := v.At(p); ok {
		if page, outcome := target.Rewrite(app.RelayState); outcome.Changes() && page.String() != app.RelayState {
			out = append(out, idp.Change{Pointer: p, Before: at.Raw(), After: idp.QuoteJSON(page.String())})
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

// admitted refuses an endpoint that the app's validator does not admit.
func admitted(app idp.App, doc idp.Value, next signin.ACS) error {
	whole, err := compiled(text(doc, validator))
	if err == nil && whole.MatchString(next.String()) {
		return nil
	}
	return finding.Finding{Code: finding.ACSValidator, Subject: fmt.Sprintf("app %s (%s)", app.Label, app.ID),
		What: fmt.Sprintf("the app's ACS URL validator would refuse the endpoint of %s", next.Region()),
		Why:  "an ACS that the validator does not match may break sign-in through this app", Remedy: advice(next.Region()),
		Evidence: map[string]string{"validator": shownAt(doc, validator), "it refuses": next.String()}}
}

// body returns what a write sends, and nothing else: visible, if that changes,
// and if anything in the configuration does, the whole configuration as read
// with the changes. Whether OneLogin merges configuration key by key or replaces
// it is not documented; this is right either way.
func body(doc idp.Document, changes []idp.Change) ([]byte, error) {
	tile, inside := false, false
	for _, c := range changes {
		switch {
		case c.Pointer == visible && c.After != nil:
			tile = true
		case c.Pointer.Within(configuration) && c.Pointer != configuration:
			inside = true
		default:
			return nil, finding.Finding{Code: finding.UnsupportedKind, Subject: "app " + string(doc.ID),
				What: fmt.Sprintf("%s is not part of the app's configuration and is not written", c.Pointer), Remedy: "change it in OneLogin if it is meant"}
		}
	}
	next, err := idp.Apply(doc, changes)
	if err != nil {
		return nil, err
	}
	shown, _, err := idp.Get(next.Raw, visible)
	if err != nil {
		return nil, err
	}
	config, ok, err := idp.Get(next.Raw, configuration)
	if err != nil {
		return nil, err
	}
	switch {
	case tile && !inside:
		return slices.Concat([]byte(`{"visible":`), shown, []byte("}")), nil
	case tile && ok:
		return slices.Concat([]byte(`{"visible":`), shown, []byte(`,"configuration":`), config, []byte("}")), nil
	case !ok:
		return nil, finding.Finding{Code: finding.UnsupportedKind, Subject: "app " + string(doc.ID), What: "the app has no configuration", Remedy: "look at the app in OneLogin"}
	}
	return append(append(json.RawMessage(`{"configuration":`), config...), '}'), nil
}

// mentionsAWS is deliberately loose: a misspelt AWS endpoint must be shown too.
func mentionsAWS(s string) bool {
	s = strings.ToLower(s)
	for _, word := range []string{"signin.aws", "signin.amazonaws", "urn:amazon:webservices", "arn:aws"} {
		if strings.Contains(s, word) {
			return true
		}
	}
	_, err := signin.ParseACS(s)
	return err == nil
}

// text returns a text at p, or "".
func text(v idp.Value, p idp.Pointer) string {
	at, _ := v.At(p)
	s, _ := at.Text()
	return s
}

// plain returns a number or a text at p as text: OneLogin's configuration holds
// numbers as texts, its apps hold them as numbers.
func plain(v idp.Value, p idp.Pointer) string {
	at, _ := v.At(p)
	if s, ok := at.Text(); ok {
		return s
	}
	return string(at.Raw())
}

// blank reports whether a value is absent, null or an empty text.
func blank(v idp.Value) bool {
	s, isText := v.Text()
	return v.Raw() == nil || v.IsNull() || (isText && s == "")
}

// shown is a value for evidence: an endpoint, never a secret.
func shown(v idp.Value) string {
	s, ok := v.Text()
	switch {
	case !ok && v.Raw() == nil:
		return "(absent)"
	case !ok:
		return "(not a text)"
	}
	return cut(s, 300)
}

func shownAt(doc idp.Value, p idp.Pointer) string {
	at, _ := doc.At(p)
	return shown(at)
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

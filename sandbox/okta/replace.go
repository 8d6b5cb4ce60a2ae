package okta

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// systemKeys cannot be set: what a client sends is ignored (management OpenAPI,
// read-only properties). features is accepted and never changes
// (okta-developer-docs issue 5130).
const systemKeys = "id orn name status created lastUpdated universalLogout _links _embedded features"

// kind tells the two sorts of SAML app apart, because PUT treats them unlike.
type kind int

const (
	otherApp     kind = iota // not SAML 2.0
	customSAML               // made in the org; settings.signOn has ssoAcsUrl
	catalogueApp             // from Okta's catalogue; settings.signOn has overrides
)

func kindOf(doc object) kind {
	if jsontree.Text(doc, "signOnMode") != "SAML_2_0" {
		return otherApp
	}
	if _, ok := jsontree.Get(doc, "settings", "signOn", "ssoAcsUrl"); ok {
		return customSAML
	}
	return catalogueApp
}

// sixKeys are the settings.signOn keys of a catalogue SAML app. With one of
// them missing, a PUT leaves the attribute statements alone
// (okta-sdk-golang pull request 222).
const sixKeys = "defaultRelayState ssoAcsUrlOverride audienceOverride recipientOverride destinationOverride attributeStatements"

// leftOut says what becomes of a value that the app has and a PUT leaves out.
type leftOut struct {
	path string // keys joined by dots
	keep bool
	to   string // JSON, when not kept
}

// everyApp: recorded (notifications, manualProvisioning kept) or, where no
// recording says, the worst case: back to the value of a new app.
func everyApp(name string) []leftOut {
	return []leftOut{
		{path: "accessibility.selfService", to: `false`},
		{path: "accessibility.errorRedirectUrl", to: `null`},
		{path: "accessibility.loginRedirectUrl", to: `null`},
		{path: "visibility.autoLaunch", to: `false`},
		{path: "visibility.autoSubmitToolbar", to: `false`},
		{path: "visibility.hide", to: `{"iOS":false,"web":false}`},
		{path: "visibility.appLinks", to: fmt.Sprintf(`{"%s_link":true}`, name)},
		{path: "credentials.userNameTemplate", to: `{"template":"${source.login}","type":"BUILT_IN"}`},
		{path: "settings.notifications", keep: true},
		{path: "settings.manualProvisioning", keep: true},
		{path: "settings.emOptInStatus", keep: true},
		{path: "settings.implicitAssignment", to: `false`},
		{path: "settings.notes", to: `{"admin":null,"enduser":null}`},
		{path: "settings.app", to: `{}`},
	}
}

// customApps: acsEndpoints, spIssuer, requestCompressed, assertionEncryption
// and inlineHooks were recorded to come back at their default; slo,
// participateSlo and spCertificate are kept (okta-developer-docs pull request
// 4238); the rest is the worst case.
func customApps() []leftOut {
	const at = "settings.signOn."
	return []leftOut{
		{path: at + "slo", keep: true},
		{path: at + "participateSlo", keep: true},
		{path: at + "spCertificate", keep: true},
		{path: at + "acsEndpoints", to: `[]`},
		{path: at + "spIssuer", to: `null`},
		{path: at + "requestCompressed", to: `false`},
		{path: at + "assertionEncryption", to: `{"enabled":false}`},
		{path: at + "inlineHooks", to: `[]`},
		{path: at + "defaultRelayState", to: `""`},
		{path: at + "idpIssuer", to: `"` + defaultIssuer + `"`},
		{path: at + "subjectNameIdTemplate", to: `"${user.userName}"`},
		{path: at + "subjectNameIdFormat", to: `"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"`},
		{path: at + "responseSigned", to: `true`},
		{path: at + "assertionSigned", to: `true`},
		{path: at + "signatureAlgorithm", to: `"RSA_SHA256"`},
		{path: at + "digestAlgorithm", to: `"SHA256"`},
		{path: at + "honorForceAuthn", to: `true`},
		{path: at + "authnContextClassRef", to: `"urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"`},
		{path: at + "attributeStatements", to: `[]`},
		{path: at + "allowMultipleAcsEndpoints", to: `false`},
		{path: at + "samlSignedRequestEnabled", to: `false`},
	}
}

// replace computes what an app becomes when sent is PUT over old: a full
// replace with the exceptions above. nextKid is the id of the signing key that
// the app gets when the client left the id out (worst case).
func replace(old, sent object, nextKid string) object {
	next := jsontree.Clone(sent)
	for _, k := range strings.Fields(systemKeys) {
		restore(next, old, k)
	}
	hadApp := jsontree.Sub(sent, "settings", "app") != nil
	for _, r := range everyApp(jsontree.Text(old, "name")) {
		r.apply(next, old)
	}
	if signing := jsontree.Sub(next, "credentials", "signing"); signing["kid"] == nil {
		delete(signing, "kid") // null is no key id
	}
	leftOut{path: "credentials.signing.kid", to: `"` + nextKid + `"`}.apply(next, old)
	switch kindOf(old) {
	case customSAML:
		replaceCustom(next, old, hadApp)
	case catalogueApp:
		replaceCatalogue(next, old)
	}
	hideSecrets(next)
	return next
}

// restore makes the top-level key in next what it is in old.
func restore(next, old object, key string) {
	delete(next, key)
	if v, ok := old[key]; ok {
		next[key] = jsontree.Clone(v)
	}
}

func (r leftOut) apply(next, old object) {
	path := strings.Split(r.path, ".")
	was, had := jsontree.Get(old, path...)
	if _, sent := jsontree.Get(next, path...); sent || !had {
		return
	}
	if r.keep {
		set(next, jsontree.Clone(was), path...)
		return
	}
	v, err := jsontree.Decode([]byte(`{"v":` + r.to + `}`))
	if err != nil {
		panic(fmt.Sprintf("sandbox okta: default of %s: %v", r.path, err)) // a test walks all of them
	}
	set(next, v["v"], path...)
}

// replaceCustom also drops the catalogue's override keys, which a custom app
// silently ignores, and the ACS endpoints of a request without settings.app
// (terraform-provider-okta issue 226).
func replaceCustom(next, old object, hadApp bool) {
	for _, r := range customApps() {
		r.apply(next, old)
	}
	signOn := jsontree.Sub(next, "settings", "signOn")
	if signOn == nil {
		return // check refuses it
	}
	for _, k := range strings.Fields("ssoAcsUrlOverride audienceOverride recipientOverride destinationOverride") {
		if _, had := jsontree.Get(old, "settings", "signOn", k); !had {
			delete(signOn, k)
		}
	}
	if _, had := jsontree.Get(old, "settings", "app"); had && !hadApp {
		signOn["acsEndpoints"] = []any{}
	}
	// Recorded: spIssuer follows the single-logout issuer.
	if issuer := jsontree.Text(signOn, "slo", "issuer"); issuer != "" && signOn["spIssuer"] == nil {
		signOn["spIssuer"] = issuer
	}
}

// replaceCatalogue nulls what was left out of settings.app and of the six keys
// (worst case) and keeps the attribute statements unless all six were sent.
func replaceCatalogue(next, old object) {
	for k := range jsontree.Sub(old, "settings", "app") {
		leftOut{path: "settings.app." + k, to: `null`}.apply(next, old)
	}
	all := true
	for _, k := range strings.Fields(sixKeys) {
		if _, sent := jsontree.Get(next, "settings", "signOn", k); !sent {
			all = false
			leftOut{path: "settings.signOn." + k, to: `null`}.apply(next, old)
		}
	}
	if statements, had := jsontree.Get(old, "settings", "signOn", "attributeStatements"); !all && had {
		set(next, jsontree.Clone(statements), "settings", "signOn", "attributeStatements")
	}
	leftOut{path: "settings.signOn.configuredAttributeStatements", keep: true}.apply(next, old)
	leftOut{path: "settings.signOn.honorForceAuthn", to: `false`}.apply(next, old)
}

// foreignKey returns a settings.signOn key that a catalogue app does not have:
// Okta answers 500 to one (okta-sdk-golang pull request 222).
func foreignKey(old, sent object) (string, bool) {
	known := strings.Fields(sixKeys)
	for _, k := range keyOrder().Keys(jsontree.Sub(sent, "settings", "signOn")) {
		if _, had := jsontree.Get(old, "settings", "signOn", k); !had && !slices.Contains(known, k) {
			return k, true
		}
	}
	return "", false
}

// hideSecrets empties the write-only credentials of the AWS catalogue app,
// which always read back as null.
func hideSecrets(next object) {
	app := jsontree.Sub(next, "settings", "app")
	for _, k := range secretKeys() {
		if _, ok := app[k].(string); ok && jsontree.Text(next, "name") == accountApp {
			app[k] = nil
		}
	}
}

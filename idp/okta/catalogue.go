package okta

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// The override fields of apps from Okta's catalogue (recorded in
// okta/terraform-provider-okta; Okta help, "Configure the AWS Account Federation
// app" and "CASB configuration guide").
const (
	acsOverride                     = signOn + "/ssoAcsUrlOverride"
	recipientOverride               = signOn + "/recipientOverride"
	destinationOverride             = signOn + "/destinationOverride"
	audienceOverride                = signOn + "/audienceOverride"
	overrideACS         idp.Pointer = "/settings/app/overrideAcsURL" // the admin field "ACS URL"
)

// overrides are ACS-bearing values of catalogue apps.
func overrides() []idp.Pointer {
	return append(trio(), overrideACS)
}

// trio are the three that Okta documents for any catalogue SAML app.
func trio() []idp.Pointer { return []idp.Pointer{acsOverride, recipientOverride, destinationOverride} }

// environments are the endpoints that an app without any override uses, by its
// awsEnvironmentType. Only one is known.
func environments() map[string]string {
	return map[string]string{"aws.amazon": "https://signin.aws.amazon.com/saml"}
}

// unproven refuses a kind that keeps secrets which read back as null: whether a
// full replacement with those nulls clears them is not documented, so a person
// has to try it in this tenant first (spec 2.8).
func (d *description) unproven() {
	if slices.Contains(d.proven, AccountKind) {
		return
	}
	d.app.Refuse(finding.Finding{Code: finding.UnprovenKind, What: "the app is watched and not written, because nobody has tried a write to this kind in this tenant",
		Why:    "it may hold access keys for the import of roles, which read back as null; whether writing the app clears them is not documented",
		Remedy: "move a test app of this kind and back, see that its role import still works, then list " + AccountKind + " under proven_kinds of the tenant"})
}

// catalogue finds where an app from the catalogue keeps its endpoint: the admin
// field overrideAcsURL, or the three overrides in signOn, whichever is in use;
// the admin field if neither is. Which one counts if both are set is not
// documented, so they must agree.
func (d *description) catalogue(foreign map[string]string) {
	set := map[idp.Pointer]signin.ACS{}
	for _, p := range overrides() {
		if d.isSet(p) {
			set[p], _ = d.endpoint(p, foreign)
		}
	}
	d.fields = d.strategy(set)
	switch deciding, ok := set[d.fields[0]]; {
	case ok:
		d.app.ACS, d.app.ACSText = deciding, text(d.doc, d.fields[0])
	case d.app.Kind == AccountKind:
		d.standard()
	}
	field, one := set[overrideACS]
	other, two := set[acsOverride]
	if one && two && field != other {
		d.app.Refuse(finding.Finding{Code: finding.ACSDisagrees, What: "overrideAcsURL and ssoAcsUrlOverride are set to different endpoints",
			Why: "which of them Okta uses is not documented", Remedy: "clear the one that is not meant in the Okta console",
			Evidence: map[string]string{"overrideAcsURL": text(d.doc, overrideACS), "ssoAcsUrlOverride": text(d.doc, acsOverride)}})
	}
}

// strategy returns the fields that a move writes, the deciding one first.
func (d *description) strategy(set map[idp.Pointer]signin.ACS) []idp.Pointer {
	if _, ok := set[overrideACS]; !ok && len(set) > 0 {
		return trio()
	}
	fields := []idp.Pointer{overrideACS}
	for _, p := range trio() {
		if _, ok := set[p]; ok {
			fields = append(fields, p)
		}
	}
	return fields
}

// standard is the endpoint of an app in which no override decides.
func (d *description) standard() {
	name := text(d.doc, environment)
	acs, err := signin.ParseACS(environments()[name])
	if err != nil {
		d.app.Refuse(finding.Finding{Code: finding.UnsupportedKind, What: "the app uses the standard endpoint of an environment that is not known here",
			Why: fmt.Sprintf("its awsEnvironmentType is %q", name), Remedy: "set the app's ACS URL in the Okta console once, to the endpoint it uses now"})
		return
	}
	d.app.ACS, d.app.ACSText = acs, acs.String()
}

// isSet reports whether a value is there: neither absent, nor null, nor empty.
func (d *description) isSet(p idp.Pointer) bool {
	at, ok := d.doc.At(p)
	s, isText := at.Text()
	return ok && !at.IsNull() && (!isText || s != "")
}

// allSix gives the body of a catalogue SAML app the signOn keys that it lacks,
// as null: with one of the six missing, Okta ignores the attribute statements
// that are sent (okta-sdk-golang pull request 222). The sixth, the statements
// themselves, is never made up.
func allSix(raw []byte) ([]byte, error) {
	v, err := idp.Parse(raw)
	if err != nil {
		return nil, err
	}
	_, isCustom := v.At(acsURL)
	if at, ok := v.At(signOn); text(v, "/signOnMode") != samlSignOn || isCustom || !ok || !strings.HasPrefix(string(at.Raw()), "{") {
		return raw, nil
	}
	for _, p := range append(trio(), relayState, audienceOverride) {
		if _, ok := v.At(p); ok {
			continue
		}
		if raw, err = idp.Set(raw, p, []byte("null")); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

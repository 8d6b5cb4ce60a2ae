package okta

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// AppSettings are what a person types when creating a custom SAML app.
type AppSettings struct {
	ACS        string // becomes ssoAcsUrl, recipient and destination
	RelayState string // defaultRelayState, may be ""
	Audience   string // "" = urn:amazon:webservices
	// Statements are attribute statements beside Role and RoleSessionName,
	// which every app made here sends.
	Statements []AttributeStatement
}

// AttributeStatement is one EXPRESSION statement; see eval for what an
// Expression may say.
type AttributeStatement struct{ Name, Expression string }

const (
	awsAttribute = "https://aws.amazon.com/SAML/Attributes/"
	uriFormat    = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	awsAudience  = "urn:amazon:webservices"
)

func (s AppSettings) check(label string) error {
	if label == "" || !validURL(s.ACS) {
		return fmt.Errorf("add SAML app %q: it needs a label and an ACS URL (got %q)", label, s.ACS)
	}
	return nil
}

// customApp is the JSON of a new custom SAML 2.0 app with the keys, types and
// defaults that were recorded from real orgs.
func (o *Org) customApp(id, label string, s AppSettings, now time.Time) object {
	name := fmt.Sprintf("%s_%s_%d", o.subdomain, slug(label), len(o.apps)+1)
	base := "https://" + o.o.Host
	api := base + "/api/v1/apps/" + id
	return object{
		"id":   id,
		"orn":  fmt.Sprintf("orn:okta:idp:%s:apps:%s:%s", orgID(o.o.Host), name, id),
		"name": name, "label": label, "status": "ACTIVE",
		"lastUpdated": stamp(now), "created": stamp(now),
		"accessibility": object{"selfService": false, "errorRedirectUrl": nil, "loginRedirectUrl": nil},
		"visibility": object{"autoLaunch": false, "autoSubmitToolbar": false,
			"hide": object{"iOS": false, "web": false}, "appLinks": object{name + "_link": true}},
		"features":   []any{},
		"signOnMode": "SAML_2_0",
		"credentials": object{
			"userNameTemplate": object{"template": "${source.login}", "type": "BUILT_IN"},
			"signing":          object{"kid": newKid(id, 1)}},
		"settings": object{
			"app": object{},
			"notifications": object{"vpn": object{
				"network": object{"connection": "DISABLED"}, "message": nil, "helpUrl": nil}},
			"manualProvisioning": false, "implicitAssignment": false,
			"notes":  object{"admin": nil, "enduser": nil},
			"signOn": customSignOn(s),
		},
		"_links": object{
			"help":         object{"href": "https://" + o.subdomain + "-admin" + strings.TrimPrefix(o.o.Host, o.subdomain) + "/app/" + name + "/" + id + "/setup/help/SAML_2_0/instructions", "type": "text/html"},
			"metadata":     object{"href": api + "/sso/saml/metadata", "type": "application/xml"},
			"appLinks":     []any{object{"name": name + "_link", "href": base + "/home/" + name + "/" + id + "/aln" + id[3:], "type": "text/html"}},
			"policies":     object{"href": api + "/policies", "hints": object{"allow": []any{"PUT"}}},
			"groups":       object{"href": api + "/groups"},
			"users":        object{"href": api + "/users"},
			"accessPolicy": object{"href": base + "/api/v1/policies/rst" + id[3:]},
			"deactivate":   object{"href": api + "/lifecycle/deactivate"},
			"uploadLogo":   object{"href": api + "/logo", "hints": object{"allow": []any{"POST"}}},
		},
	}
}

func customSignOn(s AppSettings) object {
	statements := []any{
		statement(awsAttribute+"Role", "appuser.awsRoles"),
		statement(awsAttribute+"RoleSessionName", "user.login"),
	}
	for _, extra := range s.Statements {
		statements = append(statements, statement(extra.Name, extra.Expression))
	}
	return object{
		"defaultRelayState": s.RelayState, "ssoAcsUrl": s.ACS,
		"idpIssuer": defaultIssuer, "audience": cmp.Or(s.Audience, awsAudience),
		"recipient": s.ACS, "destination": s.ACS,
		"subjectNameIdTemplate": "${user.userName}",
		"subjectNameIdFormat":   "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
		"responseSigned":        true, "assertionSigned": true,
		"signatureAlgorithm": "RSA_SHA256", "digestAlgorithm": "SHA256", "honorForceAuthn": true,
		"authnContextClassRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
		"spIssuer":             nil, "requestCompressed": false,
		"attributeStatements": statements, "inlineHooks": []any{},
		"assertionEncryption":       object{"enabled": false},
		"allowMultipleAcsEndpoints": false, "acsEndpoints": []any{},
		"samlSignedRequestEnabled": false, "slo": object{"enabled": false},
	}
}

func statement(name, expression string) object {
	return object{"type": "EXPRESSION", "name": name, "namespace": uriFormat, "values": []any{expression}}
}

// slug is the part of a generated app name that comes from the label.
func slug(label string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, label)
}

func orgID(host string) string { return "00o" + newKid(host, 0)[:17] }

// newKid is the id of the n-th signing key of an app.
func newKid(appID string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "kid %s %d", appID, n))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

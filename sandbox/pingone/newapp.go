package pingone

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/person"
)

// AppSettings are what a person chooses when creating a SAML application.
type AppSettings struct {
	ACS        []string // acsUrls in their order: the first is the default
	RelayState string   // defaultTargetUrl; "" = none
	// EntityID is spEntityId; "" = urn:amazon:webservices. It is unique in an
	// environment.
	EntityID   string
	SigningKey string // idpSigning.key.id; "" = the environment's default
	// Mappings are attribute mappings beside the subject, Role and
	// RoleSessionName, which every application made here has.
	Mappings []Mapping
}

// Mapping is one custom attribute mapping; see evaluate for what a Value may
// say.
type Mapping struct {
	Name, Value string
	Required    bool
}

func (s AppSettings) check(e *environment, name string) error {
	if name == "" || len(s.ACS) == 0 {
		return fmt.Errorf("add SAML app %q to PingOne: it needs a name and an ACS URL", name)
	}
	for _, u := range s.ACS {
		if !validURL(u) {
			return fmt.Errorf("add SAML app %q to PingOne: %q is no URL", name, u)
		}
	}
	if e.entityTaken(cmp.Or(s.EntityID, awsAudience), "") {
		return fmt.Errorf("add SAML app %q to PingOne: its spEntityId %q is taken in environment %s", name, cmp.Or(s.EntityID, awsAudience), e.name)
	}
	if _, ok := e.key(s.SigningKey); s.SigningKey != "" && !ok {
		return fmt.Errorf("add SAML app %q to PingOne: environment %s has no signing key %s", name, e.name, s.SigningKey)
	}
	return nil
}

const awsAudience = "urn:amazon:webservices"

// samlApp is the JSON of a new SAML application with the keys of PingOne's
// documented answers.
func (t *Tenant) samlApp(e *environment, id, name string, s AppSettings, now time.Time) object {
	self := t.appLink(e.id, id)
	acs := make([]any, len(s.ACS))
	for i, u := range s.ACS {
		acs[i] = u
	}
	doc := object{
		"_links": object{"self": object{"href": self},
			"environment": object{"href": "https://" + t.apiHost + "/v1/environments/" + e.id},
			"attributes":  object{"href": self + "/attributes"}},
		"environment": object{"id": e.id}, "id": id, "name": name, "description": "Sign-in to AWS", "enabled": true,
		"hiddenFromAppPortal": false, "type": "WEB_APP", "protocol": "SAML", "createdAt": stamp(now), "updatedAt": stamp(now),
		"assignActorRoles": false, "tags": []any{}, "accessControl": object{"group": object{"type": "ANY_GROUP", "groups": []any{object{"id": uuid(id + " group")}}}},
		"acsUrls": acs, "assertionDuration": json.Number("300"), "assertionSigned": true, "responseSigned": false,
		"sessionNotOnOrAfterDuration": json.Number("3600"),
		"idpSigning":                  signingWith(cmp.Or(s.SigningKey, e.keys[0].id)),
		"nameIdFormat":                "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
		"spEntityId":                  cmp.Or(s.EntityID, awsAudience),
		"sloBinding":                  "HTTP_POST", "sloWindow": json.Number("0"),
		"spVerification":              object{"authnRequestSigned": false, "certificates": []any{}},
		"enableRequestedAuthnContext": false, "enableAlwaysAcceptAcsUrlInSignedAuthnRequest": false,
		"virtualServerIdSettings": object{"enabled": false, "virtualServerIds": []any{}},
		"corsSettings":            object{"behavior": "ALLOW_NO_ORIGINS"},
		// Ours: PingOne adds optional properties at any time, and a client that
		// drops them on the way back loses them.
		"futureProperty": object{"since": nil, "weight": json.Number("1.0"), "values": []any{json.Number("12345678901234567890"), nil}},
	}
	if s.RelayState != "" {
		doc["defaultTargetUrl"] = s.RelayState
	}
	return doc
}

func (t *Tenant) appLink(env, app string) string {
	return "https://" + t.apiHost + "/v1/environments/" + env + "/applications/" + app
}

// firstMappings are the mappings of a new application; the caller holds mu.
func (t *Tenant) firstMappings(a *app, s AppSettings) []mapping {
	out := []mapping{t.newMapping(a, "CORE", object{"name": subjectName, "value": "${user.username}", "required": true})}
	custom := append([]Mapping{
		{person.AWSAttribute + "Role", "${user.awsRoles}", true},
		{person.AWSAttribute + "RoleSessionName", "${user.email}", true},
	}, s.Mappings...)
	for _, m := range custom {
		out = append(out, t.newMapping(a, "CUSTOM", object{"name": m.Name, "value": m.Value, "required": m.Required}))
	}
	return out
}

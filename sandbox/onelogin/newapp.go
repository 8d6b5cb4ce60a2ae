package onelogin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/person"
)

// AppSettings are what a person types when creating an app of the custom
// connector.
type AppSettings struct {
	ACS        string // becomes consumer_url and recipient
	RelayState string // relaystate, may be ""
	Audience   string // "" = urn:amazon:webservices
	// Validator is the regular expression that the ACS must match; "" is
	// AnyRegion.
	Validator   string
	Certificate int // certificate_id; 0 = the account's first
	// Parameters are sent beside the name id, Role and RoleSessionName, which
	// every app made here sends.
	Parameters []Parameter
}

// Parameter is one attribute of the response: Mapping is email, firstname,
// lastname, username, custom_attribute_awsroles, or a macro such as
// "{email}".
type Parameter struct{ Name, Mapping string }

// AnyRegion admits the sign-in endpoint of every Region of the partition aws.
const AnyRegion = `^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml$`

const awsAudience = "urn:amazon:webservices"

func (s AppSettings) check(t *Tenant, name string) error {
	u, err := url.Parse(s.ACS)
	if err != nil || u.Scheme != "https" || name == "" {
		return fmt.Errorf("add SAML app %q to %s: it needs a name and an https ACS URL (got %q)", name, t.host, s.ACS)
	}
	if _, ok := t.cert(int64(s.Certificate)); s.Certificate != 0 && !ok {
		return fmt.Errorf("add SAML app %q to %s: there is no certificate %d", name, t.host, s.Certificate)
	}
	return nil
}

// customConfiguration is the configuration of the custom connector with the
// keys and values of a live app: texts, even where they are numbers.
func (t *Tenant) customConfiguration(s AppSettings) object {
	return object{
		"signature_algorithm": "SHA-256", "certificate_id": cmp.Or(s.Certificate, t.certs[0].id), "audience": cmp.Or(s.Audience, awsAudience),
		"consumer_url": s.ACS, "recipient": s.ACS, "validator": cmp.Or(s.Validator, AnyRegion), "relaystate": s.RelayState,
		"login": "", "logout_url": "", "saml_notonorafter": "3", "saml_notbefore": "3", "saml_sessionnotonorafter": "1440",
		"saml_initiater_id": "0", "saml_issuer_type": "0", "saml_sign_element": "1", "saml_nameid_format_id": "0",
		"saml_encryption_method_id": "0", "encrypt_assertion": "0", "generate_attribute_value_tags": "0",
	}
}

// fixedConfiguration is that of a connector without an ACS.
func (t *Tenant) fixedConfiguration(c Connector, over object) object {
	out := object{}
	for _, k := range strings.Fields(c.Keys) {
		out[k] = nil
	}
	out["signature_algorithm"] = "SHA-256"
	maps.Copy(out, jsontree.Clone(over))
	if out["certificate_id"] == nil {
		delete(out, "certificate_id") // the documented answer has none
	}
	return out
}

// blankParameter has the fields of a parameter at their defaults.
const blankParameter = `{"user_attribute_mappings":null,"user_attribute_macros":null,"attributes_transformations":null,"default_values":null,
"values":null,"skip_if_blank":false,"provisioned_entitlements":false,"safe_entitlements_enabled":false,"include_in_saml_assertion":false}`

func parameter(id int, label, mapping, transformation string, include bool) object {
	p := jsontree.MustDecode(blankParameter)
	p["id"], p["label"], p["user_attribute_mappings"], p["include_in_saml_assertion"] = id, label, mapping, include
	if transformation != "" {
		p["attributes_transformations"] = transformation
	}
	return p
}

// broughtParameters are those that a connector itself has. Those of AWS's
// connectors are sent although include_in_saml_assertion is false.
func broughtParameters(connectorID int) map[string]any {
	switch connectorID {
	case CustomSAML:
		return object{nameID: parameter(1, "NameID value", "email", "", false)}
	case MultiRole, MultiAccount, SingleRole:
		role := parameter(1, "Role", "none", "amazon_roles", false)
		role["user_attribute_macros"], role["default_values"], role["values"] = "", "", "" // as the documents show them
		return object{
			person.AWSAttribute + "Role":            role,
			person.AWSAttribute + "RoleSessionName": parameter(2, "RoleSessionName", "email", "", false),
			nameID:                                  parameter(3, "Amazon Username", "email", "", false),
		}
	}
	return object{}
}

// nameID is the parameter whose value is the subject.
const nameID = "saml_username"

func customParameters(s AppSettings) object {
	out := broughtParameters(CustomSAML)
	out[person.AWSAttribute+"Role"] = parameter(11, "Role", "custom_attribute_awsroles", "", true)
	out[person.AWSAttribute+"RoleSessionName"] = parameter(12, "RoleSessionName", "email", "", true)
	for i, p := range s.Parameters {
		made := parameter(13+i, p.Name, p.Mapping, "", true)
		if strings.Contains(p.Mapping, "{") {
			made["user_attribute_mappings"], made["user_attribute_macros"] = "_macro_", p.Mapping
		}
		out[p.Name] = made
	}
	return out
}

// create takes a new app in and returns its id. The caller holds mu.
func (t *Tenant) create(name string, connectorID int, configuration, parameters object) string {
	t.made++
	seed, _ := strconv.ParseInt(hexOf(t.host, 4), 16, 32)
	n := 500_000 + int(seed) + t.made
	id, now := strconv.Itoa(n), stamp(time.Now())
	c, _ := connector(connectorID)
	issuer := "https://app.onelogin.com/saml/metadata/" + hexOf(t.host+id, 32)
	base := "https://" + t.host + "/trust/saml2/"
	doc := object{
		"id": n, "name": name, "visible": true, "description": nil, "notes": nil, "icon_url": c.show()["icon_url"], "auth_method": c.AuthMethod,
		"policy_id": nil, "provisioning": object{"enabled": false}, "allow_assumed_signin": false, "tab_id": nil, "brand_id": nil,
		"connector_id": connectorID, "role_ids": []any{192513 + t.made}, "configuration": configuration, "parameters": parameters,
		"created_at": now, "updated_at": now, "enforcement_point": object{},
		"sso": object{"metadata_url": issuer, "acs_url": base + "http-post/sso/" + id, "sls_url": base + "http-redirect/slo/" + id, "issuer": issuer,
			"certificate": object{"id": t.certs[0].id, "name": t.certs[0].name, "value": t.certs[0].pem()}},
	}
	_ = t.certify(doc) // check has seen the certificate
	doc, err := jsontree.Decode(encode(doc))
	if err != nil {
		panic(fmt.Sprintf("sandbox onelogin: new app: %v", err)) // our own text
	}
	t.apps = append(t.apps, &app{id: id, doc: doc, raw: encode(doc)})
	return id
}

// roleIDs are an app's role_ids as texts.
func roleIDs(doc object) []string {
	var out []string
	for _, v := range jsontree.List(doc, "role_ids") {
		if n, ok := whole(v); ok {
			out = append(out, strconv.FormatInt(n, 10))
		}
	}
	return out
}

// number reads a whole number, also from a text: configurations hold both.
func number(v any) (int64, bool) {
	if s, isText := v.(string); isText {
		v = json.Number(s)
	}
	return whole(v)
}

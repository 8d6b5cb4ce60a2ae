package onelogin

import "strings"

// Connector is one entry of OneLogin's catalogue: what kind of app it makes.
type Connector struct {
	ID            int
	Name          string
	AuthMethod    int  // 2 = SAML, 8 = OIDC
	NewParameters bool // allows_new_parameters
	// Keys are the configuration keys of its apps, as words. Only one with
	// consumer_url has an ACS that can be moved.
	Keys string
}

// Connector ids. The first two are documented; the others are ours, because
// clients are to look ids up by name.
const (
	MultiRole    = 50534  // Amazon Web Services (AWS) Multi Role
	CustomSAML   = 110016 // SAML Custom Connector (Advanced)
	MultiAccount = 97031
	SingleRole   = 33012
)

const customKeys = `signature_algorithm certificate_id audience consumer_url recipient validator relaystate login logout_url
saml_notonorafter saml_notbefore saml_sessionnotonorafter saml_initiater_id saml_issuer_type saml_sign_element saml_nameid_format_id
saml_encryption_method_id encrypt_assertion generate_attribute_value_tags`

// Connectors is the catalogue of every account here.
func Connectors() []Connector {
	return []Connector{
		{MultiRole, "Amazon Web Services (AWS) Multi Role", 2, true, "provider_arn signature_algorithm certificate_id"},
		{MultiAccount, "Amazon Web Services (AWS) Multi Account", 2, true, "external_role external_id idp_list signature_algorithm certificate_id"},
		{SingleRole, "Amazon Web Services (AWS) Single Role", 2, false, "role signature_algorithm certificate_id"},
		{114099, "Amazon Connect", 2, false, "signature_algorithm certificate_id"},
		{98114, "AWS Single Sign-on", 2, true, "issuer_url acs_url signature_algorithm certificate_id"},
		{CustomSAML, "SAML Custom Connector (Advanced)", 2, true, customKeys},
		{108419, "OpenId Connect (OIDC)", 8, true, "redirect_uri login_url oidc_application_type token_endpoint_auth_method"},
		{14571, "Amazon", 0, false, ""},
	}
}

func connector(id int) (Connector, bool) {
	for _, c := range Connectors() {
		if c.ID == id {
			return c, true
		}
	}
	return Connector{}, false
}

// hasACS says whether the connector's apps name their ACS themselves.
func (c Connector) hasACS() bool { return strings.Contains(c.Keys, "consumer_url") }

func (c Connector) show() object {
	return object{"id": c.ID, "name": c.Name, "auth_method": c.AuthMethod, "allows_new_parameters": c.NewParameters,
		"icon_url": "https://cdn.onelogin.com/images/icons/square/" + strings.ToLower(strings.ReplaceAll(c.Name, " ", "")) + "/mr_50.png"}
}

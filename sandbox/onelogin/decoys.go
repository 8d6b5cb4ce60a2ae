package onelogin

import "strings"

// decoys are apps that a search for AWS finds and that no move can touch, and
// some that have nothing to do with it.
const decoys = `{"id":400001,"name":"Amazon Connect","visible":true,"auth_method":2,"connector_id":114099,"role_ids":[1],"configuration":{"signature_algorithm":"SHA-256","certificate_id":170216},"parameters":{},"created_at":"2018-04-12T21:50:42Z","updated_at":"2019-05-16T19:20:34Z"}
{"id":400002,"name":"AWS IAM Identity Center","visible":true,"auth_method":2,"connector_id":98114,"role_ids":[1],"configuration":{"issuer_url":"https://us-east-1.signin.aws.amazon.com/platform/saml/d-1234567890","acs_url":"https://us-east-1.signin.aws.amazon.com/platform/saml/acs/1","signature_algorithm":"SHA-256"},"parameters":{},"created_at":"2018-04-12T21:50:42Z","updated_at":"2019-05-16T19:20:34Z"}
{"id":400003,"name":"AWS dashboards","visible":true,"auth_method":8,"connector_id":108419,"role_ids":[1],"configuration":{"redirect_uri":"https://grafana.example/login","login_url":"https://grafana.example/","oidc_application_type":0,"token_endpoint_auth_method":1},"parameters":{},"created_at":"2018-04-12T21:50:42Z","updated_at":"2019-05-16T19:20:34Z"}
{"id":400004,"name":"Amazon","visible":true,"auth_method":0,"connector_id":14571,"role_ids":[1],"parameters":{},"created_at":"2018-04-12T21:50:42Z","updated_at":"2019-05-16T19:20:34Z"}
{"id":400005,"name":"Wiki","visible":true,"auth_method":2,"connector_id":110016,"role_ids":[1],"sso":{"acs_url":"https://acme.onelogin.com/trust/saml2/http-post/sso/400005"},"configuration":{"signature_algorithm":"SHA-256","consumer_url":"https://wiki.example/saml","recipient":"https://wiki.example/saml","audience":"wiki","validator":"","relaystate":""},"parameters":{},"created_at":"2018-04-12T21:50:42Z","updated_at":"2019-05-16T19:20:34Z"}`

// AddDecoys adds apps that are not to be moved.
func (t *Tenant) AddDecoys() error {
	for _, text := range strings.Split(decoys, "\n") {
		if err := t.AddRawApp([]byte(text)); err != nil {
			return err
		}
	}
	return nil
}

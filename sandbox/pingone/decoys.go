package pingone

import (
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// decoys are applications as every environment has them: of every protocol,
// none of them signs in to AWS. KEY stands for the default signing key.
const decoys = `{"name":"PingOne Admin Console","type":"PING_ONE_ADMIN_CONSOLE","protocol":"OPENID_CONNECT","enabled":true,"applyDefaultTheme":true}
{"name":"PingOne Application Portal","type":"PING_ONE_PORTAL","protocol":"OPENID_CONNECT","enabled":true,"applyDefaultTheme":true}
{"name":"Self-Service - MyAccount","type":"PING_ONE_SELF_SERVICE","protocol":"OPENID_CONNECT","enabled":true}
{"name":"AWS cost report","type":"WEB_APP","protocol":"OPENID_CONNECT","enabled":true,"grantTypes":["AUTHORIZATION_CODE"],"redirectUris":["https://signin.aws.amazon.com/saml"],"tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC"}
{"name":"Intranet","type":"WEB_APP","protocol":"WS_FED","enabled":true,"replyUrl":"https://intranet.example/","domainName":"intranet.example"}
{"name":"AWS status page","type":"PORTAL_LINK_APP","protocol":"EXTERNAL_LINK","enabled":true,"homePageUrl":"https://health.aws.amazon.com/"}
{"name":"Wiki","type":"WEB_APP","protocol":"SAML","enabled":true,"acsUrls":["https://wiki.example/saml"],"assertionDuration":60,"spEntityId":"https://wiki.example","idpSigning":{"algorithm":"SHA256withRSA","key":{"id":"KEY"}}}`

// AddDecoys adds applications that have nothing to do with sign-in to AWS.
func (t *Tenant) AddDecoys(env string) error {
	for i, text := range strings.Split(strings.ReplaceAll(decoys, "KEY", t.DefaultKey(env)), "\n") {
		doc := jsontree.MustDecode(text)
		id := uuid(fmt.Sprintf("decoy %d of %s", i, env))
		doc["id"], doc["environment"] = id, object{"id": env}
		doc["createdAt"], doc["updatedAt"] = "2024-05-06T18:43:59.105Z", "2024-05-06T18:43:59.105Z"
		doc["_links"] = object{"self": object{"href": t.appLink(env, id)}}
		if err := t.AddRawApp(env, encode(doc)); err != nil {
			return err
		}
	}
	return nil
}

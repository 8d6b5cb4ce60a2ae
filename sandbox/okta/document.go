package okta

import (
	"sync"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// object is a JSON object as jsontree keeps it: a number stays the text that it
// was.
type object = jsontree.Object

// orderOfKeys is the order in which Okta was recorded to write known keys;
// others follow by name.
const orderOfKeys = `id orn name label status lastUpdated created accessibility visibility features signOnMode credentials settings
selfService errorRedirectUrl loginRedirectUrl autoLaunch autoSubmitToolbar hide iOS web appLinks userNameTemplate template type signing kid
app notifications vpn network connection message helpUrl manualProvisioning implicitAssignment notes admin enduser signOn
defaultRelayState ssoAcsUrl ssoAcsUrlOverride idpIssuer audience audienceOverride recipient recipientOverride destination destinationOverride
subjectNameIdTemplate subjectNameIdFormat responseSigned assertionSigned signatureAlgorithm digestAlgorithm honorForceAuthn authnContextClassRef
spIssuer requestCompressed attributeStatements namespace values filterType filterValue inlineHooks spCertificate assertionEncryption enabled
allowMultipleAcsEndpoints acsEndpoints url index samlSignedRequestEnabled slo issuer logoutUrl href universalLogout _embedded _links`

var keyOrder = sync.OnceValue(func() jsontree.Order { return jsontree.NewOrder(orderOfKeys) })

// set puts a value at a path and makes absent objects on the way.
func set(o object, v any, path ...string) {
	for _, k := range path[:len(path)-1] {
		in, ok := o[k].(object)
		if !ok {
			in = object{}
			o[k] = in
		}
		o = in
	}
	o[path[len(path)-1]] = v
}

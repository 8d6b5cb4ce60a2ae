package signin

import (
	"net/url"
	"strings"

	catalogue "github.com/samlfailover/samlfailover/signin"
)

// otherAWS are host suffixes of AWS pages besides the console that federated
// users land on (AppStream, Connect, access portals).
var otherAWS = [...]string{".aws.amazon.com", ".amazonaws.com", ".amazonaws.cn", ".amazonaws-us-gov.com", ".amazonaws-eusc.eu", ".awsapps.com", ".my.connect.aws"}

// isAWSPage reports whether a RelayState is a plain https URL on an AWS host.
func isAWSPage(relay string) bool {
	if _, err := catalogue.ParseRelayState(relay); err == nil {
		return relay != ""
	}
	u, err := url.Parse(relay)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" || u.Opaque != "" || strings.ContainsAny(relay, "\\ \t\r\n") {
		return false
	}
	for _, s := range otherAWS {
		if strings.HasSuffix(u.Host, s) {
			return true
		}
	}
	return false
}

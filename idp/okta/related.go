package okta

import (
	"strings"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// related reports whether an app has to do with sign-in to AWS, whatever its
// kind: the catalogue's AWS apps, and every app whose endpoint or audience
// mentions AWS's sign-in. It errs on the side of showing an app.
func related(raw []byte) bool {
	v, err := idp.Parse(raw)
	if err != nil {
		return mentionsAWS(string(raw)) || strings.Contains(string(raw), accountApp)
	}
	if name := text(v, "/name"); name == accountApp || name == identityApp {
		return true
	}
	for _, p := range append(append(endpoints(), overrides()...), audience, audienceOverride, identityURL) {
		if mentionsAWS(text(v, p)) {
			return true
		}
	}
	list, _ := v.At(acsEndpoints)
	for _, item := range list.Items() {
		if mentionsAWS(text(item, "/url")) {
			return true
		}
	}
	return false
}

// mentionsAWS is deliberately loose: a misspelt AWS endpoint must be shown too.
func mentionsAWS(s string) bool {
	s = strings.ToLower(s)
	for _, word := range []string{"signin.aws", "signin.amazonaws", "urn:amazon:webservices"} {
		if strings.Contains(s, word) {
			return true
		}
	}
	_, err := signin.ParseACS(s)
	return err == nil
}

package okta_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/idp/idptest"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
)

// schema is what the API looks like from outside; see its own comment.
var schema = idptest.LoadContract("testdata/contract.yaml", "/app/", "/home/", "/login/", "/api/v1/authn")

// spec 2.1
func TestContract(t *testing.T) {
	t.Parallel()
	withDecoys := func(t *testing.T) idptest.Harness {
		h := customHarness(t)
		h.Sim.(*sim.Org).AddDecoys()
		return h
	}
	idptest.RunContract(t, withDecoys, "/label", "/signOnMode", "/settings", "/settings/app", "/settings/signOn", "/settings/signOn/ssoAcsUrl",
		"/settings/signOn/acsEndpoints", "/settings/signOn/attributeStatements")
	for _, harness := range []func(*testing.T) idptest.Harness{fieldHarness, overridesHarness} {
		idptest.RunContract(t, harness, "/name", "/label", "/signOnMode", "/settings/app", "/settings/app/overrideAcsURL", "/settings/signOn/ssoAcsUrlOverride",
			"/settings/signOn/audienceOverride", "/settings/signOn/attributeStatements")
	}
}

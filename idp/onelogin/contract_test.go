package onelogin_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/idp/idptest"
	sim "github.com/samlfailover/samlfailover/sandbox/onelogin"
)

// schema is what the API looks like from outside; see its own comment.
var schema = idptest.LoadContract("testdata/contract.yaml", "/portal/", "/trust/", "/saml/metadata/")

// spec 2.1
func TestContract(t *testing.T) {
	t.Parallel()
	for _, r := range readings() {
		idptest.RunContract(t, func(t *testing.T) idptest.Harness {
			h := harness(r)(t)
			if err := h.Sim.(*sim.Tenant).AddDecoys(); err != nil {
				t.Fatal(err)
			}
			return h
		}, "/configuration", "/configuration/consumer_url", "/configuration/validator", "/configuration/audience")
	}
}

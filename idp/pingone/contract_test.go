package pingone_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/idp/idptest"
	sim "github.com/samlfailover/samlfailover/sandbox/pingone"
)

// schema is what the API looks like from outside; see its own comment.
var schema = idptest.LoadContract("testdata/contract.yaml", "/saml20/idp/")

// spec 2.1
func TestContract(t *testing.T) {
	t.Parallel()
	idptest.RunContract(t, func(t *testing.T) idptest.Harness {
		h := harness(t, setup{})
		if err := h.Sim.(*sim.Tenant).AddDecoys(sim.EnvironmentID("Production")); err != nil {
			t.Fatal(err)
		}
		return h
	}, "/name", "/type", "/protocol", "/enabled", "/acsUrls", "/assertionDuration", "/spEntityId", "/idpSigning")
}

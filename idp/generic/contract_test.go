package generic_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/idp/idptest"
)

// schema is what the API looks like from outside; see its own comment.
var schema = idptest.LoadContract("testdata/contract.yaml")

// spec 2.1
func TestContract(t *testing.T) {
	t.Parallel()
	idptest.RunContract(t, harness(false), "/id", "/acs")
}

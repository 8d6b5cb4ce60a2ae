package pingone

import (
	"slices"

	"github.com/samlfailover/samlfailover/idp"
)

// Restorable implements idp.Restorer: everything that an update sends, but the
// key that the app signs with, whether it is on, and who may use it.
func (Codec) Restorable(p idp.Pointer) bool {
	never := append(readOnlyKeys(), enabled, "/idpSigning", "/accessControl", "/protocol", "/type")
	return p != "" && !slices.ContainsFunc(never, p.Within)
}

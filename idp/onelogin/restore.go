package onelogin

import "github.com/samlfailover/samlfailover/idp"

// Restorable implements idp.Restorer: what a write can hold, the configuration's
// own values but not its certificate, and the tile.
func (Codec) Restorable(p idp.Pointer) bool {
	return p == visible || p.Within(configuration) && p != configuration && p != configuration+"/certificate_id"
}

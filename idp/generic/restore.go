package generic

import "github.com/samlfailover/samlfailover/idp"

// Restorable implements idp.Restorer: nothing but what a move writes.
func (Codec) Restorable(p idp.Pointer) bool { return p == acsURL || p == relayState }

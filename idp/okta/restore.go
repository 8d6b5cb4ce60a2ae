package okta

import (
	"slices"

	"github.com/samlfailover/samlfailover/idp"
)

// Restorable implements idp.Restorer: everything that a full replacement sends,
// but what holds keys or secrets (credentials and the catalogue app's access
// keys, which do not read back) and what steers who may use the app.
func (Codec) Restorable(p idp.Pointer) bool {
	never := append(systemKeys(), "/credentials", "/accessibility", "/features", "/profile", "/name", "/signOnMode", "/settings/app/accessKey", "/settings/app/secretKey", "/settings/app/secretKeyEnc")
	return p != "" && p != "/settings" && p != "/settings/app" && !slices.ContainsFunc(never, p.Within)
}

package inventory

import "github.com/samlfailover/samlfailover/signin"

// RegionUse says what speaks for people working in a Region: the accounts that
// have enabled it, of those that it is off for by default, and the apps that land
// people there.
type RegionUse struct {
	Region   signin.Region `json:"region"`
	OptIn    bool          `json:"opt_in,omitempty"` // accounts have to enable it
	Accounts []string      `json:"accounts,omitempty"`
	Apps     []string      `json:"apps,omitempty"` // their names
}

package federation

import (
	"slices"
	"strings"
)

// Organization says which accounts of an AWS organization belong to a
// federation, beside those that it lists. Exactly one of All, OUs and Tags is
// set; none of them means that no organization is asked. The organization's
// management account never comes of it: whoever means it lists it.
type Organization struct {
	All     bool     `json:"all,omitempty"`
	OUs     []string `json:"ous,omitempty"`     // ids of roots and units; what is below them counts as well
	Tags    []string `json:"tags,omitempty"`    // "key" or "key=value": accounts that have one of them
	Exclude []string `json:"exclude,omitempty"` // ids of accounts that do not belong all the same
	// Role is assumed to read the organization, in the management account or in
	// one that administers for it; "" means the base credentials.
	Role       string `json:"role,omitempty"`
	ExternalID string `json:"-"` // that Role asks for
	// What an account of the organization is like, with AccountHole where its
	// number belongs. One that lacks some of the Providers has the others.
	Providers         []string `json:"providers,omitempty"`
	ScanRole          string   `json:"scan_role,omitempty"`
	EnforceRole       string   `json:"enforce_role,omitempty"`
	AccountExternalID string   `json:"-"` // that ScanRole and EnforceRole ask for
}

// AccountHole stands for an account's number in what is said of all accounts of
// an organization.
const AccountHole = "{account}"

// Used reports whether an organization is asked at all.
func (o Organization) Used() bool { return o.All || len(o.OUs) > 0 || len(o.Tags) > 0 }

// Selection names what of the organization is chosen, whatever the order: a list
// of accounts that was made for another selection is not this one's.
func (o Organization) Selection() string {
	sorted := func(s []string) string { return strings.Join(slices.Sorted(slices.Values(s)), " ") }
	switch {
	case o.All:
		return "all"
	case len(o.OUs) > 0:
		return "ous " + sorted(o.OUs)
	}
	return "tags " + sorted(o.Tags)
}

// Account is what the federation knows of one account of the organization.
func (o Organization) Account(id, name string) Account {
	fill := func(s string) string { return strings.ReplaceAll(s, AccountHole, id) }
	out := Account{ID: id, Name: name, ScanRole: fill(o.ScanRole), EnforceRole: fill(o.EnforceRole), ExternalID: o.AccountExternalID, Found: true}
	for _, p := range o.Providers {
		out.Providers = append(out.Providers, fill(p))
	}
	return out
}

// Owns reports whether a SAML provider is one of those that the organization's
// accounts have for the federation.
func (o Organization) Owns(provider string) bool {
	parts := strings.SplitN(provider, ":", 6)
	if !o.Used() || len(parts) != 6 || slices.Contains(o.Exclude, parts[4]) {
		return false
	}
	return slices.Contains(o.Account(parts[4], "").Providers, provider)
}

// HasAccounts reports whether the federation has accounts, or may have.
func (f Federation) HasAccounts() bool { return len(f.Accounts) > 0 || f.Organization.Used() }

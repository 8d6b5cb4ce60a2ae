package inventory

import "time"

// Organization is what a federation's config chooses of an AWS organization, as
// last read: for a scan while AWS Organizations does not answer.
type Organization struct {
	Federation string    `json:"federation"`
	TakenAt    time.Time `json:"taken_at"`
	Selection  string    `json:"selection"`  // federation.Organization.Selection, as it was then
	ID         string    `json:"id"`         // of the organization
	Management string    `json:"management"` // id of the management account
	// Accounts are those chosen, in the order of their ids, whatever their state.
	Accounts []OrganizationAccount `json:"accounts"`
}

// OrganizationAccount is one account of an organization. State is as AWS says
// it, such as ACTIVE or SUSPENDED (AWS Organizations API Reference, Account).
type OrganizationAccount struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
}

// Package inventory is for dated snapshots of what was read from AWS and the
// IdPs in calm times, and for the file that keeps them: in an outage a decision
// works on these and asks nobody.
//
// It must never call AWS or an IdP, and never edit what it was given.
package inventory

import (
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Readiness says whether a role could serve a Region right now.
type Readiness string

// The answers; anything but Ready comes with a finding.
const (
	Ready       Readiness = "ready"
	NotReady    Readiness = "not-ready"
	Conditional Readiness = "conditional"
	Unknown     Readiness = "unknown"
	// Excepted is a role that is kept out of a Region on purpose, whatever its
	// policy says. No scan says so: see Excepting.
	Excepted Readiness = "excepted"
)

// Role is one federated IAM role as last scanned. Trust is the decoded trust
// policy, byte for byte as IAM returned it.
type Role struct {
	Account   string            `json:"account"`
	ARN       string            `json:"arn"`
	Name      string            `json:"name"`
	Path      string            `json:"path"`
	Trust     string            `json:"trust"`
	Protected string            `json:"protected,omitempty"` // why AWS alone may change it
	Regions   []RegionReadiness `json:"regions"`
}

// RegionReadiness is a role's answer for one Region.
type RegionReadiness struct {
	Region  signin.Region    `json:"region"`
	State   Readiness        `json:"state"`
	Finding *finding.Finding `json:"finding,omitempty"`
}

// Provider is one IAM SAML provider of an account as last scanned, with what its
// metadata document says of the IdP behind it.
type Provider struct {
	ARN    string `json:"arn"`
	Issuer string `json:"issuer,omitempty"` // the metadata's entityID
	// Certificates are the signing certificates of the metadata, DER.
	Certificates [][]byte `json:"certificates,omitempty"`
	// UUID is what a per-provider sign-in URL ends with (IAM API,
	// GetSAMLProvider, SAMLProviderUUID).
	UUID       string    `json:"uuid,omitempty"`
	Encryption string    `json:"encryption,omitempty"` // AssertionEncryptionMode: Required, Allowed, or nothing
	ValidUntil time.Time `json:"valid_until,omitzero"` // IAM's own end date of the provider
	// Error says why the provider's document could not be read or understood.
	Error *finding.Finding `json:"error,omitempty"`
}

// AccountScan is what one account's scan returned. Error is set when it failed;
// Roles then hold what an earlier scan saw, if anything, dated ReadAt.
type AccountScan struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	ReadAt    time.Time `json:"read_at"`
	SizeQuota int       `json:"size_quota"` // trust-policy characters; 0 = unknown
	Calls     int       `json:"calls"`      // API calls the scan took
	Roles     []Role    `json:"roles"`      // federated roles only
	Scanned   int       `json:"scanned"`    // all roles read
	// Providers are the account's SAML providers; of those that are no business
	// of the federation only ARN and end date are known.
	Providers     []Provider `json:"providers,omitempty"`
	ProviderCalls int        `json:"provider_calls"` // API calls that Providers took, not in Calls
	// Regions is the opt-in status of the Regions that are not on by default, by
	// code (AWS Account Management API, RegionOptStatus); RegionsError why they could
	// not be read now, Regions then being those of an earlier scan, if any.
	Regions      map[string]string `json:"regions,omitempty"`
	RegionsError *finding.Finding  `json:"regions_error,omitempty"`
	// Notes are what could not be read beside the roles.
	Notes []finding.Finding `json:"notes,omitempty"`
	Error *finding.Finding  `json:"error,omitempty"`
}

// Snapshot is the state of one federation's roles.
type Snapshot struct {
	Federation string        `json:"federation"`
	TakenAt    time.Time     `json:"taken_at"`
	Accounts   []AccountScan `json:"accounts"`
	InUse      []RegionUse   `json:"in_use,omitempty"`
	Was        []Was         `json:"was,omitempty"` // the best shares of the day before, by Region
	// Notes are about none of the accounts, such as that IAM was silent, or that
	// the organization could not be read.
	Notes []finding.Finding `json:"notes,omitempty"`
}

// Unread reports whether none of the accounts could be read by the scan: what
// the snapshot holds is all from before, if there is anything.
func (s Snapshot) Unread() bool {
	for _, a := range s.Accounts {
		if a.Error == nil {
			return false
		}
	}
	return len(s.Accounts) > 0 || slices.ContainsFunc(s.Notes, func(f finding.Finding) bool { return f.Code != finding.AccountLeftOut })
}

// In returns the answer for one Region, unknown if the scan did not look at it.
func (r Role) In(region signin.Region) RegionReadiness {
	for _, rr := range r.Regions {
		if rr.Region == region {
			return rr
		}
	}
	return RegionReadiness{Region: region, State: Unknown, Finding: &finding.Finding{
		Code: finding.RoleNotReady, Subject: r.ARN, What: "readiness for " + region.String() + " is not known",
		Why: "the last scan did not look at this Region", Remedy: "run: samlfailover trust scan"}}
}

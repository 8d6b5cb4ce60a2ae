package discover

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// Input is everything that was read.
type Input struct {
	Tenants []Tenant
	// Accounts are those that were looked at, with their roles to assume; Scans
	// are what a survey of them saw.
	Accounts []federation.Account
	Scans    []inventory.AccountScan
	// Federations are those of the config in force; none is fine.
	Federations []federation.Federation
}

// Tenant is one tenant with its AWS apps. Trouble says why they could not be
// listed.
type Tenant struct {
	Name    string
	Apps    []App
	Trouble *finding.Finding
}

// App is one app as its tenant holds it. Identity is zero where it is not known;
// Trouble then says why, if there is a reason beyond the kind of app.
type App struct {
	idp.App
	Identity idp.Identity
	Trouble  *finding.Finding
}

// Topology is how apps, accounts and Regions go together (spec 2.10).
type Topology string

// The topologies; the empty one is an app that no account is known to trust. An
// app to which several apply has the first of them.
const (
	AppPerRegion   Topology = "one-app-per-region"    // standby apps: several lead to the same account, each at a Region of its own
	PerProviderACS Topology = "per-provider-acs"      // the endpoint names the one SAML provider it is for
	ManyAccounts   Topology = "one-app-many-accounts" // providers of several accounts trust the same app
	AppPerAccount  Topology = "one-app-per-account"
)

// Words is the topology for people.
func (t Topology) Words() string {
	switch t {
	case AppPerRegion:
		return "one app per Region"
	case PerProviderACS:
		return "per-provider ACS"
	case ManyAccounts:
		return "one app, many accounts"
	case AppPerAccount:
		return "one app per account"
	}
	return "unknown"
}

// Report is what was found. Lists are in the order of the input.
type Report struct {
	Apps       []FoundApp     `json:"apps"`
	Accounts   []FoundAccount `json:"accounts"`
	Topologies []Group        `json:"topologies"`
	// Federations are the drafts: the configured ones with what was found, and new
	// ones for the rest.
	Federations []Draft `json:"federations"`
	// Orphans are what has no counterpart, or one that does not fit.
	Orphans []finding.Finding `json:"orphans"`
	// Problems are what could not be read: an orphan may be none because of them.
	Problems []finding.Finding `json:"problems"`
}

// FoundApp is one app with where it leads.
type FoundApp struct {
	Tenant string `json:"tenant"`
	idp.App
	Region       signin.Region `json:"region"`
	Issuer       string        `json:"issuer,omitempty"`
	Certificates []string      `json:"certificates,omitempty"` // SHA-256, hex
	Federation   string        `json:"federation,omitempty"`   // of the config in force
	Topology     Topology      `json:"topology,omitempty"`
	Providers    []Link        `json:"providers"` // that trust the app
}

// Ref is the app as a config names it.
func (a FoundApp) Ref() federation.AppRef {
	return federation.AppRef{Name: a.Label, Tenant: a.Tenant, ID: string(a.ID)}
}

// Link is one SAML provider that trusts an app, and the roles that trust it.
type Link struct {
	Account  string   `json:"account"`
	Provider string   `json:"provider"` // ARN
	UUID     string   `json:"uuid,omitempty"`
	Roles    []string `json:"roles"` // ARNs
}

// FoundAccount is one account that was looked at.
type FoundAccount struct {
	ID        string `json:"id"`
	Name      string `json:"name,omitempty"`
	Providers int    `json:"providers"`
	Roles     int    `json:"roles"` // that trust a SAML provider
}

// Group is one case of a topology: its apps (tenant/id), its accounts, and what
// shows that they belong together.
type Group struct {
	Topology Topology `json:"topology"`
	Apps     []string `json:"apps"`
	Accounts []string `json:"accounts"`
	Evidence []string `json:"evidence"`
}

// Draft is a federation that could be written into a config. Base is the
// configured federation that it extends, "" for a new one.
type Draft struct {
	Base       string                `json:"base,omitempty"`
	Federation federation.Federation `json:"federation"`
	Notes      []string              `json:"notes,omitempty"` // what was chosen, and why
}

// Fingerprint is how a certificate (DER) is named: SHA-256 in hex.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func fingerprints(ders [][]byte) []string {
	var out []string
	for _, der := range ders {
		out = append(out, Fingerprint(der))
	}
	return out
}

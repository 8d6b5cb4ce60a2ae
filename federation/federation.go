// Package federation is for the nouns of the project: what moves together, who
// it lets in, and under which policy. Values only.
//
// It must never do I/O and never decide.
package federation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// Mode says how far the controller may go on its own.
type Mode string

// The modes. Approve is the default.
const (
	Observe Mode = "observe" // says what it would do
	Approve Mode = "approve" // proposes; an operator carries it out with move
	Auto    Mode = "auto"    // moves by itself when every rule allows it
)

// AppRef names one SAML application: Name is the operator's word for it (the
// app's label in the IdP by default), Tenant the configured tenant, ID the
// vendor's id.
type AppRef struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	ID     string `json:"id"`
}

// String returns tenant/id, which is unique.
func (a AppRef) String() string { return a.Tenant + "/" + a.ID }

// Same reports whether both name one app, whatever the operator calls it.
func (a AppRef) Same(b AppRef) bool { return a.ID == b.ID && a.Tenant == b.Tenant }

// Standby is an app that stands in for another one in one Region (one app per
// Region): it has its own issuer, key and IAM SAML provider, and its endpoint
// points at that Region for good. A move of For to Region changes no endpoint;
// it shows the tile of App in the portal, where Unhide allows that, and else
// says what to show by hand.
type Standby struct {
	For    AppRef        `json:"for"`
	Region signin.Region `json:"region"`
	App    AppRef        `json:"app"`
	Unhide bool          `json:"unhide,omitempty"`
}

// Account is an AWS account whose roles this federation lets people into.
// Providers are the ARNs of its IAM SAML providers that belong to the
// federation. ScanRole is assumed to read, EnforceRole to write trust policies;
// empty means: use the base credentials as they are.
type Account struct {
	ID          string   `json:"id"`
	Name        string   `json:"name,omitempty"`
	Providers   []string `json:"providers"`
	ScanRole    string   `json:"scan_role,omitempty"`
	EnforceRole string   `json:"enforce_role,omitempty"`
	ExternalID  string   `json:"-"`
	// Found: the account was found in the organization rather than listed, so that
	// it has only those of the Providers that exist.
	Found bool `json:"found,omitempty"`
}

// String names the account for people.
func (a Account) String() string {
	if a.Name != "" {
		return a.ID + " (" + a.Name + ")"
	}
	return a.ID
}

// OwnedBy describes roles that other automation owns: any pattern that matches
// (glob with * and ?) makes the role not ours to write. Tags are "key" or
// "key=value" patterns.
type OwnedBy struct {
	Names []string `json:"names,omitempty"`
	Paths []string `json:"paths,omitempty"`
	Tags  []string `json:"tags,omitempty"`
}

// Policy is what a federation's owner decided. Zero values mean the defaults
// that config fills in.
type Policy struct {
	Mode                Mode    `json:"mode"`
	AcceptFewerVantages bool    `json:"accept_fewer_vantages"`
	MinReadyShare       float64 `json:"min_ready_share"` // 0..1
	// ShareOver are the ARNs of the roles over which MinReadyShare is taken; none:
	// over the roles of each account, and the lowest counts.
	ShareOver       []string           `json:"share_over,omitempty"`
	Exceptions      []Exception        `json:"exceptions,omitempty"`
	MustBeReady     []string           `json:"must_be_ready,omitempty"`
	InventoryMaxAge time.Duration      `json:"inventory_max_age"`
	Cooldown        time.Duration      `json:"cooldown"` // binds auto only
	Budget          int                `json:"budget"`   // auto moves in 24 h, the next one drops to approve
	Prefer          Preference         `json:"prefer"`   // order | latency
	Relay           signin.RelayPolicy `json:"relay"`
	OwnedBy         OwnedBy            `json:"owned_by"`
	Parallel        int                `json:"parallel"` // apps moved at once
	// Approvals is how many others a person's move needs, 0 for none; the
	// controller's own proposals need one at least.
	Approvals       int           `json:"approvals"`
	ApprovalExpires time.Duration `json:"approval_expires"` // how long a proposal waits
	EscalateAfter   time.Duration `json:"escalate_after"`   // 0: never
}

// Preference chooses among healthy, ready Regions.
type Preference string

// The preferences of spec 8.3.
const (
	PreferOrder   Preference = "order"   // the order of Regions in the config
	PreferLatency Preference = "latency" // lowest median latency before the incident
)

// Federation is what moves together. Regions are the allowed ones in order of
// preference; the first is home, where the apps belong in calm times.
type Federation struct {
	Name      string           `json:"name"`
	Partition signin.Partition `json:"partition"`
	Regions   []signin.Region  `json:"regions"`
	Apps      []AppRef         `json:"apps"`
	Standbys  []Standby        `json:"standbys,omitempty"` // at most one per app and Region
	Lead      string           `json:"lead"`               // name of the app that moves first
	Accounts  []Account        `json:"accounts"`
	// Organization adds accounts to those listed.
	Organization Organization `json:"organization,omitzero"`
	Policy       Policy       `json:"policy"`
}

// Home returns the Region where the apps belong in calm times.
func (f Federation) Home() signin.Region {
	if len(f.Regions) == 0 {
		return signin.Region{}
	}
	return f.Regions[0]
}

// Allows reports whether r is one of the federation's Regions.
func (f Federation) Allows(r signin.Region) bool {
	for _, have := range f.Regions {
		if have == r {
			return true
		}
	}
	return false
}

// App returns the app with this name or id.
func (f Federation) App(name string) (AppRef, bool) {
	for _, a := range f.Apps {
		if a.Name == name || a.ID == name {
			return a, true
		}
	}
	return AppRef{}, false
}

// Members returns every app of the federation: those that move, and those that
// stand in for them.
func (f Federation) Members() []AppRef {
	out := slices.Clone(f.Apps)
	for _, s := range f.Standbys {
		out = append(out, s.App)
	}
	return out
}

// StandbysOf returns the apps that stand in for an app, in the config's order.
func (f Federation) StandbysOf(app AppRef) []Standby {
	var out []Standby
	for _, s := range f.Standbys {
		if s.For.Same(app) {
			out = append(out, s)
		}
	}
	return out
}

// Standby returns what an app stands in for; false if it is no standby app.
func (f Federation) Standby(app AppRef) (Standby, bool) {
	for _, s := range f.Standbys {
		if s.App.Same(app) {
			return s, true
		}
	}
	return Standby{}, false
}

// Serving returns the app that people use in a Region in place of one of the
// federation's apps, which may be that app itself.
func (f Federation) Serving(app AppRef, r signin.Region) AppRef {
	if s, ok := f.Standby(app); ok {
		app = s.For
	}
	for _, s := range f.StandbysOf(app) {
		if s.Region == r {
			return s.App
		}
	}
	return app
}

// RoleRef names one IAM role.
type RoleRef struct {
	Account string `json:"account"`
	ARN     string `json:"arn"`
}

var roleARN = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::(\d{12}):role(/(?:[\x21-\x7e]+/)?)([\w+=,.@-]{1,64})$`)

// ParseRoleARN splits a role ARN into its parts; path starts and ends with "/".
func ParseRoleARN(arn string) (ref RoleRef, partition signin.Partition, path, name string, err error) {
	m := roleARN.FindStringSubmatch(arn)
	if m == nil {
		return RoleRef{}, "", "", "", fmt.Errorf("%q is not the ARN of an IAM role", arn)
	}
	return RoleRef{Account: m[2], ARN: arn}, signin.Partition(m[1]), m[3], m[4], nil
}

// Protected reports why AWS alone may change the role at this path, or "".
// Decided by path, never by name: anyone may create a role with the name (IAM
// User Guide, service-linked roles; Identity Center User Guide,
// troubleshooting).
func Protected(path string) string {
	switch {
	case strings.HasPrefix(path, "/aws-service-role/"):
		return "a service-linked role: only AWS may change it"
	case strings.HasPrefix(path, "/aws-reserved/"):
		return "a role of IAM Identity Center: only AWS may change it"
	}
	return ""
}

// Freeze is a window in which things are not to be changed, From <= t < Until:
// trust policies always, moves as Moves says.
type Freeze struct {
	From  time.Time   `json:"from"`
	Until time.Time   `json:"until"`
	Why   string      `json:"why"`
	Moves FrozenMoves `json:"moves,omitempty"`
}

// FrozenMoves says which moves a freeze holds.
type FrozenMoves string

// The moves that a freeze can hold.
const (
	FreezeNoMove    FrozenMoves = ""
	FreezePlanned   FrozenMoves = "planned" // those that do not leave an unhealthy Region
	FreezeEveryMove FrozenMoves = "all"
)

// Frozen returns the freeze that holds at a moment; of several, the one that
// ends last.
func Frozen(windows []Freeze, now time.Time) (Freeze, bool) {
	var out Freeze
	for _, f := range windows {
		if !now.Before(f.From) && now.Before(f.Until) && f.Until.After(out.Until) {
			out = f
		}
	}
	return out, !out.Until.IsZero()
}

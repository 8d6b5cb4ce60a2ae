package failover

import (
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// Situation is everything a decision rests on. It round-trips through JSON:
// the same situation gives the same decision, today and in a year. Slices may
// be in any order; what is missing is unknown, never assumed good.
type Situation struct {
	Now        time.Time             `json:"now"`
	Federation federation.Federation `json:"federation"`
	// ConfigDigest names the config in force; it is part of a plan's digest.
	ConfigDigest string            `json:"config_digest,omitempty"`
	Apps         []AppState        `json:"apps"`
	Verdicts     []health.Verdict  `json:"verdicts"`
	Shares       []inventory.Share `json:"shares"`
	Latencies    []Latency         `json:"latencies,omitempty"`
	Vantages     []Vantage         `json:"vantages"` // the configured ones
	IdPs         []IdPState        `json:"idps,omitempty"`
	History      []PastMove        `json:"history,omitempty"`
	OpenMove     *OpenMove         `json:"open_move,omitempty"`
	// Brakes are the pauses and locks that are set, run out or not: which of them
	// hold is judged with Now.
	Brakes  []Brake  `json:"brakes,omitempty"`
	Request *Request `json:"request,omitempty"`
	// Distrusted are the findings about records of the store that are not what was
	// stored: nothing is moved on its word.
	Distrusted []finding.Finding `json:"distrusted,omitempty"`
	// Controllers are those that live, the own one with them, each with the digest
	// of its config. None: nobody knows of others.
	Controllers []ControllerState `json:"controllers,omitempty"`
	// Freezes are the config's windows for this federation, past and future ones
	// too.
	Freezes []federation.Freeze `json:"freezes,omitempty"`
	// Asked is the controller's own proposal while nobody has answered it, Approval
	// the one that people have approved and that is to be carried out now.
	Asked    *Asked    `json:"asked,omitempty"`
	Approval *Approved `json:"approval,omitempty"`
}

// ControllerState is what a controller says of itself.
type ControllerState struct {
	Name         string `json:"name"`
	ConfigDigest string `json:"config_digest"`
}

// AppState is one app as last read. App and ReadAt are of the last good read
// (ReadAt zero: never read); Error is why the newest read failed, nil if it did
// not.
type AppState struct {
	Ref    federation.AppRef `json:"ref"`
	App    idp.App           `json:"app"`
	ReadAt time.Time         `json:"read_at,omitzero"`
	Error  *finding.Finding  `json:"error,omitempty"`
}

// Latency is a Region's median answer time over the voting vantages in the 24
// hours before the incident (spec 8.3).
type Latency struct {
	Region signin.Region `json:"region"`
	Median time.Duration `json:"median"` // nanoseconds in JSON
}

// Vantage is a configured place from which probes run; Network is declared by
// the operator and tells which vantages fail together.
type Vantage struct {
	Name    string `json:"name"`
	Network string `json:"network,omitempty"`
}

// IdPState says whether people can sign in to an IdP tenant at all. Down is a
// confirmed fault of the tenant's own sign-in, not of its admin API.
type IdPState struct {
	Tenant string    `json:"tenant"`
	Down   bool      `json:"down"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// OpenMove is a move that has begun and not ended.
type OpenMove struct {
	ID      MoveID        `json:"id"`
	Cause   Cause         `json:"cause"`
	To      signin.Region `json:"to"`
	Started time.Time     `json:"started"`
}

// MoveID names one move in journal, audit and messages.
type MoveID string

// Cause says why a move happens.
type Cause string

// The causes.
const (
	Failover   Cause = "failover"   // unplanned: the active Region is unhealthy
	Switchover Cause = "switchover" // an operator's wish
	Failback   Cause = "failback"   // back home after a failover
	Drill      Cause = "drill"
)

// Request is an operator's wish to move. Cause may be empty: it is then found
// from the situation. Overrides names rules the operator puts aside; each one
// is recorded.
type Request struct {
	Cause     Cause         `json:"cause,omitempty"`
	To        signin.Region `json:"to"`
	By        string        `json:"by"`
	Reason    string        `json:"reason"`
	Overrides []string      `json:"overrides,omitempty"`
	// Undoes makes the request an undo; To is then where its first app goes back
	// to.
	Undoes *Undoing `json:"undoes,omitempty"`
	// Ask makes it a proposal, also where the policy needs no approvals.
	Ask bool `json:"ask,omitempty"`
	// Own marks the controller's own proposal: what is to be carried out is the
	// controller's job as it finds it, not a wish of By, who has approved it.
	Own bool `json:"own,omitempty"`
	// Approval is the proposal that stands behind the request, nil for none.
	Approval *Approved `json:"approval,omitempty"`
}

// Controller is the name under which the controller itself acts.
const Controller = "controller"

// PastMove is a finished move as history keeps it.
type PastMove struct {
	ID       MoveID        `json:"id"`
	Cause    Cause         `json:"cause"`
	By       string        `json:"by"` // Controller or a person
	To       signin.Region `json:"to"`
	Started  time.Time     `json:"started"`
	Finished time.Time     `json:"finished"`
	Status   Status        `json:"status"`
	Proposal string        `json:"proposal,omitempty"` // the one that people approved, "" for none
}

// maxReadAge is how long a last good read of an app counts (spec 2.4).
const maxReadAge = 24 * time.Hour

// known reports whether the last good read still counts and names a Region.
func (a AppState) known(now time.Time) bool {
	return !a.ReadAt.IsZero() && now.Sub(a.ReadAt) <= maxReadAge && !a.App.ACS.IsZero()
}

// settled returns the federation's policy with a value for everything whose
// zero would be unsafe or meaningless. Config fills the same values; a
// situation that was written by hand need not. A zero Cooldown means none, a
// zero InventoryMaxAge no limit.
func settled(p federation.Policy) federation.Policy {
	if p.Mode == "" {
		p.Mode = federation.Approve
	}
	if p.MinReadyShare == 0 {
		p.MinReadyShare = 0.95
	}
	if p.Budget == 0 {
		p.Budget = 2
	}
	if p.Prefer == "" {
		p.Prefer = federation.PreferOrder
	}
	return p
}

// Kept returns the state as inventory keeps it.
func (a AppState) Kept() inventory.AppRead {
	return inventory.AppRead{Ref: a.Ref, ReadAt: a.ReadAt, Label: a.App.Label, Kind: a.App.Kind, Status: a.App.Status, ACS: a.App.ACS,
		ACSText: a.App.ACSText, RelayState: a.App.RelayState, Audience: a.App.Audience, Hidden: a.App.Hidden, Movable: a.App.Movable, Findings: a.App.Findings}
}

// FromInventory returns the state of an app that was kept earlier.
func FromInventory(k inventory.AppRead) AppState {
	return AppState{Ref: k.Ref, ReadAt: k.ReadAt, App: idp.App{ID: idp.AppID(k.Ref.ID), Label: k.Label, Kind: k.Kind, Status: k.Status, ACS: k.ACS,
		ACSText: k.ACSText, RelayState: k.RelayState, Audience: k.Audience, Hidden: k.Hidden, Movable: k.Movable, Findings: k.Findings}}
}

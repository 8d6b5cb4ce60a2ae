package control

import (
	"io"
	"slices"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/discover"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// The values that use cases take and return, under one roof: whoever translates
// them (command line, API) needs no other package of the house.
type (
	// Decision is what the rules say, with rule, evidence and plan.
	Decision = failover.Decision
	// Plan are the exact steps of a move.
	Plan = failover.Plan
	// MoveResult is how a move ended.
	MoveResult = failover.Result
	// MoveEvent is live progress of a move.
	MoveEvent = move.Event
	// UndoPreview is what an undo would do to one app.
	UndoPreview = move.UndoPreview
	// HandStep is one field that a person has to change in an IdP's own pages.
	HandStep = failover.HandStep
	// Brake is a pause or a lock.
	Brake = failover.Brake
	// Proposal is a move that waits for people.
	Proposal = approval.Proposal
	// LoopEvent is live news of a federation's loop.
	LoopEvent = controller.Event
	// ProofLevel says how much a move has proven (spec 3).
	ProofLevel = failover.Level
	// Incident holds when things happened in an outage.
	Incident = controller.Incident
	// Snapshot are a federation's roles as last scanned.
	Snapshot = inventory.Snapshot
	// TrustPlan says which trust policies lack which audiences.
	TrustPlan = fleet.TrustPlan
	// TrustEdit is the planned change of one role's trust policy.
	TrustEdit = fleet.RoleEdit
	// ReadinessState is one cell of a readiness report.
	ReadinessState = inventory.Readiness
	// Finding is something a person should know.
	Finding = finding.Finding
	// TrustWrite is one write of a trust policy.
	TrustWrite = fleet.Write
	// TrustReport is what became of a trust plan.
	TrustReport = fleet.Report
	// TrustProgress is one step of a long trust call.
	TrustProgress = fleet.Progress
	// Discovered is what belongs together, and what has no counterpart.
	Discovered = discover.Report
	// DiscoveredApp is one app of it.
	DiscoveredApp = discover.FoundApp
)

// AppPerRegion is the topology of apps that stand for Regions.
const AppPerRegion = discover.AppPerRegion

// The levels that a proof through an IdP's portal can reach.
const (
	ProvedReadBack  = failover.P1
	ProvedAssertion = failover.P3
	ProvedLogin     = failover.P4
)

// The states of a proposal that commands tell apart.
const (
	ProposalOpen     = approval.Open
	ProposalApproved = approval.Approved
	ProposalVoid     = approval.Void
)

// PauseKind is the kind of a brake that keeps moves from starting.
const PauseKind = failover.BrakePause

// MoveHolds reports whether a rule holds what a decision is about.
func MoveHolds(d Decision) bool { return d.Outcome != failover.Move }

// MoveProposes reports whether people have to approve what a decision is about.
func MoveProposes(d Decision) bool { return d.Outcome == failover.Propose }

// NothingToMove reports whether a decision found every app in place already.
func NothingToMove(d Decision) bool { return d.Rule == failover.NothingToMove }

// MoveIncomplete reports whether a move left apps behind.
func MoveIncomplete(r MoveResult) bool { return r.Status == failover.Incomplete }

// Words tells a decision in lines, escaped for a terminal.
func Words(d Decision) []string { return failover.Explain(d) }

// ResultWords tells how a move ended in one sentence.
func ResultWords(r MoveResult) string { return move.FinishText(r) }

// HoldsOutage reports whether a decision holds, for a reason that people can do
// something about, a move that an outage may call for.
func HoldsOutage(d Decision) bool {
	calm := []string{"", failover.ActiveHealthy, failover.FailbackDue, failover.Confirming, failover.MoveOpen, failover.NothingToMove, failover.NotLeader}
	return d.Outcome == failover.Hold && !slices.Contains(calm, d.Rule)
}

// TrustAlready is the state of a role that lacked nothing any more.
const TrustAlready = fleet.Already

// TrustFailed reports whether some role of a plan could not be written or does
// not read back as meant.
func TrustFailed(r TrustReport) bool {
	return r.Stopped != nil || r.Counts[fleet.Failed]+r.Counts[fleet.Mismatch] > 0
}

// TrustDone is how many roles of a run lack nothing now.
func TrustDone(r TrustReport) int { return r.Counts[fleet.Written] + r.Counts[fleet.Already] }

// ReadinessStates are the cells that a readiness report can have.
func ReadinessStates() []ReadinessState {
	return []ReadinessState{inventory.Ready, inventory.NotReady, inventory.Conditional, inventory.Unknown, inventory.Excepted}
}

// TrustUnfinished reports whether a run left roles that resuming it would take up.
func TrustUnfinished(r TrustReport) bool {
	return r.Stopped != nil || r.Counts[fleet.NotStarted]+r.Counts[fleet.Failed]+r.Counts[fleet.Mismatch] > 0
}

// EvalTrust answers questions about trust policies, one JSON object per line;
// see trustpolicy.EvalLines.
func EvalTrust(r io.Reader, w io.Writer) error { return trustpolicy.EvalLines(r, w) }

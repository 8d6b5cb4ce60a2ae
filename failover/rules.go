package failover

import (
	"slices"

	"github.com/samlfailover/samlfailover/finding"
)

// The names of the rules, as users see them and as overrides name them.
const (
	Paused = "paused"
	Locked = "locked"
	// StoreIntegrity is the one rule that nobody can put aside: what cannot be
	// recorded where it is believed must not be done (spec 8.6, record first).
	StoreIntegrity = "store-integrity"
	ConfigDisagree = "config-disagree"
	ActiveUnknown  = "active-unknown"
	ActiveHealthy  = "active-healthy"
	FailbackDue    = "failback-due"
	Confirming     = "confirming"
	OwnNetwork     = "own-network"
	Quorum         = "quorum"
	IdPDown        = "idp-down"
	NoCandidate    = "no-candidate"
	NotReady       = "not-ready"
	Cooldown       = "cooldown"
	BudgetSpent    = "budget"
	Frozen         = "freeze"
	Approval       = "approval"
)

// What holds although it is no rule that anyone could leave out or override
// (spec 8.6).
const (
	BadRequest     = "request"         // the request itself cannot be carried out
	AllowedRegions = "allowed-regions" // the Region is not one of the federation's
	MoveOpen       = "open-move"       // one move at a time
	NothingToMove  = "nothing-to-move" // no app would change
	CannotStart    = "cannot-start"    // the last try to start the move failed, the next one comes soon
	JournalUnread  = "journal-unread"  // open and past moves cannot be read
	NotLeader      = "not-leader"      // another controller leads, or none does
)

// Rule is one reason to hold or to ask first. A rule can only remove options:
// it never chooses a Region or an app.
type Rule struct {
	Name    string
	Doc     string // what it protects, for docs and explain
	Example string // one sentence with a situation in which it decides
	// BindsRequest says whether it also holds what an operator asks for; the
	// operator may override it by name.
	BindsRequest bool

	check func(*view) ruling
}

// Rules is the table in the order in which rules are asked; the first that does
// not pass decides. It is data, so that a test can leave one out.
type Rules []Rule

// ruling is what one rule says. An empty outcome passes; note then says why.
type ruling struct {
	outcome     Action
	why         string
	wouldChange string
	note        string
	findings    []finding.Finding
}

func pass(note string) ruling { return ruling{note: note} }

func hold(why, wouldChange string) ruling {
	return ruling{outcome: Hold, why: why, wouldChange: wouldChange}
}

// Standard returns the rules in the fixed order of spec 8.1.
func Standard() Rules {
	return Rules{
		{Paused, "A person has stopped this federation from moving.",
			"During a change freeze the on-call engineer pauses the federation; an outage is shown and nothing moves.",
			true, checkPaused},
		{StoreIntegrity, "A record in the store that is not what was stored: nothing is moved on its word.",
			"Somebody has changed a record of a past move with an etcd client.",
			true, checkStoreIntegrity},
		{ConfigDisagree, "Controllers with different configs would not decide the same; auto waits until they agree.",
			"Two of three controllers run with the new config, the third still with the old one.",
			false, checkConfigDisagree},
		{Locked, "An app that a person has locked is not written; it stays, the others move.",
			"A consultant tests in the only app of the federation and has locked it for two hours.",
			true, checkLocked},
		{ActiveUnknown, "Without knowing where the apps point nobody can say whether they have to move.",
			"The IdP has not answered since the controller started.",
			true, checkActiveUnknown},
		{ActiveHealthy, "The apps' own Regions work.",
			"All apps are in us-east-1 and us-east-1 is healthy.",
			false, checkActiveHealthy},
		{FailbackDue, "Going home is a person's decision.",
			"The apps were moved to us-west-2 and us-east-1 is healthy again.",
			false, checkFailbackDue},
		{Confirming, "One bad answer is no outage: a suspect Region is probed in quick succession first.",
			"The first probe of us-east-1 has just failed.",
			false, checkConfirming},
		{OwnNetwork, "A vantage that sees everything down has a fault of its own.",
			"The only vantage reaches no Region at all.",
			false, checkOwnNetwork},
		{Quorum, "Only a majority of the configured vantages calls a Region unhealthy, and auto needs three of them.",
			"Mode auto with one vantage and no accept_fewer_vantages.",
			false, checkQuorum},
		{IdPDown, "When nobody can sign in to the IdP, moving its apps helps nobody.",
			"The Okta tenant's own sign-in page fails.",
			true, checkIdPDown},
		{NoCandidate, "There must be a healthy Region to go to.",
			"us-west-2, the only other allowed Region, is suspect too.",
			true, checkNoCandidate},
		{NotReady, "Roles must admit logins at the new Region.",
			"40 of 60 roles would work in us-west-2, and min_ready_share is 0.95.",
			true, checkNotReady},
		{Cooldown, "The controller does not move back and forth.",
			"It moved this federation ten minutes ago, and cooldown is 30 minutes.",
			false, checkCooldown},
		{BudgetSpent, "The controller moves a federation a few times a day at most, then asks.",
			"It moved this federation twice in the last 24 hours.",
			false, checkBudget},
		{Frozen, "In a freeze window nothing is moved that can wait; an unhealthy Region can wait only if the window says so.",
			"The config freezes planned moves over the holidays, and somebody asks for a switchover.",
			true, checkFreeze},
		{Approval, "The mode says whether the controller acts, asks or only watches; approvals says how many people a person's move needs.",
			"Mode approve: the move is proposed, and a person approves it; or approvals is 1, and ann asks for a switchover.",
			true, checkApproval},
	}
}

// Without returns the rules without the named one.
func (rs Rules) Without(name string) Rules {
	return slices.DeleteFunc(slices.Clone(rs), func(r Rule) bool { return r.Name == name })
}

// Names returns the names in order.
func (rs Rules) Names() []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.Name
	}
	return out
}

package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/signin"
)

// Loop is one federation's controller; *controller.Controller is one.
type Loop interface {
	Status() controller.Status
	Consider(ctx context.Context, req *failover.Request) (failover.Situation, failover.Decision, error)
	Submit(ctx context.Context, req failover.Request) (failover.Decision, *failover.Result, error)
	Kick()
	Reread(ctx context.Context) error
}

// Info is what a running controller says of itself.
type Info struct {
	Version      string    `json:"version"`
	Config       string    `json:"config"`
	ConfigDigest string    `json:"config_digest"`
	Started      time.Time `json:"started"`
	Vantages     []string  `json:"vantages"`
	Proxy        string    `json:"proxy,omitempty"`
}

// Control are the use cases of a running controller. Safe for concurrent use;
// the fields are set once.
type Control struct {
	Info        Info
	Federations []federation.Federation
	Loops       map[string]Loop
	Brakes      move.Brakes
	Moves       controller.Moves
	Undoer      Undoer
	Wholes      Comparer             // nil: no documents are kept
	Storage     Storage              // nil: no store, and this controller leads
	Jobs        func() []JobStatus   // nil: none
	Reload      func() *ReloadStatus // nil: never reloads
	Sinks       func() []SinkStatus  // nil: none
	Record      Recorder
	Events      *Broker
	Desk        *Desk      // nil: no proposals are kept
	Feed        *Feed      // nil: no news are kept
	Roles       RoleKeeper // the last scans; nil: none
	Trail       AuditTrail // nil: it cannot be read
}

// MoveRequest is an operator's wish.
type MoveRequest struct {
	Federation string   `json:"federation,omitempty"`
	To         string   `json:"to"`
	Reason     string   `json:"reason"`
	Overrides  []string `json:"overrides,omitempty"`
	DryRun     bool     `json:"dry_run,omitempty"`
	// Ask proposes the move instead of carrying it out, also where the policy needs
	// no approvals.
	Ask bool `json:"ask,omitempty"`
}

// MoveAnswer is what became of it: the decision, and the result once moved.
type MoveAnswer struct {
	Decision failover.Decision `json:"decision"`
	Result   *failover.Result  `json:"result,omitempty"`
	// Preview is what an undo would change, app by app, where that was asked for.
	Preview []move.UndoPreview `json:"preview,omitempty"`
	// Proposal is set where nothing was moved because people have to approve first.
	Proposal *approval.Proposal `json:"proposal,omitempty"`
}

// maxReason bounds the reason that goes into every record, in characters.
const maxReason = 1000

// request checks a wish and turns it into failover's words.
func request(actor Actor, f federation.Federation, r MoveRequest) (failover.Request, error) {
	if r.To == "" {
		return failover.Request{}, fail(Invalid, "name the Region to move to, one of %s", regions(f))
	}
	to, err := signin.ParseRegion(r.To)
	if err != nil {
		return failover.Request{}, fail(Invalid, "%s", err)
	}
	if to.Partition() != f.Partition {
		return failover.Request{}, fail(Invalid, "%s is in partition %s, federation %s in %s: they are separate worlds; choose one of %s", to, to.Partition(), f.Name, f.Partition, regions(f))
	}
	if err := checkReason(r.Reason); err != nil {
		return failover.Request{}, err
	}
	if err := checkOverrides(r.Overrides); err != nil {
		return failover.Request{}, err
	}
	return failover.Request{To: to, By: actor.String(), Reason: r.Reason, Overrides: r.Overrides, Ask: r.Ask}, nil
}

// checkOverrides refuses names that are no rule.
func checkOverrides(overrides []string) error {
	names := failover.Standard().Names()
	for _, o := range overrides {
		if !slices.Contains(names, o) {
			return fail(Invalid, "--override %.100q: that is no rule that can be put aside; the rules are %s", o, strings.Join(names, ", "))
		}
	}
	return nil
}

func regions(f federation.Federation) string {
	out := ""
	for i, r := range f.Regions {
		if i > 0 {
			out += ", "
		}
		out += r.String()
	}
	return out
}

// Plan says what a move to a Region would do, and whether a rule would hold it.
// It changes nothing and asks nobody outside.
func (c *Control) Plan(ctx context.Context, actor Actor, r MoveRequest) (failover.Decision, error) {
	if strings.TrimSpace(r.Reason) == "" {
		r.Reason = "a question, not yet a move"
	}
	f, loop, err := c.federation(actor, people.Viewer, r.Federation)
	if err != nil {
		return failover.Decision{}, err
	}
	req, err := request(actor, f, r)
	if err != nil {
		return failover.Decision{}, err
	}
	_, d, err := loop.Consider(ctx, &req)
	return d, err
}

// Move carries out an operator's move, unless a rule holds it; where others have to
// approve it becomes a proposal, which is in the answer; follow gets the
// move's events as they happen and may be nil. A move goes on when the caller's
// context ends.
func (c *Control) Move(ctx context.Context, actor Actor, r MoveRequest, follow func(move.Event)) (MoveAnswer, error) {
	if r.DryRun {
		d, err := c.Plan(ctx, actor, r)
		return MoveAnswer{Decision: d}, err
	}
	f, _, err := c.federation(actor, people.Operator, r.Federation)
	if err != nil {
		return MoveAnswer{}, err
	}
	if err := c.mayWrite(actor, f.Name); err != nil {
		return MoveAnswer{}, err
	}
	if err := mayOverride(actor, f, r.Overrides); err != nil {
		return MoveAnswer{}, err
	}
	req, err := request(actor, f, r)
	if err != nil {
		return MoveAnswer{}, err
	}
	return c.submit(ctx, actor, f, "move.requested", r, req, follow)
}

// submit records a request and hands it to the federation's loop.
func (c *Control) submit(ctx context.Context, actor Actor, f federation.Federation, action string, detail any, req failover.Request, follow func(move.Event)) (MoveAnswer, error) {
	if err := c.Record.Record(ctx, actor.String(), action, "federation "+f.Name, detail); err != nil {
		return MoveAnswer{}, notRecorded(err)
	}
	if follow != nil {
		stop := c.Events.Follow(f.Name, follow)
		defer stop()
	}
	d, res, err := c.Loops[f.Name].Submit(ctx, req)
	out := MoveAnswer{Decision: d, Result: res}
	if err == nil && d.Outcome == failover.Propose {
		out.Proposal, err = c.propose(ctx, actor, d, req)
	}
	return out, err
}

// Explanation is why things stand as they do: the decision in words, the state
// of one Region if one was asked for, and the rules.
type Explanation struct {
	Federation string            `json:"federation"`
	Decision   failover.Decision `json:"decision"`
	Lines      []string          `json:"lines"`
	Region     *RegionStatus     `json:"region,omitempty"`
	Rules      []RuleText        `json:"rules"`
}

// RuleText describes one rule of the decision.
type RuleText struct {
	Name    string `json:"name"`
	Doc     string `json:"doc"`
	Example string `json:"example"`
}

// RegionOf reads a Region that somebody asks about, which must be one of the
// federation's; every door refuses others in these words.
func RegionOf(federation string, has []signin.Region, asked string) (signin.Region, error) {
	r, err := signin.ParseRegion(asked)
	if err != nil {
		return r, fail(Invalid, "%s", err)
	}
	if !slices.Contains(has, r) {
		var names []string
		for _, h := range has {
			names = append(names, h.String())
		}
		return r, fail(NotFound, "%s is not a Region of federation %s; it has %s", r, federation, strings.Join(names, ", "))
	}
	return r, nil
}

// Region finds what is known of a Region that somebody asks about.
func (f FederationStatus) Region(asked string) (RegionStatus, error) {
	has := make([]signin.Region, 0, len(f.Regions))
	for _, r := range f.Regions {
		has = append(has, r.Region)
	}
	want, err := RegionOf(f.Name, has, asked)
	if err != nil {
		return RegionStatus{}, err
	}
	return f.Regions[slices.Index(has, want)], nil
}

// Explain tells the present decision of a federation, and a Region's evidence.
func (c *Control) Explain(ctx context.Context, actor Actor, name, region string) (Explanation, error) {
	f, loop, err := c.federation(actor, people.Viewer, name)
	if err != nil {
		return Explanation{}, err
	}
	s, d, err := loop.Consider(ctx, nil)
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Federation: f.Name, Decision: d, Lines: failover.Explain(d)}
	for _, r := range failover.Standard() {
		out.Rules = append(out.Rules, RuleText{r.Name, r.Doc, r.Example})
	}
	if region == "" {
		return out, nil
	}
	want, err := RegionOf(f.Name, f.Regions, region)
	if err != nil {
		return Explanation{}, err
	}
	st := regionStatus(want, s.Verdicts, s.Shares)
	out.Region = &st
	return out, nil
}

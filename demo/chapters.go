package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/signin"
)

func (s *story) opening() {
	d := s.world.Demo()
	if !s.o.JSON {
		s.tell.write("A whole outage on this machine. Nothing real is touched: AWS and Okta are simulated,\nTLS, SAML signatures and trust policies are not.\n")
	}
	s.tell.chapter("THE WORLD")
	s.tell.say("Okta org %s with %d AWS apps, %d accounts, %d federated roles, all on one endpoint: %s", d.OktaHost, len(d.Apps), len(d.Accounts), len(d.Roles), d.Apps[0].ACS)
	s.tell.say("The controller runs in mode auto on ONE vantage (accept_fewer_vantages), which is fine for a demo and not for production.")
}

// readiness shows who could not sign in at the standby Region, and mends it.
func (s *story) readiness(ctx context.Context) (err error) {
	s.tell.chapter("CALM TIMES: would everybody get in at " + standby + "?")
	run, err := s.trust()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	plan, snap, err := run.Plan(ctx)
	if err != nil {
		return err
	}
	west := signin.MustRegion(standby)
	share := snap.Share(west)
	s.tell.say("trust plan: %d of %d roles would work in %s, %d would not:", share.Ready, share.Total, standby, share.Total-share.Ready)
	for _, f := range share.NotReady {
		s.tell.say("  %s: %s", roleName(f.Subject), f.Why)
	}
	s.check(share.Total == 60 && share.Total-share.Ready == 7, "60 roles, 7 of them not ready for %s (got %d, %d)", standby, share.Total, share.Total-share.Ready)
	for i, e := range plan.Edits {
		s.tell.say("edit %d of %d, %s (%d -> %d of %d characters):", i+1, len(plan.Edits), roleName(e.Role), e.SizeBefore, e.SizeAfter, e.SizeQuota)
		s.tell.block(changedLines(e.Diff))
	}
	report, snap, err := run.Apply(ctx, plan, 0)
	if err != nil {
		return err
	}
	share = snap.Share(west)
	s.sum.RolesReady, s.sum.Roles = share.Ready, share.Total
	s.check(!control.TrustFailed(report) && len(report.Outcomes) == len(plan.Edits), "every planned trust policy was written")
	s.tell.say("trust apply: %d trust policies written, each read back; now %d of %d are ready. These stay, with their names:", len(report.Outcomes), share.Ready, share.Total)
	for _, f := range plan.Refused {
		s.tell.say("  %s: %s", roleName(f.Subject), lastCause(f))
	}
	s.check(share.Total-share.Ready == len(plan.Refused) && len(plan.Refused) <= 3, "only roles that nobody may edit are left, at most 3 (got %d)", share.Total-share.Ready)
	return s.noticed(ctx, share.Ready)
}

// noticed waits until the running controller counts with the new readiness.
func (s *story) noticed(ctx context.Context, ready int) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	return until(ctx, "the controller to see the new readiness", func() (bool, error) {
		st, err := c.Status(ctx)
		if err != nil {
			return false, err
		}
		for _, r := range st.Federations[0].Regions {
			if r.Region.String() == standby && r.Ready == ready && r.State == "healthy" {
				return true, nil
			}
		}
		return false, nil
	})
}

func (s *story) loginsBefore(ctx context.Context) error {
	s.tell.chapter("CALM TIMES: people sign in")
	s.mustLand(s.logins(ctx, "before", s.person()), home)
	return nil
}

// person is who signs in through every app.
func (s *story) person() string { return s.world.Demo().Users[0].Login }

// outage breaks the home Region and follows the controller until the move has
// ended.
func (s *story) outage(ctx context.Context) error {
	s.tell.chapter("THE OUTAGE: " + home + " goes down whole, with IAM and the global STS")
	s.news.forget()
	mark := s.world.Requests().Last()
	broke := time.Now()
	if _, err := s.world.Fault(fault.Fault{Target: home, Effect: fault.Effect{Kind: fault.Down}}); err != nil {
		return err
	}
	for _, l := range s.logins(ctx, "during-outage", s.person()) {
		s.check(!l.OK, "a login through %s fails while %s is down", l.App, home)
	}
	if s.o.During != nil {
		s.o.During(ctx, s.world, s.cfg)
	}
	if err := s.followMove(ctx); err != nil {
		return err
	}
	calls, missed := forbidden(s.world.Requests(), mark)
	s.check(missed == 0, "the request log is whole")
	s.sum.ForbiddenCalls = calls
	s.check(calls == 0, "no call to IAM, Organizations, Account or the global STS during the failover (got %d)", calls)
	return s.measure(ctx, broke)
}

// followMove tells the controller's news until a move has finished.
func (s *story) followMove(ctx context.Context) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case e := <-s.news.loops:
			s.loopNews(e)
		case e := <-s.news.moves:
			s.drainLoops()
			s.moveNews(e)
			if e.Kind == "finished" {
				return nil
			}
		case <-limit.C:
			return fmt.Errorf("no move came within %s of the outage", patience)
		case <-ctx.Done():
			return fmt.Errorf("the demo was interrupted: %w", ctx.Err())
		}
	}
}

// drainLoops tells what the loop said before the move's next event.
func (s *story) drainLoops() {
	for {
		select {
		case e := <-s.news.loops:
			s.loopNews(e)
		default:
			return
		}
	}
}

func (s *story) loopNews(e control.LoopEvent) {
	switch e.Kind {
	case "suspect", "confirmed", "cleared":
		s.tell.say("%s", e.Text)
	case "decision":
		s.decisionNews(*e.Decision)
	}
}

// decisionNews tells a decision in short: why was told with the verdict.
func (s *story) decisionNews(d control.Decision) {
	switch {
	case !control.MoveHolds(d):
		s.tell.say("decision: MOVE %s; no rule holds it", d.Plan.Route())
		s.tell.block(d.Plan.Lines()[1:])
	case d.Rule != "active-healthy":
		s.tell.say("decision: %s by rule %s; what would change it: %s", d.Outcome, d.Rule, d.WouldChange)
	}
}

func (s *story) moveNews(e control.MoveEvent) {
	s.tell.say("%s", e.Text)
	if e.Finding != nil {
		s.tell.say("  %s", e.Finding.Error())
	}
}

// measure takes the times and the result from the controller's own status.
func (s *story) measure(ctx context.Context, broke time.Time) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	return until(ctx, "the controller to show the finished move", func() (bool, error) {
		st, err := c.Status(ctx)
		if err != nil {
			return false, err
		}
		f := st.Federations[0]
		if f.Incident == nil || f.Incident.MoveFinished.IsZero() || f.LastMove == nil {
			return false, nil
		}
		i := f.Incident
		s.sum.DetectMS = i.Confirmed.Sub(broke).Milliseconds()
		s.sum.DecideMS = i.Decided.Sub(i.Confirmed).Milliseconds()
		s.sum.MoveMS = i.MoveFinished.Sub(i.MoveStarted).Milliseconds()
		s.sum.AppsMoved, s.sum.Proof = f.LastMove.Moved(), f.LastMove.Proof.String()
		s.check(f.LastMove.Status == "verified", "the move ended verified (got %s: %s)", f.LastMove.Status, f.LastMove.Why)
		s.check(f.LastMove.To.String() == standby, "the move went to %s (got %s)", standby, f.LastMove.To)
		return true, nil
	})
}

func (s *story) afterFailover(ctx context.Context) error {
	s.tell.chapter("AFTER THE MOVE: people sign in again, while " + home + " is still down")
	s.mustLand(s.logins(ctx, "after-failover", s.person()), standby)
	return nil
}

// healed lets the home Region work again: the controller must not go back by
// itself.
func (s *story) healed(ctx context.Context) error {
	s.tell.chapter(home + " WORKS AGAIN")
	if _, err := s.world.Heal(fault.Everything); err != nil {
		return err
	}
	s.tell.say("The controller wants %d good answers in a row before it trusts the Region again ...", s.cfg.Health.Rise)
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	var d control.Decision
	err = until(ctx, "the failback to be held", func() (bool, error) {
		st, err := c.Status(ctx)
		if err != nil {
			return false, err
		}
		d = st.Federations[0].Decision
		return d.Rule == "failback-due", nil
	})
	if err != nil {
		return err
	}
	s.check(control.MoveHolds(d), "the failback waits for a person")
	s.tell.say("decision: %s by rule %s: %s", d.Outcome, d.Rule, d.Why)
	return nil
}

// failback is the operator's, over the same socket that the command line uses.
func (s *story) failback(ctx context.Context) error {
	s.tell.chapter("THE OPERATOR GOES HOME")
	s.tell.say("$ samlfailover move --to %s --reason \"the Region is stable again\"", home)
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Move(ctx, control.MoveRequest{To: home, Reason: "the Region is stable again"}, s.moveNews)
	if err != nil {
		return err
	}
	if answer.Result == nil {
		s.check(false, "the failback was carried out (%s: %s)", answer.Decision.Rule, answer.Decision.Why)
		return nil
	}
	s.check(answer.Result.Status == "verified" && answer.Result.Moved() == len(s.world.Demo().Apps), "the failback ended verified (got %s: %s)", answer.Result.Status, answer.Result.Why)
	s.mustLand(s.logins(ctx, "after-failback", s.person()), home)
	return nil
}

// forbidden counts what was asked, after an entry of the log, of services that
// live in one Region: requests, and connections that were refused.
func forbidden(log *reqlog.Log, after uint64) (calls int, missed uint64) {
	entries, missed := log.Since(after)
	for _, e := range entries {
		switch {
		case e.Kind == reqlog.Connect && e.Status == 200: // its requests count
		case e.Service == "iam" || e.Service == "sts-global" || e.Service == "organizations" || e.Service == "account",
			strings.HasPrefix(e.Host, "secretsmanager."):
			calls++
		}
	}
	return calls, missed
}

// roleName is the account and path of a role ARN.
func roleName(arn string) string {
	if _, after, ok := strings.Cut(arn, "iam::"); ok {
		return strings.Replace(after, ":role", "", 1)
	}
	return arn
}

// lastCause is why a role is not written, without the parts that repeat.
func lastCause(f finding.Finding) string {
	if f.Why == "" {
		return f.What
	}
	if strings.Contains(f.What, " and ") {
		_, second, _ := strings.Cut(f.What, " and ")
		return second + ": " + f.Why
	}
	return f.What + ": " + f.Why
}

// changedLines are the added and removed lines of a diff.
func changedLines(diff string) []string {
	var out []string
	for _, l := range strings.Split(diff, "\n") {
		if strings.HasPrefix(l, "+++") || strings.HasPrefix(l, "---") {
			continue
		}
		if strings.HasPrefix(l, "+") || strings.HasPrefix(l, "-") {
			out = append(out, l)
		}
	}
	return out
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/signin"
)

func (s *story) opening() {
	d := s.world.Demo()
	if !s.o.JSON {
		s.tell.write("A whole outage on this machine. Nothing real is touched: AWS, Okta, PingOne and OneLogin are simulated,\nTLS, SAML signatures and trust policies are not.\n")
	}
	s.tell.chapter("THE WORLD")
	s.tell.say("%d apps of three identity providers lead to %d AWS accounts with %d federated roles. All are on one endpoint: %s",
		len(d.Apps), len(d.Accounts), len(d.Roles), d.Apps[0].ACS)
	var lines []string
	for _, a := range d.Apps {
		lines = append(lines, fmt.Sprintf("%-*s  %-*s  %s", s.widest(), a.Label, len(seed.PingOneProd), a.Tenant, a.Kind))
	}
	s.tell.list(lines)
	s.tell.say("The controller runs in mode auto on ONE vantage (accept_fewer_vantages), which is fine for a demo and not for production.")
}

// readiness shows who could not sign in at the standby Region, and mends it.
func (s *story) readiness(ctx context.Context) (err error) {
	s.tell.chapter("CALM TIMES: would everybody get in at " + s.standby + "?")
	run, err := s.trust()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	plan, snap, err := run.Plan(ctx)
	if err != nil {
		return err
	}
	west := s.world.Demo().Standby()
	share := snap.Share(west)
	s.tell.say("trust plan: %d of %d roles would work in %s, %d would not:", share.Ready, share.Total, s.standby, share.Total-share.Ready)
	s.tellNotReady(share.NotReady)
	d := s.world.Demo()
	s.check(share.Total == len(d.Roles) && share.Total-share.Ready == len(d.NotReady()), "%d roles, %d of them not ready for %s (got %d, %d)",
		len(d.Roles), len(d.NotReady()), s.standby, share.Total, share.Total-share.Ready)
	var told []string
	for i, e := range plan.Edits {
		s.tell.say("edit %d of %d, %s (%d -> %d of %d characters):", i+1, len(plan.Edits), roleName(e.Role), e.SizeBefore, e.SizeAfter, e.SizeQuota)
		s.tell.block(notTwice(&told, changedLines(e.Diff)))
	}
	report, snap, err := run.Apply(ctx, plan, control.TrustOrder{})
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

// tellNotReady names the roles, in prose once per reason.
func (s *story) tellNotReady(fs []finding.Finding) {
	var reasons []string
	names := map[string][]string{}
	for _, f := range fs {
		if s.o.JSON {
			s.tell.say("%s: %s", roleName(f.Subject), f.Why)
			continue
		}
		if len(names[f.Why]) == 0 {
			reasons = append(reasons, f.Why)
		}
		names[f.Why] = append(names[f.Why], roleName(f.Subject))
	}
	for _, why := range reasons {
		s.tell.say("  %s: %s", plural(len(names[why]), "role"), why)
		s.tell.list(names[why])
	}
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
			if r.Region.String() == s.standby && r.Ready == ready && r.State == "healthy" {
				return true, nil
			}
		}
		return false, nil
	})
}

func (s *story) loginsBefore(ctx context.Context) error {
	s.tell.chapter("CALM TIMES: people sign in")
	s.mustLand(s.logins(ctx, "before"), s.home)
	return nil
}

// outage breaks the home Region and follows the controller until the move has
// ended.
func (s *story) outage(ctx context.Context) error {
	s.tell.chapter("THE OUTAGE: " + s.home + " goes down whole, with IAM" + s.alsoGone())
	s.news.forget()
	mark := s.world.Requests().Last()
	broke := time.Now()
	if _, err := s.world.Fault(fault.Fault{Target: s.home, Effect: fault.Effect{Kind: fault.Down}}); err != nil {
		return err
	}
	if s.o.During != nil {
		s.o.During(ctx, s.world, s.cfg)
	}
	for _, l := range s.logins(ctx, "during-outage") {
		s.check(!l.OK, "a login through %s fails while %s is down", l.App, s.home)
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

// alsoGone names what else lives in the home Region: only partition aws has a
// global STS.
func (s *story) alsoGone() string {
	if s.world.Demo().Partition == signin.AWS {
		return " and the global STS"
	}
	return ""
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
		s.tell.block(s.planLines(d))
	case d.Rule != "active-healthy":
		s.tell.say("decision: %s by rule %s; what would change it: %s", d.Outcome, d.Rule, d.WouldChange)
	}
}

// planLines are the lead app's step whole, and of the others what differs.
func (s *story) planLines(d control.Decision) []string {
	var out []string
	for i, st := range d.Plan.Steps {
		switch i {
		case 0:
			out = append(out, st.App.Name+" first", fmt.Sprintf("  sign-in URL  %s -> %s", st.Before, st.After), fmt.Sprintf("  RelayState   %s -> %s", st.RelayBefore, st.RelayAfter))
			continue
		case 1:
			out = append(out, fmt.Sprintf("then %d more, each with its own landing page", len(d.Plan.Steps)-1))
		}
		out = append(out, fmt.Sprintf("  %-*s  %s", s.widest(), st.App.Name, st.RelayAfter))
	}
	return out
}

// moveNews tells of the lead app every phase and of the others how each ended:
// prose need not say the same three things six times.
func (s *story) moveNews(e control.MoveEvent) {
	brief := !s.o.JSON && e.App != s.world.Demo().Apps[0].Label
	if brief && e.Kind == "app" && e.Phase != "proved" && e.Finding == nil {
		return
	}
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
		s.check(f.LastMove.To.String() == s.standby, "the move went to %s (got %s)", s.standby, f.LastMove.To)
		return true, nil
	})
}

func (s *story) afterFailover(ctx context.Context) error {
	s.tell.chapter("AFTER THE MOVE: people sign in again, while " + s.home + " is still down")
	s.mustLand(s.logins(ctx, "after-failover"), s.standby)
	return nil
}

// healed lets the home Region work again: the controller must not go back by
// itself.
func (s *story) healed(ctx context.Context) error {
	s.tell.chapter(s.home + " WORKS AGAIN")
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
	s.tell.say("$ samlfailover move --to %s --reason \"the Region is stable again\"", s.home)
	c, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Move(ctx, control.MoveRequest{To: s.home, Reason: "the Region is stable again"}, s.moveNews)
	if err != nil {
		return err
	}
	if answer.Result == nil {
		s.check(false, "the failback was carried out (%s: %s)", answer.Decision.Rule, answer.Decision.Why)
		return nil
	}
	s.check(answer.Result.Status == "verified" && answer.Result.Moved() == len(s.world.Demo().Apps), "the failback ended verified (got %s: %s)", answer.Result.Status, answer.Result.Why)
	s.mustLand(s.logins(ctx, "after-failback"), s.home)
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

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// notTwice returns lines that were told already in short.
func notTwice(told *[]string, lines []string) []string {
	text := strings.Join(lines, "\n")
	if slices.Contains(*told, text) {
		return []string{"(the same lines as above)"}
	}
	*told = append(*told, text)
	return lines
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

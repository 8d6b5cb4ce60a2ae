package app_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/oidc"
	"github.com/samlfailover/samlfailover/server/problem"
)

// Slack, the issuer of the API's tokens and the host where PingOne signs people
// in (and gives access tokens) are dead, in an outage: nobody can prove who they
// are by any of them. Proposing, approving and moving by the command line with
// personal tokens works all the same. Okta and OneLogin have people sign in and
// admins call at one host, so there the API would be dead with the sign-in.
//
// spec 13.6
func TestBreakGlassWithEverySignInDead(t *testing.T) {
	t.Parallel()
	s := newPlace(t, "mode: auto", "mode: observe\n    approvals: 1").start()
	s.calm()
	signsIn := func() (n int) {
		for _, a := range s.world.Demo().Apps {
			if s.world.Login(t.Context(), a.Label, s.world.Demo().Users[0].Login).OK {
				n++
			}
		}
		return n
	}
	if n := signsIn(); n != 6 {
		t.Fatalf("in calm times one signs in to %d apps", n)
	}
	// The issuer dies before it has ever been asked, so its keys are not known.
	for _, dead := range []string{oidc.Host, "slack", "auth.pingone.com", home} {
		s.breaks(dead, fault.Refuse)
	}
	s.until("the outage is seen", func(f control.FederationStatus) bool { return f.Regions[0].State == "unhealthy" })
	if n := signsIn(); n > 0 {
		t.Errorf("one still signs in to %d apps: the outage is none", n)
	}
	var p problem.Problem
	s.bearer(oidc.Order{Subject: s.world.OIDCSubject("ada")}).wants(401, "GET", "/api/v1/federations", nil, &p)
	katherine, grace := s.doors("katherine").remote, s.doors("grace").remote
	asked, err := katherine.Move(t.Context(), control.MoveRequest{To: standby, Reason: "sign-in in us-east-1 is down"}, nil)
	if err != nil || asked.Proposal == nil || s.puts("") > 0 {
		t.Fatalf("the request: %+v, %v, %d writes", asked, err, s.puts(""))
	}
	voted, err := grace.Approve(t.Context(), control.VoteRequest{ID: asked.Proposal.ID, Digest: asked.Proposal.Digest}, nil)
	if err != nil || voted.Move == nil || voted.Move.Result == nil || voted.Move.Result.Moved() != voted.Move.Result.Meant() {
		t.Fatalf("the approval: %+v, %v", voted, err)
	}
	if n := len(s.world.Slack().Messages("C0INCIDENT", "")); n > 0 {
		t.Errorf("Slack was reached: %d messages", n)
	}
}

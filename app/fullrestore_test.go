package app_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/finding"
)

// as is a client with the token of a person of the written config.
func (s *service) as(first string) *app.Client {
	s.t.Helper()
	c, err := app.DialServer(s.world.ControllerURL(), s.world.StaffToken(first), nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// spec 4.2: after a move and another admin's edit, the whole document of before
// goes back, at each vendor, once a second person has approved exactly what was
// compared, and not before.
func TestFullRestore(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	ada, grace := s.as("ada"), s.as("grace")
	moved, err := ada.Move(t.Context(), control.MoveRequest{To: standby, Reason: "test"}, nil)
	if err != nil || moved.Result == nil || moved.Result.Moved() != 6 {
		t.Fatalf("%+v, %v", moved, err)
	}
	id := string(moved.Result.ID)
	vendors := map[string]bool{}
	for i, a := range moved.Result.Apps {
		if vendors[a.App.Tenant] {
			continue
		}
		vendors[a.App.Tenant] = true
		rename := func(name string) {
			if err := p.world.EditApp(a.App.ID, func(doc map[string]any) { renamed(doc, name) }); err != nil {
				t.Fatal(err)
			}
		}
		rename("by somebody")
		r := control.FullRestoreRequest{App: a.App.String(), Move: id, Reason: "the edit was a mistake"}
		dry := r
		dry.DryRun = true
		if got, err := ada.RestoreFull(t.Context(), dry); err != nil || got.Proposal != nil || got.Changes() < 2 {
			t.Fatalf("%s: a dry run: %+v, %v", a.App, got, err)
		}
		before := p.puts(a.App.ID)
		first, err := ada.RestoreFull(t.Context(), r)
		if err != nil || first.Proposal == nil {
			t.Fatalf("%s: %+v, %v", a.App, first, err)
		}
		if i == 0 { // the refusals, once
			s.refusesToRestore(ada, r, first.Proposal.ID)
			rename("once more")
			if v, err := grace.Approve(t.Context(), control.VoteRequest{ID: first.Proposal.ID}, nil); err != nil || v.Proposal.State != approval.Void || !strings.Contains(v.Proposal.Why, "changed") {
				t.Errorf("of an app that has changed since: %+v, %v", v.Proposal, err)
			}
			if first, err = ada.RestoreFull(t.Context(), r); err != nil || first.Proposal == nil {
				t.Fatalf("once more: %+v, %v", first, err)
			}
		}
		if p.puts(a.App.ID) != before {
			t.Fatalf("%s was written before anybody had approved", a.App)
		}
		v, err := grace.Approve(t.Context(), control.VoteRequest{ID: first.Proposal.ID, Digest: first.Proposal.Digest}, nil)
		if err != nil || v.Move == nil || v.Move.Result == nil || v.Move.Result.Moved() != 1 || v.Proposal.State != approval.Done {
			t.Fatalf("%s: approved: %+v, %v", a.App, v, err)
		}
		if got, err := ada.RestoreFull(t.Context(), dry); err != nil || got.Changes() != 0 || strings.Contains(p.acs(a.App.ID), standby) || p.puts(a.App.ID) != before+1 {
			t.Errorf("%s: after the restore at %s: %+v, %v", a.App, p.acs(a.App.ID), got.Comparison, err)
		}
	}
	if len(vendors) < 3 {
		t.Errorf("only the vendors %v were tried", vendors)
	}
	h, err := ada.History(t.Context(), control.HistoryRequest{})
	if err != nil || !h.Moves[0].Whole || string(h.Moves[0].Undoes) != id {
		t.Errorf("history: %+v, %v", h.Moves[0].Record, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	p.wantAudit("move.start", "restore-full.requested", "move.proposed", "move.proposal-approved", "move.proposal-withdrawn", "restore-full.requested",
		"move.proposal-approved", "move.start", "move.write", "move.app-verified", "move.finished", "move.proposal-done")
}

// renamed is another admin's edit of an app, in whichever vendor's form.
func renamed(doc map[string]any, name string) {
	if c, ok := doc["configuration"].(map[string]any); ok { // OneLogin
		c["audience"] = "urn:" + strings.ReplaceAll(name, " ", "-")
		return
	}
	if _, ok := doc["acsUrls"]; ok { // PingOne
		doc["description"] = name
		return
	}
	doc["label"] = name
}

// refusesToRestore tries what must not be, while a proposal waits.
func (s *service) refusesToRestore(ada *app.Client, r control.FullRestoreRequest, proposal string) {
	s.t.Helper()
	var f *control.Failure
	if _, err := ada.Approve(s.t.Context(), control.VoteRequest{ID: proposal}, nil); !errors.As(err, &f) || f.Rule != string(approval.SelfApproval) {
		s.t.Errorf("self-approval: %v", err)
	}
	for _, who := range []string{"grace", "katherine", "margaret"} {
		if _, err := s.as(who).RestoreFull(s.t.Context(), r); !errors.As(err, &f) || f.Kind != control.Forbidden {
			s.t.Errorf("%s is no admin: %v", who, err)
		}
	}
}

// A foreign endpoint in the app as it is now holds a full restore; nothing is
// written and nobody is asked. spec 1.4 spec 4.2
func TestFullRestoreForeign(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "mode: auto", "mode: approve")
	s := p.start()
	s.calm()
	ada := s.as("ada")
	moved, err := ada.Move(t.Context(), control.MoveRequest{To: standby, Reason: "test"}, nil)
	if err != nil || moved.Result == nil {
		t.Fatalf("%+v, %v", moved, err)
	}
	bad := p.world.Demo().Apps[1]
	before := p.puts(bad.ID)
	err = p.world.EditApp(bad.ID, func(doc map[string]any) {
		doc["settings"].(map[string]any)["app"].(map[string]any)["overrideAcsURL"] = "https://evil.example/saml"
	})
	if err != nil {
		t.Fatal(err)
	}
	var f *control.Failure
	_, err = ada.RestoreFull(t.Context(), control.FullRestoreRequest{App: bad.ID, Move: string(moved.Result.ID), Reason: "test"})
	if !errors.As(err, &f) || f.Kind != control.Held || f.Rule != string(finding.ForeignACS) || p.puts(bad.ID) != before {
		t.Errorf("%v", err)
	}
}

package control

import (
	"context"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/people"
)

// Each use case asks for its role, in the federation that it is about; what the
// caller may not see is unknown, in the same words as what does not exist.
// spec 13.5
func TestRoles(t *testing.T) {
	t.Parallel()
	caller := func(role people.Role, federation string) Actor {
		return people.Caller{Person: "eve", Name: "eve", Way: people.Token, Grants: people.Grants{federation: role}}
	}
	cases := map[string]struct {
		need people.Role
		call func(context.Context, *Control, Actor) error
	}{
		"plan": {people.Viewer, func(ctx context.Context, c *Control, a Actor) error {
			_, err := c.Plan(ctx, a, MoveRequest{Federation: "corp", To: "us-west-2"})
			return err
		}},
		"explain": {people.Viewer, func(ctx context.Context, c *Control, a Actor) error {
			_, err := c.Explain(ctx, a, "corp", "")
			return err
		}},
		"move": {people.Operator, func(ctx context.Context, c *Control, a Actor) error {
			_, err := c.Move(ctx, a, MoveRequest{Federation: "corp", To: "us-west-2", Reason: "x"}, nil)
			return err
		}},
		"pause": {people.Operator, func(ctx context.Context, c *Control, a Actor) error {
			_, err := c.Pause(ctx, a, BrakeRequest{Federation: "corp", Reason: "x"})
			return err
		}},
		"lock": {people.Operator, func(ctx context.Context, c *Control, a Actor) error {
			_, err := c.Lock(ctx, a, BrakeRequest{Federation: "corp", Reason: "x"})
			return err
		}},
	}
	for name, u := range cases {
		for _, role := range people.Roles() {
			ctl, log := newControl(&loop{decision: failover.Decision{Outcome: failover.Hold}})
			err := u.call(t.Context(), ctl, caller(role, "corp"))
			if role.Includes(u.need) {
				if err != nil {
					t.Errorf("%s by a %s: %v", name, role, err)
				}
				continue
			}
			wantFailure(t, err, Forbidden, string(u.need), "eve via token", "corp")
			if len(*log) > 0 {
				t.Errorf("%s by a %s was recorded: %v", name, role, *log)
			}
		}
		for why, a := range map[string]Actor{"an admin of another federation": caller(people.Admin, "labs"), "nobody": {}} {
			ctl, log := newControl(&loop{})
			err := u.call(t.Context(), ctl, a)
			wantFailure(t, err, NotFound)
			if strings.Contains(err.Error(), "has: corp") {
				t.Errorf("%s by %s tells of a federation: %v", name, why, err)
			}
			if len(*log) > 0 {
				t.Errorf("%s by %s was recorded: %v", name, why, *log)
			}
		}
	}
}

// A pause of everything needs the role in every federation; the store is for
// those who see everything, its backup for an admin.
func TestRolesEverywhere(t *testing.T) {
	t.Parallel()
	ctl, _ := newControl(&loop{})
	part := people.Caller{Name: "eve", Way: people.Token, Grants: people.Grants{"corp": people.Admin}}
	_, err := ctl.Pause(t.Context(), part, BrakeRequest{Reason: "x"})
	wantFailure(t, err, Forbidden, "every federation")
	_, err = ctl.StoreReport(t.Context(), part)
	wantFailure(t, err, Forbidden, "viewer")
	_, err = ctl.Backup(t.Context(), people.Caller{Name: "eve", Grants: people.Grants{people.Everywhere: people.Approver}}, BackupRequest{File: "/b"})
	wantFailure(t, err, Forbidden, "admin")
	if _, err = ctl.Pause(t.Context(), ada, BrakeRequest{Reason: "x"}); err != nil {
		t.Error(err)
	}
}

// What the caller may not see is in no list.
func TestStatusIsFiltered(t *testing.T) {
	t.Parallel()
	ctl, _ := newControl(&loop{})
	for why, c := range map[string]struct {
		a    Actor
		want int
	}{"of another federation": {people.Caller{Grants: people.Grants{"labs": people.Admin}}, 0}, "nobody": {Actor{}, 0}, "a viewer": {people.Caller{Grants: people.Grants{"corp": people.Viewer}}, 1}} {
		if got := len(ctl.Status(t.Context(), c.a).Federations); got != c.want {
			t.Errorf("%s sees %d federations, want %d", why, got, c.want)
		}
	}
	h, err := ctl.History(t.Context(), Actor{}, HistoryRequest{})
	if err != nil || len(h.Moves) > 0 {
		t.Errorf("%+v, %v", h, err)
	}
}

package people

import (
	"testing"
)

// spec 13.5: a role in one federation is none in another.
func TestGrants(t *testing.T) {
	g := Grants{"a": Operator, "b": Viewer}
	for _, c := range []struct {
		why        string
		grants     Grants
		federation string
		need       Role
		want       bool
	}{
		{"the same role", g, "a", Operator, true},
		{"a lesser one is included", g, "a", Viewer, true},
		{"a higher one is not", g, "a", Approver, false},
		{"another federation's role does not count", g, "b", Operator, false},
		{"an unknown federation", g, "c", Viewer, false},
		{"all federations, of which only some are granted", g, "", Viewer, false},
		{"everywhere counts in each", Grants{Everywhere: Viewer}, "a", Viewer, true},
		{"everywhere is all federations", Grants{Everywhere: Admin}, "", Admin, true},
		{"the higher of both", Grants{Everywhere: Viewer, "a": Approver}, "a", Approver, true},
		{"the higher of both, the other way", Grants{Everywhere: Admin, "a": Viewer}, "a", Admin, true},
		{"the zero value is nobody", nil, "a", Viewer, false},
		{"a role that is none", Grants{"a": "root"}, "a", Viewer, false},
		{"a role that is none does not hide the one everywhere", Grants{Everywhere: Viewer, "a": "root"}, "a", Viewer, true},
		{"no need is no permission", g, "a", "", false},
	} {
		if got := (Caller{Grants: c.grants}).May(c.need, c.federation); got != c.want {
			t.Errorf("%s: May(%s, %q) of %v = %v", c.why, c.need, c.federation, c.grants, got)
		}
	}
}

func TestLimited(t *testing.T) {
	for _, c := range []struct {
		why         string
		grants      Grants
		federations []string
		highest     Role
		want        string
	}{
		{"cut to a highest role", Grants{Everywhere: Admin}, nil, Operator, "operator in all federations"},
		{"cut to a list", Grants{Everywhere: Admin}, []string{"a"}, Approver, "approver in a"},
		{"what was not granted is not gained", Grants{"b": Admin}, []string{"a"}, Admin, "no role anywhere"},
		{"a lesser role stays", Grants{"a": Viewer}, nil, Admin, "viewer in a"},
	} {
		if got := c.grants.Limited(c.federations, c.highest).String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

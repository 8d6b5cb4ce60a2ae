package people

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what a caller may do in a federation. Each role includes those before
// it.
type Role string

// The roles, from the least to the most.
const (
	Viewer   Role = "viewer"   // look: status, plans, history, audit
	Operator Role = "operator" // ask for moves, undo, pause, lock
	Approver Role = "approver" // decide on what others propose
	Admin    Role = "admin"    // everything, the store too
)

// Roles returns the roles, from the least to the most.
func Roles() []Role { return []Role{Viewer, Operator, Approver, Admin} }

// ParseRole reads a role.
func ParseRole(text string) (Role, error) {
	if r := Role(text); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", fmt.Errorf("%.40q is no role; the roles are viewer, operator, approver and admin", text)
}

// Includes reports whether who has this role may do what the other one allows.
// No role includes none.
func (r Role) Includes(other Role) bool {
	mine, theirs := slices.Index(Roles(), r), slices.Index(Roles(), other)
	return mine >= 0 && theirs >= 0 && mine >= theirs
}

// atMost returns the role, or the highest allowed one if that is less.
func (r Role) atMost(highest Role) Role {
	if r.Includes(highest) {
		return highest
	}
	return r
}

// Everywhere is the name that stands for every federation in Grants.
const Everywhere = "*"

// Grants are roles by federation; Everywhere holds in every one.
type Grants map[string]Role

// In returns the role in a federation: the higher of the one for it and the one
// for every federation; "" is none.
func (g Grants) In(federation string) Role {
	here, all := g[federation], g[Everywhere]
	if federation == "" || all.Includes(here) {
		return all
	}
	if here.Includes(Viewer) {
		return here
	}
	return all
}

// Limited returns the grants cut down to a list of federations (none: all) and a
// highest role.
func (g Grants) Limited(federations []string, highest Role) Grants {
	out := Grants{}
	if len(federations) == 0 {
		for f, r := range g {
			out[f] = r.atMost(highest)
		}
		return out
	}
	for _, f := range federations {
		if r := g.In(f); r != "" {
			out[f] = r.atMost(highest)
		}
	}
	return out
}

// String lists the grants: "admin in all federations, viewer in workforce".
func (g Grants) String() string {
	var out []string
	for f, r := range g {
		if f == Everywhere {
			out = append(out, string(r)+" in all federations")
		} else {
			out = append(out, string(r)+" in "+f)
		}
	}
	slices.Sort(out)
	if len(out) == 0 {
		return "no role anywhere"
	}
	return strings.Join(out, ", ")
}

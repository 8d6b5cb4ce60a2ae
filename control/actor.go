package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/people"
)

// Actor is who asks, as the door that let it in has checked. Its zero value may
// do nothing.
type Actor = people.Caller

// federation returns the federation that a request names and its loop, if the
// actor has the role there. A federation that the actor may not see is unknown
// (spec 13.5).
func (c *Control) federation(actor Actor, need people.Role, name string) (federation.Federation, Loop, error) {
	f, err := Pick(c.visible(actor), name)
	if err != nil {
		return f, nil, err
	}
	return f, c.Loops[f.Name], mayIn(actor, need, f.Name)
}

// visible returns the federations that the actor may know of.
func (c *Control) visible(actor Actor) []federation.Federation {
	var out []federation.Federation
	for _, f := range c.Federations {
		if actor.Sees(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// within returns the federation that a request names, or all that the actor may
// see.
func (c *Control) within(actor Actor, name string) ([]federation.Federation, error) {
	if name == "" {
		return c.visible(actor), nil
	}
	f, _, err := c.federation(actor, people.Viewer, name)
	return []federation.Federation{f}, err
}

// mayWrite refuses an actor who is no operator of a federation, "" for of all,
// and every actor while this controller does not lead.
func (c *Control) mayWrite(actor Actor, federation string) error {
	if err := mayIn(actor, people.Operator, federation); err != nil {
		return err
	}
	return c.mayAct()
}

// mayIn refuses an actor who lacks a role in a federation, "" for in all.
func mayIn(actor Actor, need people.Role, federation string) error {
	if actor.May(need, federation) {
		return nil
	}
	where := "federation " + federation
	if federation == "" {
		where = "every federation"
	}
	return fail(Forbidden, "%s has %s; this needs the role %s in %s; next: ask somebody who has it, or have the role added under people in the config", actor, actor.Grants, need, where)
}

// Recorder is the audit record: an error means that nothing may be changed.
type Recorder interface {
	Record(ctx context.Context, actor, action, subject string, detail any) error
}

// Kind sorts failures by who has to do something about them.
type Kind string

// The kinds of failure.
const (
	Invalid   Kind = "invalid"   // the request is wrong
	NotFound  Kind = "not-found" // it names something that does not exist
	Forbidden Kind = "forbidden" // the caller lacks the role
	Held      Kind = "held"      // a rule holds it
	Failed    Kind = "failed"    // it was tried and failed
)

// Failure is an error for the person who asked: what kind, in which words, with
// the finding behind it where there is one.
type Failure struct {
	Kind    Kind             `json:"kind"`
	Message string           `json:"message"`
	Rule    string           `json:"rule,omitempty"`
	Finding *finding.Finding `json:"finding,omitempty"`
}

func (f *Failure) Error() string { return f.Message }

func fail(kind Kind, format string, args ...any) *Failure {
	return &Failure{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Pick returns the federation that a request names; the name may be left out
// while there is exactly one.
func Pick(all []federation.Federation, name string) (federation.Federation, error) {
	var names []string
	for _, f := range all {
		if f.Name == name || name == "" && len(all) == 1 {
			return f, nil
		}
		names = append(names, f.Name)
	}
	if name == "" && len(all) > 0 {
		return federation.Federation{}, fail(Invalid, "the config has %d federations; name one with --federation: %s", len(all), strings.Join(names, ", "))
	}
	return federation.Federation{}, UnknownFederation(name, names)
}

// UnknownFederation is the refusal of a name that is none of those that the caller
// may see; every door refuses in these words.
func UnknownFederation(name string, seen []string) *Failure {
	if len(seen) == 0 {
		return fail(NotFound, "no federation is known here under your name; next: have a role in one added under people in the config")
	}
	return fail(NotFound, "no federation is called %q; the config has: %s", name, strings.Join(seen, ", "))
}

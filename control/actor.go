package control

import (
	"context"
	"fmt"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
)

// Actor is who asks. Name is the OS user for now ("ada", or "uid 1000" where
// the system knows no name).
type Actor struct {
	Name string `json:"name"`
	Via  string `json:"via"` // "socket", "cli"
}

// String names the actor in records: "ada via socket".
func (a Actor) String() string {
	if a.Name == "" {
		return "unknown via " + a.Via
	}
	return a.Name + " via " + a.Via
}

// Recorder is the audit record: an error means that nothing may be changed.
type Recorder interface {
	Record(ctx context.Context, actor, action, subject string, detail any) error
}

// Kind sorts failures by who has to do something about them.
type Kind string

// The kinds of failure.
const (
	Invalid  Kind = "invalid"   // the request is wrong
	NotFound Kind = "not-found" // it names something that does not exist
	Held     Kind = "held"      // a rule holds it
	Failed   Kind = "failed"    // it was tried and failed
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
	names := ""
	for i, f := range all {
		if f.Name == name || name == "" && len(all) == 1 {
			return f, nil
		}
		if i > 0 {
			names += ", "
		}
		names += f.Name
	}
	if name == "" {
		return federation.Federation{}, fail(Invalid, "the config has %d federations; name one with --federation: %s", len(all), names)
	}
	return federation.Federation{}, fail(NotFound, "no federation is called %q; the config has: %s", name, names)
}

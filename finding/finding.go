// Package finding is for the one form of every reason in the project: what is
// the matter with which object, why, and what to do next. A finding is a value;
// it is shown by the CLI, the API, the audit log and the docs with the same
// words.
//
// It must never import another package of this project, decide anything, or
// carry a secret.
package finding

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Code names a kind of finding, in lower case with dashes. The register in
// codes.go lists all of them; docs/findings.md is generated from it.
type Code string

// Severity says who has to care, and when.
type Severity string

// The severities. Page means: logged as an error, shown as a finding, recorded
// in the audit log, and told to the sinks of notifications that ask for pages.
const (
	Page Severity = "page" // a person must look now
	Warn Severity = "warn" // a person should look in working hours
	Info Severity = "info" // good to know
)

// Finding is one reason. What says what is the matter in one sentence, Why
// gives the cause, Remedy the next step to take. Subject names the object
// ("app aws-prod", "role arn:...", "us-west-2"). Evidence holds the observed
// facts by name.
type Finding struct {
	Code     Code              `json:"code"`
	Subject  string            `json:"subject,omitempty"`
	What     string            `json:"what"`
	Why      string            `json:"why,omitempty"`
	Remedy   string            `json:"remedy,omitempty"`
	Evidence map[string]string `json:"evidence,omitempty"`
}

// Severity returns the severity registered for the code; Warn for unknown ones.
func (f Finding) Severity() Severity {
	if i, ok := register[f.Code]; ok {
		return i.Severity
	}
	return Warn
}

// Error makes a finding usable as an error: one line with code, subject, what,
// why and the next step.
func (f Finding) Error() string {
	var b strings.Builder
	if f.Subject != "" {
		b.WriteString(f.Subject + ": ")
	}
	b.WriteString(f.What)
	if f.Why != "" {
		b.WriteString(": " + f.Why)
	}
	fmt.Fprintf(&b, " [%s]", f.Code)
	if f.Remedy != "" {
		b.WriteString("; next: " + f.Remedy)
	}
	return b.String()
}

// EvidenceLines returns the evidence as "name: value" lines, sorted by name.
func (f Finding) EvidenceLines() []string {
	out := make([]string, 0, len(f.Evidence))
	for k, v := range f.Evidence {
		out = append(out, k+": "+v)
	}
	sort.Strings(out)
	return out
}

// From returns the first finding in the chain of err.
func From(err error) (Finding, bool) {
	var f Finding
	ok := errors.As(err, &f)
	return f, ok
}

// Is reports whether the chain of err holds a finding with this code.
func Is(err error, code Code) bool {
	f, ok := From(err)
	return ok && f.Code == code
}

package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
)

// shown bounds how many problems one error prints; a file with more is beyond
// repair by reading on.
const shown = 50

// Pos is a place in the config file; line and column count from 1. The zero
// value is "no place in particular".
type Pos struct{ Line, Column int }

// Problem is one mistake (or, in Warnings, one doubt): where, at which key,
// what is wrong and the next step. It never holds the text of a secret.
type Problem struct {
	File    string
	Pos     Pos
	Path    string // such as federations[0].regions[1]; "" = the whole file
	Message string
	Remedy  string
	Code    finding.Code
}

// String returns "file:line:column: path: message; remedy".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Pos.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Pos.Line, p.Pos.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Finding returns the problem in the form that CLI, API and audit share.
func (p Problem) Finding() finding.Finding {
	at := filepath.Base(p.File)
	if p.Pos.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", at, p.Pos.Line, p.Pos.Column)
	}
	f := finding.Finding{Code: p.Code, Subject: "config " + at, What: p.Message, Remedy: p.Remedy}
	if p.Path != "" {
		f.Evidence = map[string]string{"key": p.Path}
	}
	return f
}

// Error is everything that is wrong with a config, in the order of the file.
// finding.From gives the first problem.
type Error struct{ Problems []Problem }

// Error returns one line per problem.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for i, p := range e.Problems {
		if i == shown {
			lines = append(lines, fmt.Sprintf("and %d more problems", len(e.Problems)-shown))
			break
		}
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each problem as a finding.
func (e *Error) Unwrap() []error {
	out := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		out[i] = p.Finding()
	}
	return out
}

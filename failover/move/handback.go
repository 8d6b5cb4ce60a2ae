package move

import (
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
)

// HandBack returns what a person sets to take a finished move back, field by
// field, where undo cannot do it: each value that the move wrote, or may have
// written, and what stood there before. None for a move that wrote nothing, or
// is itself an undo.
func (r Record) HandBack(adminURL func(federation.AppRef) string) []failover.HandStep {
	back, err := UndoOf(r, failover.Request{})
	if err != nil {
		return nil // there is nothing to take back
	}
	var out []failover.HandStep
	for _, s := range back.Steps {
		for _, c := range inverse(s.Undo) {
			out = append(out, failover.HandStep{App: s.App, AdminURL: adminURL(s.App), Field: string(c.Pointer), Current: plain(c.Before), Target: plain(c.After)})
		}
	}
	return out
}

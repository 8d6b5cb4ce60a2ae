package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/audit"
)

// spec 9.5: killed at any moment, every note that was acknowledged is there for
// the next leader, who leads at once; and the audit record is one chain with
// every record that was acknowledged.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := private(t)
	for round := range 4 {
		var p *process
		if round == 0 {
			p = start(t, "journal", dir)
		} else {
			dir = private(t)
			p = start(t, "journal", dir)
		}
		acknowledged := p.lines(fmt.Sprintf("recorded okta/%d", 7*round+1))
		must(t, p.cmd.Process.Kill())
		acknowledged = append(acknowledged, p.lines("")...)
		_ = p.cmd.Wait()

		s := open(t, single(t, dir))
		term := lead(t, s)
		open, err := term.Journal().Open(t.Context())
		must(t, err)
		if len(open) != 1 || open[0].ID != "m1" || len(open[0].Steps) != 3 {
			t.Fatalf("round %d: open are %v", round, open)
		}
		var noted, recorded []string
		for _, n := range open[0].Notes {
			noted = append(noted, n.App)
		}
		must(t, term.reads.Audit(t.Context(), 1, 0, func(r audit.Record) error {
			recorded = append(recorded, r.Subject)
			return nil
		}))
		count := 0
		for _, line := range acknowledged {
			what, app, _ := strings.Cut(line, " ")
			switch {
			case what == "error:":
				t.Errorf("round %d: %s", round, line)
			case what == "noted" && !slices.Contains(noted, app):
				t.Errorf("round %d: the note of %s was acknowledged and is lost", round, app)
			case what == "recorded" && !slices.Contains(recorded, app):
				t.Errorf("round %d: the audit record of %s was acknowledged and is lost", round, app)
			}
			count++
		}
		if count < 4 || len(noted)-len(recorded) > 1 {
			t.Errorf("round %d: %d lines, %d notes, %d records", round, count, len(noted), len(recorded))
		}
		must(t, term.Journal().Finish(t.Context(), "m1", ended(open[0])))
	}
}

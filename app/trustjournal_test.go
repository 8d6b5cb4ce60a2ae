package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// spec 5.4: what a run that was cut off leaves behind says what was done and what
// was under way. A torn last line stood for nothing; any other damage is refused.
func TestTrustJournal(t *testing.T) {
	t.Parallel()
	fill := func(j trustJournal) error {
		for _, l := range []trustLine{
			{Plan: &fleet.TrustPlan{Federation: "corp"}, Ticket: "CHG-1"},
			{Write: &fleet.Write{Role: "a", After: "x"}}, {Outcome: &fleet.Outcome{Role: "a", State: fleet.Failed}},
			{Write: &fleet.Write{Role: "a", After: "y"}}, // tried again: what became of it is not known
			{Outcome: &fleet.Outcome{Role: "b", State: fleet.Already}},
		} {
			if err := j.append(l); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range []struct {
		why    string
		change func(string) string
		err    string
	}{
		{"whole", func(s string) string { return s }, ""},
		{"torn", func(s string) string { return s + `{"write":{"Role":"c` }, ""},
		{"damaged in the middle", func(s string) string { return strings.Replace(s, `"write"`, `"wri`, 1) }, "line 2"},
		{"cut off in its first line", func(s string) string { return s[:20] }, "no plan"},
	} {
		j := trustJournal{filepath.Join(t.TempDir(), trustJournalName)}
		if err := fill(j); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(j.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(j.path, []byte(c.change(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := j.load()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.why, err)
			}
			continue
		}
		a, b := got.roles["a"], got.roles["b"]
		if err != nil || got.plan.Federation != "corp" || got.ticket != "CHG-1" || len(got.roles) != 2 || a.Outcome != nil || a.Write.After != "y" || b.Outcome.State != fleet.Already {
			t.Errorf("%s: %v %+v", c.why, err, got)
		}
		if err := j.Done(fleet.Outcome{Role: "c"}); err != nil {
			t.Fatal(err)
		}
		if again, err := j.load(); err != nil || len(again.roles) != 3 {
			t.Errorf("%s: it does not go on: %v", c.why, err)
		}
	}
}

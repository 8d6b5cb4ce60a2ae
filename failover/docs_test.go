package failover

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/rules.md")

// rulesPage is docs/rules.md.
func rulesPage() []byte {
	var b bytes.Buffer
	b.WriteString(`# The rules of a decision

Generated from ` + "`failover/rules.go`" + `. The rules are asked in this order, and the first that does not pass decides. A rule can only
take options away: it never chooses a Region or an app. "Binds a request" says whether the rule also holds what an operator
asks for; the operator may put it aside by name (` + "`--override RULE`" + `), and that is recorded.

| rule | what it protects | for example | binds a request |
| --- | --- | --- | --- |
`)
	for _, r := range Standard() {
		binds := "no"
		if r.BindsRequest {
			binds = "yes"
		}
		if r.Name == StoreIntegrity {
			binds = "yes, and nobody can put it aside"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, r.Doc, r.Example, binds)
	}
	fmt.Fprintf(&b, `
Nobody can put these aside: `+"`%s`"+` (the request itself cannot be carried out), `+"`%s`"+` (the Region is not one of the
federation's), `+"`%s`"+` (one move at a time), `+"`%s`"+` (no app would change), `+"`%s`"+` (nobody knows which moves are open),
`+"`%s`"+` (the last try to start a move failed, such as for want of an audit record), `+"`%s`"+` (another controller leads, or none does), and the
rule `+"`%s`"+`.
`, BadRequest, AllowedRegions, MoveOpen, NothingToMove, JournalUnread, CannotStart, NotLeader, StoreIntegrity)
	return b.Bytes()
}

// spec 8.1: every rule has a doc and an example, on a page that cannot drift.
func TestRulesPage(t *testing.T) {
	t.Parallel()
	for _, r := range Standard() {
		if r.Doc == "" || r.Example == "" {
			t.Errorf("rule %s lacks a doc or an example", r.Name)
		}
	}
	const path = "../docs/rules.md"
	want := rulesPage()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("docs/rules.md is out of date (%v); run: go test ./failover -update", err)
	}
}

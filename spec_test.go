package samlfailover_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rule is one rule of docs/spec.md.
type rule struct {
	number string
	notYet bool
}

var (
	ruleLine = regexp.MustCompile(`(?m)^- \*\*([0-9]+(?:\.[0-9]+)?)\*\* (\(not yet\))?`)
	mention  = regexp.MustCompile(`\bspec ([0-9]+(?:\.[0-9]+)?(?:(?:, | and )[0-9]+\.[0-9]+)*)`)
	number   = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)?`)
	comment  = regexp.MustCompile(`(?m)//.*$`)
)

// rulesIn returns the rules of a spec text in their order.
func rulesIn(spec string) []rule {
	var out []rule
	for _, m := range ruleLine.FindAllStringSubmatch(spec, -1) {
		out = append(out, rule{m[1], m[2] != ""})
	}
	return out
}

// mentionsIn returns the rule numbers that the comments of a test file name.
func mentionsIn(text string) []string {
	var out []string
	for _, c := range comment.FindAllString(text, -1) {
		for _, m := range mention.FindAllStringSubmatch(c, -1) {
			out = append(out, number.FindAllString(m[1], -1)...)
		}
	}
	return out
}

// uncovered compares the rules with the tests (file name to text) and returns
// a sentence per rule without a test, and per test of a rule that is not there.
func uncovered(spec string, tests map[string]string) []string {
	rules := rulesIn(spec)
	var out []string
	named := map[string]bool{}
	for file, text := range tests {
		for _, n := range mentionsIn(text) {
			named[n] = true
			if !slices.ContainsFunc(rules, func(r rule) bool { return r.number == n }) {
				out = append(out, fmt.Sprintf("%s names spec %s, and docs/spec.md has no such rule", file, n))
			}
		}
	}
	seen := map[string]bool{}
	for _, r := range rules {
		if seen[r.number] {
			out = append(out, fmt.Sprintf("docs/spec.md has rule %s twice", r.number))
		}
		seen[r.number] = true
		if !r.notYet && !named[r.number] {
			out = append(out, fmt.Sprintf("no test names spec %s: write one with the comment \"// spec %s\", or mark the rule (not yet)", r.number, r.number))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// testFiles returns the text of every test file below dir and of every file of
// the suites, where tests live too.
func testFiles(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		suite := strings.HasSuffix(filepath.Dir(file), "test") && strings.HasSuffix(file, ".go")
		if !suite && !strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "spec_test.go" {
			return nil
		}
		text, err := os.ReadFile(file)
		out[filepath.ToSlash(file)] = string(text)
		return err
	})
	return out, err
}

func TestEveryRuleOfTheSpecHasATest(t *testing.T) {
	t.Parallel()
	spec, err := os.ReadFile(filepath.Join("docs", "spec.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rulesIn(string(spec))); n < 60 {
		t.Fatalf("found %d rules in docs/spec.md: the search is broken", n)
	}
	tests, err := testFiles(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range uncovered(string(spec), tests) {
		t.Error(v)
	}
}

// Saboteurs: each pair of texts has one fault, which must be found.
func TestSpecCoverageCatchesSaboteurs(t *testing.T) {
	t.Parallel()
	const spec = "- **1.1** Due.\n- **1.2** (not yet) Later.\n- **3** Whole chapter.\n"
	const good = "// spec 1.1\nfunc A() {}\n\t// covers spec 3: levels\n"
	for _, c := range []struct{ why, spec, test, want string }{
		{"all is well", spec, good, ""},
		{"several in one comment", spec, "// spec 1.1 and 1.2\n// spec 3\n", ""},
		{"a list names what it names", spec, "// spec 1.1, 1.7\n// spec 3\n", "names spec 1.7"},
		{"a rule without a test", spec, "// spec 3\n", "no test names spec 1.1"},
		{"a chapter without a test", spec, "// spec 1.1\n", "no test names spec 3"},
		{"a test of another number does not count for its prefix", spec, "// spec 1.11\n// spec 3\n", "no test names spec 1.1"},
		{"a test of no rule", spec, good + "// spec 9.9\n", "names spec 9.9, and docs/spec.md has no such rule"},
		{"a mark that came off", strings.Replace(spec, "(not yet) ", "", 1), good, "no test names spec 1.2"},
		{"a rule twice", spec + "- **1.1** Again.\n", good, "has rule 1.1 twice"},
		{"words in a string are no test", spec, "// spec 3\nvar x = \"spec 1.1\"\n", "no test names spec 1.1"},
		{"a mark in the middle of the text marks nothing", strings.Replace(spec, "Due.", "Due (not yet).", 1), "// spec 3\n", "no test names spec 1.1"},
	} {
		got := strings.Join(uncovered(c.spec, map[string]string{"a_test.go": c.test}), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.why, got, c.want)
		}
	}
}

package demo

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wantREADME: the excerpt in the README is what this program says: each of its
// paragraphs occurs in a run, with other numbers. Which probe fails first, and
// in which order apps that move together are done, differs from run to run.
func wantREADME(t *testing.T, story string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "<!-- demo:start -->")
	excerpt, _, closed := strings.Cut(rest, "<!-- demo:end -->")
	_, excerpt, fenced := strings.Cut(excerpt, "```text\n")
	excerpt, _, ended := strings.Cut(excerpt, "```")
	if !ok || !closed || !fenced || !ended {
		t.Fatal("the README has no excerpt between its marks")
	}
	for _, missing := range lacks(paragraphs(story), paragraphs(excerpt)) {
		t.Errorf("the README shows what the demo does not say (capture it again: samlfailover demo):\n%s", missing)
	}
	if n := len(paragraphs(excerpt)); n < 30 {
		t.Errorf("the README's excerpt has %d paragraphs only", n)
	}
}

// Saboteurs: excerpts that this program does not say.
func TestParagraphs(t *testing.T) {
	t.Parallel()
	said := paragraphs("OUTAGE\n  1.0s  AWS Partners proved: P4 login\n  1.1s  5 apps go home,\n          or not\n  2.0s  x is suspect: sts\n")
	for excerpt, want := range map[string]int{
		"OUTAGE\n 99.9s  AWS Partners proved: P4 login\n": 0, " 3.0s  77 apps go home,\n          or not\n": 0, " 3.0s  x is suspect: console\n": 0, "          ...\n": 0,
		"  1.0s  AWS Partners proved: P1 login\n": 1, "  1.0s  AWS Partner proved: P4 login\n": 1, "  1.1s  5 apps go home,\n": 1, "PEACE\n": 1, "  2.0s  y is suspect: sts\n": 1,
	} {
		if got := len(lacks(said, paragraphs(excerpt))); got != want {
			t.Errorf("%q: %d paragraphs are missing, want %d", excerpt, got, want)
		}
	}
}

var (
	timed  = regexp.MustCompile(`^ *[0-9]+\.[0-9]s  `)
	digits = regexp.MustCompile(`\b[0-9]+\b`)
)

// How wrapped lines and items of a list begin.
const (
	continued = "          "
	item      = continued + "  "
)

// paragraphs are what was said, without times and with # for every number; of a
// verdict only whom it is about.
func paragraphs(text string) []string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimRight(l, " ")
		switch {
		case l == "" || strings.TrimSpace(l) == "...":
		case timed.MatchString(l) || !strings.HasPrefix(l, continued) || strings.HasPrefix(l, item) || len(out) == 0:
			out = append(out, timed.ReplaceAllString(l, ""))
		default:
			out[len(out)-1] += " " + strings.TrimSpace(l)
		}
	}
	for i, p := range out {
		p = digits.ReplaceAllString(p, "#")
		for _, verdict := range []string{" is suspect", " is unhealthy"} {
			if before, _, ok := strings.Cut(p, verdict); ok {
				p = before + verdict
			}
		}
		out[i] = strings.Join(strings.Fields(p), " ")
	}
	return out
}

// lacks returns the paragraphs that were not said.
func lacks(said, wanted []string) []string {
	have := map[string]bool{}
	for _, p := range said {
		have[p] = true
	}
	var out []string
	for _, p := range wanted {
		if !have[p] {
			out = append(out, p)
		}
	}
	return out
}

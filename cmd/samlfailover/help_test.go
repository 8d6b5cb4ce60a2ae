package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/cli.md and the expected texts in scripts")

// everyCommand calls visit for the root and every command below it, in the
// order of the help.
func everyCommand(visit func(*cobra.Command)) {
	p := &program{}
	root := newRoot(p)
	visit(root)
	for _, g := range commandGroups(p) {
		for _, c := range g.commands {
			found, _, err := root.Find([]string{c.Name()})
			if err != nil {
				panic(err) // a group names a command that the root lacks
			}
			visit(found)
			for _, below := range found.Commands() {
				visit(below)
			}
		}
	}
}

// words returns the arguments that name a command.
func words(c *cobra.Command) []string { return strings.Fields(c.CommandPath())[1:] }

// widest is what a terminal of usual width shows without breaking lines; flag
// and command lists are laid out by cobra and may be a bit wider.
const widest = 108

// flaws are what is wrong with a help text as a newcomer sees it.
func flaws(c *cobra.Command, help string) []string {
	var out []string
	complain := func(format string, args ...any) { out = append(out, c.CommandPath()+": "+fmt.Sprintf(format, args...)) }
	if c.Long == "" && !c.HasSubCommands() {
		complain("only a headline, no text")
	}
	if c.Short == "" || strings.HasSuffix(c.Short, ".") || utf8.RuneCountInString(c.Short) > 90 {
		complain("the headline %q is empty, too long, or ends with a full stop", c.Short)
	}
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Usage == "" || !strings.Contains(help, "--"+f.Name) {
			complain("--%s is not documented", f.Name)
		}
		if name, _ := pflag.UnquoteUsage(f); name == "string" || name == "duration" || name == "int" {
			complain("--%s takes a %s: name it by what it means", f.Name, name)
		}
	})
	for _, below := range c.Commands() {
		if !below.Hidden && !strings.Contains(help, "\n  "+below.Name()+" ") {
			complain("does not show %s", below.Name())
		}
	}
	for _, l := range strings.Split(help, "\n") {
		if utf8.RuneCountInString(l) > widest {
			complain("a line of %d characters: %s", utf8.RuneCountInString(l), l)
		}
	}
	return out
}

// Every command explains itself, and refuses words it does not know.
func TestEveryCommandHelps(t *testing.T) {
	t.Parallel()
	n := 0
	everyCommand(func(c *cobra.Command) {
		n++
		r := cli(t, nil, append(words(c), "--help")...)
		if r.code != exitDone || r.err != "" || !strings.Contains(r.out, "Usage:\n  "+c.CommandPath()) {
			t.Errorf("%s --help: exit code %d\n%s%s", c.CommandPath(), r.code, r.out, r.err)
		}
		for _, f := range flaws(c, r.out) {
			t.Error(f)
		}
		if same := cli(t, nil, append([]string{"help"}, words(c)...)...); same.code != exitDone || same.out != r.out {
			t.Errorf("help %s says something else than --help: %s%s", c.CommandPath(), same.out, same.err)
		}
		r = cli(t, nil, append(words(c), "--no-such-flag")...)
		if want := "samlfailover: unknown flag: --no-such-flag; see: " + c.CommandPath() + " --help\n"; r.code != exitUsage || r.out != "" || r.err != want {
			t.Errorf("%s with an unknown flag: exit code %d, %s%s", c.CommandPath(), r.code, r.out, r.err)
		}
		r = cli(t, nil, append(words(c), "--output", "xml")...)
		if r.code != exitUsage || r.out != "" || r.err == "" {
			t.Errorf("%s --output xml: exit code %d, %s%s", c.CommandPath(), r.code, r.out, r.err)
		}
		r = cli(t, nil, append(words(c), "one", "two", "three")...)
		if r.code != exitUsage || r.out != "" || !strings.Contains(r.err, c.CommandPath()+" --help") {
			t.Errorf("%s with three words too many: exit code %d, %s%s", c.CommandPath(), r.code, r.out, r.err)
		}
	})
	if n < 20 {
		t.Errorf("only %d commands found: the search is broken", n)
	}
}

// Saboteurs: help texts with one flaw each.
func TestFlawsAreFound(t *testing.T) {
	t.Parallel()
	build := func(change func(*cobra.Command)) []string {
		c := &cobra.Command{Use: "saboteur", Short: "Do it", Long: "saboteur does it.", Run: func(*cobra.Command, []string) {}}
		c.Flags().String("to", "", "`REGION` to move to")
		change(c)
		var out bytes.Buffer
		c.SetOut(&out)
		_ = c.Help()
		return flaws(c, out.String())
	}
	for _, c := range []struct {
		why    string
		change func(*cobra.Command)
		want   string
	}{
		{"nothing is wrong", func(*cobra.Command) {}, ""},
		{"no text", func(c *cobra.Command) { c.Long = "" }, "only a headline"},
		{"a full stop", func(c *cobra.Command) { c.Short = "Do it." }, "ends with a full stop"},
		{"a flag without words", func(c *cobra.Command) { c.Flags().Bool("mute", false, "") }, "--mute is not documented"},
		{"a flag that help hides", func(c *cobra.Command) { c.Flags().Bool("x", false, "x"); c.Flags().Lookup("x").Hidden = true }, "--x is not documented"},
		{"a value without a meaning", func(c *cobra.Command) { c.Flags().String("why", "", "the reason") }, "--why takes a string"},
		{"a long line", func(c *cobra.Command) { c.Long = strings.Repeat("x", widest+1) }, "a line of"},
	} {
		got := strings.Join(build(c.change), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.why, got, c.want)
		}
	}
}

// reference renders docs/cli.md from the commands themselves.
func reference() string {
	var b strings.Builder
	b.WriteString("# Commands\n\nGenerated from the commands themselves (`go test ./cmd/samlfailover -update`); `samlfailover COMMAND --help` shows the same.\n\n" +
		"| exit code | meaning |\n| --- | --- |\n| 0 | done |\n| 1 | failed |\n| 2 | changes are pending |\n| 3 | a rule holds it |\n| 64 | the command line is wrong |\n\n")
	p := &program{}
	root := newRoot(p)
	b.WriteString("Flags of every command:\n\n```text\n" + trimmed(root.PersistentFlags().FlagUsages()) + "```\n")
	for _, g := range commandGroups(p) {
		b.WriteString("\n" + g.title + ":\n\n")
		for _, c := range g.commands {
			fmt.Fprintf(&b, "- [%s](#samlfailover-%s): %s\n", c.Name(), c.Name(), c.Short)
			for _, below := range c.Commands() {
				fmt.Fprintf(&b, "  - [%s %s](#samlfailover-%s-%s): %s\n", c.Name(), below.Name(), c.Name(), below.Name(), below.Short)
			}
		}
	}
	everyCommand(func(c *cobra.Command) {
		if !c.HasParent() {
			return
		}
		c.InitDefaultHelpFlag()
		flags := trimmed(c.NonInheritedFlags().FlagUsages())
		level := strings.Repeat("#", len(words(c))+1)
		fmt.Fprintf(&b, "\n%s %s\n\n%s.\n\n```text\n", level, c.CommandPath(), c.Short)
		if c.Long != "" {
			b.WriteString(strings.TrimSpace(c.Long) + "\n\n")
		}
		fmt.Fprintf(&b, "Usage: %s\n\n%s```\n", c.UseLine(), flags)
	})
	return b.String()
}

// trimmed takes the spaces off the ends of lines.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

// docs/cli.md is generated: go test ./cmd/samlfailover -update.
func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "cli.md")
	want := reference()
	everyCommand(func(c *cobra.Command) {
		if c.HasParent() && !strings.Contains(want, "# "+c.CommandPath()+"\n") {
			t.Errorf("the reference lacks %s", c.CommandPath())
		}
	})
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // documentation, for everybody
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/cli.md is out of date (%v); run: go test ./cmd/samlfailover -update", err)
	}
}

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// misfit says why a line is no command line of this program's, "" if it is one.
// path is the command that shows it.
func misfit(path, line string) string {
	var args []string
	for i, part := range strings.Split(line, `"`) { // every second part stood in quotes
		if i%2 == 1 {
			args = append(args, part)
			continue
		}
		args = append(args, strings.Fields(part)...)
	}
	if len(args) == 0 || args[0] != "samlfailover" {
		return "it does not begin with samlfailover"
	}
	c, rest, err := newRoot(&program{}).Find(args[1:])
	if err != nil {
		return err.Error()
	}
	if c.CommandPath() != path {
		return "it is of " + c.CommandPath()
	}
	if err := c.ParseFlags(rest); err != nil {
		return err.Error()
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		return err.Error()
	}
	for _, name := range []string{"to", "reason"} { // what a usage line shows outside of brackets
		if strings.Contains(c.Use, "--"+name+" ") && !c.Flags().Changed(name) {
			return fmt.Sprintf("it lacks --%s", name)
		}
	}
	return ""
}

// Every example is shown by its command, and is one that the program takes.
func TestExamples(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	everyCommand(func(c *cobra.Command) {
		shown[c.CommandPath()] = strings.Contains(c.Long, "\nExamples:\n  samlfailover ")
	})
	for path, lines := range examples() {
		if !shown[path] {
			t.Errorf("%s does not show its examples, or is no command", path)
		}
		for line := range strings.SplitSeq(lines, "\n") {
			if why := misfit(path, line); why != "" {
				t.Errorf("%s: %q: %s", path, line, why)
			}
		}
	}
}

// Saboteurs: examples that the program would refuse, or that stand elsewhere.
func TestMisfitsAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ why, path, line, want string }{
		{"sound", "samlfailover move", `samlfailover move --to us-west-2 --reason "it is down"`, ""},
		{"another program's", "samlfailover move", "kubectl move", "does not begin"},
		{"no such command", "samlfailover move", "samlfailover mvoe --to us-west-2", `it is of samlfailover`},
		{"another command's", "samlfailover move", "samlfailover plan --to us-west-2", "it is of samlfailover plan"},
		{"no such flag", "samlfailover move", "samlfailover move --too us-west-2", "unknown flag"},
		{"a word too many", "samlfailover move", "samlfailover move us-west-2", "takes flags only"},
		{"a word is missing", "samlfailover approve", "samlfailover approve", "needs the ID"},
		{"no reason", "samlfailover move", "samlfailover move --to us-west-2", "lacks --reason"},
	} {
		if got := misfit(c.path, c.line); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

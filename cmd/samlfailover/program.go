package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/samlfailover/samlfailover/escape"
)

// The exit codes, the same for every command.
const (
	exitDone    = 0
	exitFailed  = 1
	exitPending = 2  // changes are pending
	exitHeld    = 3  // a rule holds the action
	exitUsage   = 64 // the command line is wrong
)

// coded is an error that ends the program with an exit code. A silent one has
// been told to the person already.
type coded struct {
	code   int
	err    error
	silent bool
}

func (c coded) Error() string {
	if c.err == nil {
		return fmt.Sprintf("exit code %d", c.code)
	}
	return c.err.Error()
}

func (c coded) Unwrap() error { return c.err }

func usagef(format string, args ...any) error {
	return coded{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// quietly ends with a code after the command has printed everything itself.
func quietly(code int) error {
	if code == exitDone {
		return nil
	}
	return coded{code: code, silent: true}
}

// program is one run of the command line: arguments, environment and streams,
// so that tests run it like the shell does.
type program struct {
	Args []string
	Env  map[string]string
	In   io.Reader
	Out  io.Writer
	Err  io.Writer

	output  string // --output: text or json
	verbose bool
}

// run parses and executes; it returns the exit code.
func run(ctx context.Context, p *program) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var c coded
	if !errors.As(err, &c) {
		c = coded{code: exitFailed, err: err}
		if isUsage(err) {
			c.code = exitUsage
		}
	}
	if !c.silent {
		fmt.Fprintln(p.Err, "samlfailover: "+multiline(c.err))
	}
	return c.code
}

// multiline shows an error that consists of several lines as lines, each safe.
func multiline(err error) string {
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	for i, l := range lines {
		lines[i] = escape.Terminal(l)
	}
	return strings.Join(lines, "\n")
}

// isUsage recognises cobra's own complaints, which have no type.
func isUsage(err error) bool {
	for _, s := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "accepts ", "requires at least", "required flag"} {
		if strings.HasPrefix(err.Error(), s) {
			return true
		}
	}
	return false
}

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "samlfailover",
		Short: "Move SAML sign-in to AWS out of a broken Region",
		Long: `samlfailover keeps people able to sign in to AWS when the Region that serves
their SAML sign-in endpoint breaks. It probes the Regional endpoints, keeps role
trust policies ready for the standby Regions, and moves the IdP's AWS apps.

Start with:  samlfailover demo     the whole story on this machine, no accounts needed
             samlfailover probe    are AWS's real sign-in endpoints healthy, seen from here?

Exit codes: 0 done, 1 failed, 2 changes pending, 3 held by a rule, 64 usage.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; run: samlfailover --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if p.output != "text" && p.output != "json" {
				return usagef("--output %q: have text and json", p.output)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVar(&p.output, "output", "text", "`FORMAT` of the answer: text or json")
	root.PersistentFlags().BoolVar(&p.verbose, "verbose", false, "log what happens in detail (on standard error)")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(commands(p)...)
	return root
}

func (p *program) json() bool { return p.output == "json" }

// printJSON writes one JSON value on a line of its own.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(p.Out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// line prints a line of text. Outside text in it must be escaped already.
func (p *program) line(format string, args ...any) { fmt.Fprintf(p.Out, format+"\n", args...) }

// isTerminal reports whether answers go to a person's terminal.
func (p *program) isTerminal() bool {
	f, ok := p.Out.(*os.File)
	return ok && isTTY(f)
}

func isTTY(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// logger writes to standard error, every value escaped; quiet commands show
// warnings and errors only.
func (p *program) logger(level slog.Level) *slog.Logger {
	if p.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(p.Err, &slog.HandlerOptions{Level: level, ReplaceAttr: escape.Attr}))
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
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
	streams bool // the command prints events before its result, with --output json
}

// run parses and executes; it returns the exit code.
func run(ctx context.Context, p *program) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var c coded
	if !errors.As(err, &c) {
		c = coded{code: exitFailed, err: err}
		if isUsage(err) {
			c = coded{code: exitUsage, err: fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())}
		}
	}
	if !c.silent {
		fmt.Fprintln(p.Err, "samlfailover: "+byRule(c.err)+multiline(c.err))
	}
	return c.code
}

// byRule names the rule that has refused something, if one has.
func byRule(err error) string {
	var f *control.Failure
	if errors.As(err, &f) && f.Rule != "" {
		return "refused by rule " + escape.Terminal(f.Rule) + ": "
	}
	return ""
}

// maxProblems bounds how many problems of one config are shown.
const maxProblems = 50

// multiline shows an error: every problem of a config and every one of several
// joined errors on a line of its own. No line comes from outside text.
func multiline(err error) string {
	var lines []string
	switch e := err.(type) { //nolint:errorlint // what is wrapped is one sentence with its wrapping
	case *config.Error:
		for i, p := range e.Problems {
			if i == maxProblems {
				lines = append(lines, fmt.Sprintf("and %d more problems", len(e.Problems)-maxProblems))
				break
			}
			lines = append(lines, escape.Terminal(p.String()))
		}
	case interface{ Unwrap() []error }:
		if joined := errors.Join(e.Unwrap()...); joined == nil || joined.Error() != err.Error() {
			return escape.Terminal(err.Error()) // several causes in one sentence
		}
		for _, one := range e.Unwrap() {
			lines = append(lines, multiline(one))
		}
	default:
		return escape.Terminal(err.Error())
	}
	return strings.Join(lines, "\n")
}

// isUsage recognises cobra's own complaints, which have no type.
func isUsage(err error) bool {
	for _, s := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "required flag"} {
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

Exit codes: 0 done, 1 failed, 2 changes pending, 3 held by a rule, 64 wrong usage.
Every command answers in text for people, or with --output json for programs.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              noArguments,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if p.output != "text" && p.output != "json" {
				return usagef("--output %q: have text and json", p.output)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVar(&p.output, "output", "text", "`FORMAT` of the answer, text or json")
	root.PersistentFlags().BoolVar(&p.verbose, "verbose", false, "log what happens in detail (on standard error)")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(misread)
	root.SetHelpCommand(newHelp())
	for _, g := range commandGroups(p) {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, c := range g.commands {
			c.GroupID = g.title
			root.AddCommand(c)
		}
	}
	exemplify(root)
	return root
}

func (p *program) json() bool { return p.output == "json" }

// printJSON writes one JSON value on a line of its own.
func (p *program) printJSON(v any) error {
	enc := json.NewEncoder(visible{p.Out}) // which writes a value whole, in one call
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return nil
}

// visible passes JSON on as visibleJSON.
type visible struct{ to io.Writer }

// Write implements io.Writer.
func (v visible) Write(text []byte) (int, error) {
	if _, err := v.to.Write(visibleJSON(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// visibleJSON writes the characters that could act on a terminal (direction
// marks, C1 controls, DEL) as JSON escapes: the value stays the same.
func visibleJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, acts) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case !acts(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// acts reports whether a character does something to a terminal other than to
// show itself; the line's end is ours.
func acts(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) }

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

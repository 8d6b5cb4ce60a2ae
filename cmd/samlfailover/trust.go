package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
)

func newTrust(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "trust",
		Short: "Keep role trust policies ready for the standby Regions",
		Long: `trust looks after the trust policies of every federated role: a role lets people
in at a Region only if its policy lists that Region's sign-in endpoint. Do this in
calm times: in an outage of us-east-1, IAM cannot be written.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newTrustScan(p), newTrustPlan(p), newTrustApply(p), newTrustRestore(p), newTrustExplain(p), newTrustEval(p), newTrustWatch(p))
	return c
}

// sparingly makes the process collect garbage at half of what is in use, not at
// the same again: a scan of tens of thousands of roles makes a lot of it, and the
// processor has little else to do while IAM sets the pace.
func sparingly() { debug.SetGCPercent(50) }

// openTrust loads the config and opens one federation's trust policies.
func openTrust(p *program, c configured) (*app.TrustRun, error) {
	sparingly()
	s, err := c.setup(p, slog.LevelWarn)
	if err != nil {
		return nil, err
	}
	run, err := app.OpenTrust(s, c.federation, osUser(), p.trustProgress())
	return run, asUsage(err)
}

// resumeTrust is openTrust for going on with an earlier run.
func resumeTrust(p *program, c configured, id string) (*app.TrustRun, error) {
	sparingly()
	s, err := c.setup(p, slog.LevelWarn)
	if err != nil {
		return nil, err
	}
	run, err := app.ResumeTrust(s, c.federation, id, osUser(), p.trustProgress())
	return run, asUsage(err)
}

// How often long work is told of: a terminal's line is redrawn, a log gets lines
// at most so often and none of what is done before, a program gets events.
const (
	redrawEvery = 100 * time.Millisecond
	lineEvery   = 10 * time.Second
	eventEvery  = time.Second
)

// trustProgress shows long work: as a bar on a terminal, as events between the
// lines of --output json where the command streams, else as a line now and then.
func (p *program) trustProgress() func(control.TrustProgress) {
	f := &follower{pause: lineEvery, show: func(s step) { fmt.Fprintln(p.Err, s.words()) }}
	terminal, ok := p.Err.(*os.File)
	switch {
	case p.json() && p.streams:
		f.pause, f.lastAlone = eventEvery, true
		f.show = func(s step) { _ = p.printJSON(s) } // the result will say that nobody listens
	case p.json():
		return nil
	case ok && isTTY(terminal):
		f.pause = redrawEvery
		f.show = func(s step) {
			fmt.Fprintf(terminal, "\r\x1b[K%s", s.bar(widthOf(terminal)))
			if s.Total > 0 && s.Done >= s.Total {
				fmt.Fprint(terminal, "\r\x1b[K")
			}
		}
	}
	return func(pr control.TrustProgress) { f.take(pr, time.Now()) }
}

// widthOf is how many characters a terminal's line has.
func widthOf(f *os.File) int {
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// streaming says in a command's help what --output json prints.
const streaming = `
With --output json every line is a JSON object: those with "event":"progress" say how far
the work is, how fast it goes (rate, a second) and how many seconds are left; the last
line, which has no "event", is the result.`

func newTrustScan(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "scan",
		Short: "Read every account's roles and say which are ready for which Region",
		Long: `scan reads the trust policy of every role in the federation's accounts and says, per
Region, how many roles would let people in there, and why the others would not. It
changes nothing in AWS; the result is kept for the controller. Exit code 1 when an
account could not be read.

Where the federation takes accounts from AWS Organizations, they are read first; while
Organizations cannot be asked, those of the last read count. While IAM itself does not
answer, as in an outage of us-east-1, it says so within seconds and shows the last scan
with its age.

` + streaming,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			p.streams = true
			run, err := openTrust(p, c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, run.Close()) }()
			snap, err := run.Scan(cmd.Context())
			if err != nil {
				return err
			}
			if p.json() {
				err = p.printJSON(snap)
			} else {
				p.showUnread(snap)
				p.showReadiness(run.Federation, snap, true)
			}
			if err == nil && len(control.Problems(snap)) > 0 {
				return quietly(exitFailed)
			}
			return err
		},
	}
	c.flags(cmd, true)
	return cmd
}

func newTrustPlan(p *program) *cobra.Command {
	var c configured
	var out, format string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what has to be added to trust policies; changes nothing",
		Long: `plan scans the accounts and shows, role by role, what has to be added so that
everybody can sign in at every Region of the federation, and which roles cannot be
edited provably safely, and why. Edits of Deny statements are planned apart: apply
refuses them. Exit code 2 when changes are pending.

--format terraform and --format cloudformation print the whole planned policies for the
roles that are kept there, also of roles that owned_by gives to other automation.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if !slices.Contains(planFormats(), format) {
				return usagef("no format %q; it is one of %s", format, strings.Join(planFormats(), ", "))
			}
			if p.json() {
				format = formatJSON
			}
			run, err := openTrust(p, c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, run.Close()) }()
			plan, snap, err := run.Plan(cmd.Context())
			if err != nil {
				return err
			}
			if out != "" {
				if err := writePlan(out, plan); err != nil {
					return err
				}
			}
			err = p.printPlan(plan, format, out)
			if format == formatText {
				p.showProblems(control.Problems(snap))
			}
			switch {
			case err != nil:
				return err
			case len(control.Problems(snap)) > 0:
				return quietly(exitFailed)
			case len(plan.Edits)+len(plan.Denies) > 0:
				return quietly(exitPending)
			}
			return nil
		},
	}
	c.flags(cmd, true)
	cmd.Flags().StringVar(&format, "format", formatText, "print the plan as `FORM`: "+strings.Join(planFormats(), ", "))
	cmd.Flags().StringVarP(&out, "out", "o", "", "also write the plan to this `FILE`, for trust apply")
	return cmd
}

func newTrustApply(p *program) *cobra.Command {
	var c configured
	var order control.TrustOrder
	var yes bool
	var resume string
	cmd := &cobra.Command{
		Use:   "apply [PLAN.json]",
		Short: "Add the missing audiences to trust policies",
		Long: `apply carries out a plan (of the file, else a fresh one) in waves: one role, the rest
of its account, a tenth of all roles, the others. Each role is read again, the edit is
computed again from what is there now, written, and read back until it shows. The first
mismatch stops everything. Edits of Deny statements are refused: a person has to make them.

A plan file is a request: it says which roles to look at, never what to write. A run
that was stopped or killed is finished with --resume and its id; no role is written twice.

It shows the plan and asks first; where nobody is there to ask, give --yes. Exit code 1
when a role could not be written or does not read back as meant.
` + streaming,
		Args: maybeOne("one plan FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			p.streams = true
			if resume != "" && len(args) > 0 {
				return usagef("a resumed run has its own plan; give --resume or a file, not both")
			}
			open := func() (*app.TrustRun, error) { return openTrust(p, c) }
			if resume != "" {
				open = func() (*app.TrustRun, error) { return resumeTrust(p, c, resume) }
			}
			run, err := open()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, run.Close()) }()
			plan, err := planToApply(cmd.Context(), run, args)
			if err != nil {
				return err
			}
			if run.Resumed != nil {
				order.Earlier, order.Ticket = run.Resumed.Earlier, cmp.Or(order.Ticket, run.Resumed.Ticket)
			}
			if len(plan.Edits) > 0 && !yes {
				if err := p.ask(fmt.Sprintf("change %d trust policies", len(plan.Edits)), func() { p.showTrustPlan(plan, "") }); err != nil {
					return err
				}
			}
			return p.apply(cmd.Context(), run, plan, order)
		},
	}
	c.flags(cmd, true)
	cmd.Flags().StringVar(&resume, "resume", "", "finish the run with this `ID`, as it was printed")
	cmd.Flags().StringVar(&order.Ticket, "ticket", "", "the change `TICKET`, for the audit record")
	cmd.Flags().IntVar(&order.MaxRoles, "max-roles", 0, "write at most `N` roles (0: all)")
	cmd.Flags().BoolVar(&yes, "yes", false, "write without asking")
	return cmd
}

func planToApply(ctx context.Context, run *app.TrustRun, args []string) (control.TrustPlan, error) {
	if run.Resumed != nil {
		return run.Resumed.Plan, nil
	}
	if len(args) == 0 {
		plan, _, err := run.Plan(ctx)
		return plan, err
	}
	b, err := os.ReadFile(args[0])
	if err != nil {
		return control.TrustPlan{}, fmt.Errorf("read the plan: %w", err)
	}
	var plan control.TrustPlan
	if err := json.Unmarshal(b, &plan); err != nil {
		return control.TrustPlan{}, fmt.Errorf("plan %s is not what trust plan -o writes: %w", args[0], err)
	}
	return plan, nil
}

// ask shows what is about to happen to a person and asks; without a terminal it
// refuses, so that no script writes by accident.
func (p *program) ask(what string, show func()) error {
	if in, ok := p.In.(*os.File); !ok || !isTTY(in) {
		return usagef("this command would %s; give --yes when nobody is there to ask", what)
	}
	show()
	fmt.Fprintf(p.Out, "Shall it %s? Type yes: ", what)
	answer, err := bufio.NewReader(p.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read your answer: %w", err)
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

func (p *program) apply(ctx context.Context, run *app.TrustRun, plan control.TrustPlan, order control.TrustOrder) error {
	report, snap, err := run.Apply(ctx, plan, order)
	return p.applied(run, report, snap, err, run.ID)
}

// applied shows what became of a run; id is how it can be resumed, "" if it
// cannot.
func (p *program) applied(run *app.TrustRun, report control.TrustReport, snap control.Snapshot, err error, id string) error {
	if err != nil && len(report.Outcomes) == 0 {
		return err // refused as a whole: there is nothing to report on
	}
	if p.json() {
		if jerr := p.printJSON(report); jerr != nil {
			return errors.Join(err, jerr)
		}
	} else {
		p.showReport(report, id)
		if err == nil {
			p.line("")
			p.showReadiness(run.Federation, snap, false)
			if len(report.Outcomes) > 0 {
				p.line("Audit record: %s", escape.Terminal(run.AuditPath))
			}
		}
	}
	if err != nil {
		return err
	}
	if control.TrustFailed(report) {
		return quietly(exitFailed)
	}
	return nil
}

func newTrustEval(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "eval",
		Short: "Evaluate trust policies from standard input, one JSON object per line",
		Long: `eval answers, line by line and in order, whether a trust policy admits a login:

  in:   {"id":1,"policy":{...},"principal":"arn:aws:iam::111122223333:saml-provider/Okta",
         "action":"sts:AssumeRoleWithSAML","context":{"SAML:aud":"https://signin.aws.amazon.com/saml"}}
  out:  {"id":1,"decision":"allow","statement":..,"condition":..,"reason":".."}
        {"id":2,"error":".."}

decision is allow, deny or conditional. SAML, sts:*, aws:RequestTag/.. and
aws:TagKeys keys that are not in the context are absent from the login; any other
one is unknown, and makes the answer conditional if it could change it. id may be
left out, and action is sts:AssumeRoleWithSAML unless given. No config is needed.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return control.EvalTrust(p.In, p.Out) },
	}
}

// writePlan writes the plan for the owner alone, in one step.
func writePlan(path string, plan control.TrustPlan) error {
	b, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the plan: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".plan-*")
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the plan %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

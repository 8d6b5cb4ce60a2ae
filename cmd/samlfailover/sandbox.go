package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/signin"
)

func newSandbox(p *program) *cobra.Command {
	var dir, partition string
	var o sandbox.Options
	c := &cobra.Command{
		Use:   "sandbox",
		Short: "Run the simulated world: AWS with IAM and Organizations, Okta, PingOne, OneLogin, Slack",
		Long: `sandbox runs a simulated AWS, Okta, PingOne and OneLogin on this machine, behind a
forward proxy with its own CA. It serves the real host names, verifies signatures and
trust policies, and never connects to anything outside. It writes into DIR:

  env                  to source: proxy, CA, credentials (then curl, aws and others live in this world)
  samlfailover.yaml    a ready config: samlfailover serve -c DIR/samlfailover.yaml
  ca.pem               the CA's certificate, valid for less than a week

and prints "ready". It runs until interrupted.

Calm times are calmer here than in AWS: --write-delay, --meddling and --deny-tags add what
trust apply has to live with.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := sandboxPartition(partition)
			if err != nil {
				return err
			}
			if o.WriteDelay < 0 || o.Meddling < 0 {
				return usagef("--write-delay and --meddling are times such as 5s")
			}
			o.Seed = seed.Options{Partition: in}
			return runSandbox(cmd.Context(), p, dir, o)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "`DIR` for the files (default: a new folder below the temporary one)")
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "loopback `ADDRESS` of the proxy; port 0 takes a free one")
	c.Flags().StringVar(&partition, "partition", "aws", "the `PARTITION` that people sign in to: aws or aws-us-gov")
	c.Flags().BoolVar(&o.FromOrganization, "organization", false, "the written config takes its accounts from AWS Organizations")
	c.Flags().DurationVar(&o.WriteDelay, "write-delay", 0, "a written trust policy shows after this `TIME` only")
	c.Flags().DurationVar(&o.Meddling, "meddling", 0, "another administrator edits a role about every `TIME`")
	c.Flags().BoolVar(&o.DenyTags, "deny-tags", false, "IAM refuses to show a role with its tags")
	c.AddCommand(newSandboxFault(p), newSandboxHeal(p), newSandboxLogin(p), newSandboxRequests(p), newSandboxAlert(p), newSandboxToken(p), newSandboxSlack(p))
	return c
}

// sandboxPartition checks the partition of a simulated world.
func sandboxPartition(name string) (signin.Partition, error) {
	if in := signin.Partition(name); slices.Contains(seed.Partitions(), in) {
		return in, nil
	}
	return "", usagef("--partition %q: there is a simulated world in aws and in aws-us-gov only", name)
}

func runSandbox(ctx context.Context, p *program, dir string, o sandbox.Options) error {
	o.Logger = p.logger(slog.LevelError)
	w, err := sandbox.New(o)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Listen(); err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp(p.Env["TMPDIR"], "samlfailover-sandbox-"); err != nil {
			return fmt.Errorf("make a folder for the sandbox: %w", err)
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("find the folder %s: %w", dir, err)
	}
	if err := w.WriteDir(dir); err != nil {
		return err
	}
	if p.json() {
		err = p.printJSON(map[string]any{"type": "ready", "dir": dir, "proxy": w.ProxyURL()})
	} else {
		p.line("The simulated world is at %s; its files are in %s.", w.ProxyURL(), dir)
		p.line("  . %s", filepath.Join(dir, "env"))
		p.line("  samlfailover sandbox login")
		p.line("  samlfailover serve -c %s", filepath.Join(dir, "samlfailover.yaml"))
		p.line("ready")
	}
	return errors.Join(err, w.Run(ctx))
}

// sandboxClient speaks to the sandbox whose env was sourced.
func (p *program) sandboxClient() (*admin.Client, error) {
	url, token := p.Env["SANDBOX_URL"], p.Env["SANDBOX_TOKEN"]
	if url == "" || token == "" {
		return nil, usagef("SANDBOX_URL and SANDBOX_TOKEN are not set; source the env file of a running sandbox first: . DIR/env")
	}
	return admin.NewClient(url, token)
}

// withSandbox runs one verb against the sandbox.
func (p *program) withSandbox(ctx context.Context, verb func(context.Context, *admin.Client) error) error {
	c, err := p.sandboxClient()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return verb(ctx, c)
}

func newSandboxFault(p *program) *cobra.Command {
	var lasts time.Duration
	var percent int
	c := &cobra.Command{
		Use:   "fault TARGET KIND",
		Short: "Break something in the running sandbox",
		Long: "fault breaks TARGET in the way of KIND until it is healed. It speaks to the sandbox whose env file\nwas sourced (. DIR/env).\n\n" +
			"TARGET is a host name, a service (signin, console, sts, sts-global, iam, organizations, account, okta,\n" +
			"pingone, onelogin, pagerduty, webhook, slack), a Region or a tenant. A Region takes all that lives\n" +
			"there: us-east-1 also IAM, Organizations, Account Management and the global STS, and no identity\nprovider.\n\nKIND is one of:\n  " +
			strings.Join(fault.Help(), "\n  "),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("say what to break and how, as in: samlfailover sandbox fault us-east-1 down; see: %s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fault.ParseEffect(args[1]); err != nil {
				return usagef("%w", err)
			}
			if percent < 1 || percent > 100 || lasts < 0 {
				return usagef("--percent is 1 to 100, and --for a time such as 30s")
			}
			return p.withSandbox(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				r := admin.FaultRequest{Target: args[0], Kind: args[1], Percent: percent}
				if lasts > 0 {
					r.For = lasts.String()
				}
				out, err := c.Fault(ctx, r)
				if err != nil {
					return err
				}
				return p.showFaults(out)
			})
		},
	}
	c.Flags().DurationVar(&lasts, "for", 0, "heal by itself after this `TIME`, such as 30s (default: never)")
	c.Flags().IntVar(&percent, "percent", 100, "hit only `N` in a hundred connections or requests")
	return c
}

func newSandboxHeal(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "heal [TARGET]",
		Short: "End faults in the running sandbox (all, or those on TARGET)",
		Long: `heal ends every fault that sandbox fault began, or those on TARGET alone, and says what
is still broken.`,
		Args: maybeOne("one TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSandbox(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				target := ""
				if len(args) == 1 {
					target = args[0]
				}
				out, err := c.Heal(ctx, target)
				if err != nil {
					return err
				}
				return p.showFaults(out)
			})
		},
	}
}

func (p *program) showFaults(f admin.Faults) error {
	if p.json() {
		return p.printJSON(f)
	}
	for _, r := range f.Healed {
		p.line("healed  %s", escape.Terminal(r.String()))
	}
	for _, r := range f.Rules {
		p.line("broken  %s", escape.Terminal(r.String()))
	}
	if len(f.Rules) == 0 {
		p.line("Nothing is broken.")
	}
	return nil
}

func newSandboxRequests(p *program) *cobra.Command {
	var since uint64
	c := &cobra.Command{
		Use:   "requests",
		Short: "Show who asked what in the running sandbox",
		Long: `requests lists every connection that was tried and every request that was answered in
the running sandbox, oldest first. With --output json there is one object per entry.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withSandbox(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				out, err := c.Requests(ctx, since)
				if err != nil {
					return err
				}
				rows := [][]string{{"NO", "TIME", "KIND", "HOST", "REQUEST", "STATUS", "NOTE"}}
				for _, e := range out.Entries {
					if p.json() {
						if err := p.printJSON(e); err != nil {
							return err
						}
						continue
					}
					status := "" // a connection that needs no answer has none
					if e.Status != 0 {
						status = fmt.Sprint(e.Status)
					}
					rows = append(rows, []string{fmt.Sprint(e.Seq), e.Time.Format("15:04:05.000"), string(e.Kind), escape.Terminal(e.Host),
						escape.Terminal(strings.TrimSpace(e.Method + " " + e.Path)), dash(status), escape.Terminal(e.Note)})
				}
				if !p.json() {
					p.table(rows)
				}
				return nil
			})
		},
	}
	c.Flags().Uint64Var(&since, "since", 0, "only entries after this `NUMBER` (the first column)")
	return c
}

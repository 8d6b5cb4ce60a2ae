package main

import (
	"context"
	"log/slog"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/federation"
)

func newIdP(p *program) *cobra.Command {
	c := &cobra.Command{
		Use:   "idp",
		Short: "Look at the identity providers' AWS apps",
		Long: `idp looks at the apps through which people sign in to AWS, and at what in AWS
belongs to them. It only reads, and needs no running controller.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newIdPApps(p))
	return c
}

func newIdPApps(p *program) *cobra.Command {
	var c configured
	var accounts []string
	var file string
	cmd := &cobra.Command{
		Use:   "apps",
		Short: "Find every AWS app, what trusts it, and what has no counterpart; changes nothing",
		Long: `apps lists the AWS apps of every tenant in the config: kind, sign-in endpoint, Region,
RelayState, and whether each could be moved or why not. It joins them, by issuer and
signing certificate, to the SAML providers and roles of the AWS accounts, and names
what has no counterpart: an app that no provider trusts, a provider that no app uses,
a role that trusts one of those, an app of the config that its tenant does not have.

It looks at the accounts of the config's federations and at those named with
--account. A config that has tenants and no federations yet is fine: this is what
one runs before there is one. Rights to read suffice, in the tenants and in AWS.

--write-config composes a complete config of the present one and the federations
that were found, each in mode observe. It never replaces a file, and secrets stay
references. Read it through before you use it.

Examples:
  samlfailover idp apps
  samlfailover idp apps --account 111122223333=arn:aws:iam::111122223333:role/samlfailover-scan
  samlfailover idp apps --account 111122223333 --write-config found.yaml
  samlfailover idp apps --output json | jq '.orphans[].subject'

Exit code 1 when a tenant, an app, an account or a provider could not be read.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			extra, err := parseAccounts(accounts)
			if err != nil {
				return err
			}
			return p.discover(cmd.Context(), c, extra, file)
		},
	}
	c.flags(cmd, false)
	cmd.Flags().StringArrayVar(&accounts, "account", nil, "also look at this account (repeatable): `ID[=SCAN_ROLE]`, the role as an ARN")
	cmd.Flags().StringVar(&file, "write-config", "", "write a config with the federations that were found to this new `FILE`")
	return cmd
}

// discover runs the search, shows it, and writes the config if that is wanted.
func (p *program) discover(ctx context.Context, c configured, extra []federation.Account, file string) error {
	if file != "" {
		if err := app.NewConfigFile(file); err != nil {
			return usagef("%w", err)
		}
	}
	path, err := config.Find(c.path, p.Env)
	if err != nil {
		return err
	}
	cfg, err := config.Load(path, config.Options{WithoutFederations: true})
	if err != nil {
		return err
	}
	found, err := app.Discover(ctx, app.Setup{Config: cfg, Env: p.Env, Log: p.logger(slog.LevelError)}, extra, p.trustProgress())
	if err != nil {
		return err
	}
	if p.json() {
		err = p.printJSON(found)
	} else {
		p.showDiscovered(found)
	}
	if err == nil && file != "" {
		err = p.writeConfig(cfg, file, found)
	}
	if err == nil && len(found.Problems) > 0 {
		return quietly(exitFailed)
	}
	return err
}

// writeConfig writes the file and says so on standard error, since standard
// output may be JSON.
func (p *program) writeConfig(cfg *config.Config, file string, found control.Discovered) error {
	left, err := app.WriteConfig(cfg, file, found)
	for _, l := range left {
		p.say("left out of the config: %s", l)
	}
	if err != nil {
		return err
	}
	if len(found.Problems) > 0 {
		p.say("not everything could be read, so the config may lack something; see the problems above")
	}
	p.say("config written to %s; read it through, then: samlfailover check -c %s", file, file)
	return nil
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// parseAccounts reads the values of --account.
func parseAccounts(values []string) ([]federation.Account, error) {
	var out []federation.Account
	seen := map[string]bool{}
	for _, v := range values {
		id, role, named := strings.Cut(v, "=")
		if !accountID.MatchString(id) {
			return nil, usagef("--account %q: write it as ID or ID=SCAN_ROLE; an AWS account id has twelve digits", v)
		}
		if seen[id] {
			return nil, usagef("--account %s is given twice", id)
		}
		seen[id] = true
		if ref, _, _, _, err := federation.ParseRoleARN(role); named && (err != nil || ref.Account != id) {
			return nil, usagef("--account %q: the scan role must be the ARN of a role in that account, such as arn:aws:iam::%s:role/samlfailover-scan", v, id)
		}
		out = append(out, federation.Account{ID: id, ScanRole: role})
	}
	return out, nil
}

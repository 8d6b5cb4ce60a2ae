package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/control"
)

func newTrustRestore(p *program) *cobra.Command {
	var c configured
	var order control.TrustOrder
	var role, id string
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore (--role ARN | --run ID)",
		Short: "Put back the trust policies that trust apply has replaced",
		Long: `restore puts back the trust policy that the last trust apply replaced in a role, or
those of all roles of one run. The former texts come from the audit record, which is
verified first. The former text is written only if the role's policy still means what
trust apply wrote. If somebody has changed it since, only the audiences that were added
are taken out, and what others took away stays away; where that cannot be done safely
the role is refused and both changes are shown. It is refused too if an app, as its
identity provider holds it now, points at the endpoint that would be taken away. A
freeze does not hold it.

It shows what would go and asks first; where nobody is there to ask, give --yes. Exit
code 1 when a role could not be written or does not read back as meant.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if (role == "") == (id == "") {
				return usagef("give --role or --run, one of the two")
			}
			run, err := openTrust(p, c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, run.Close()) }()
			writes, err := run.ToRestore(id, role)
			if err != nil {
				return err
			}
			if !yes {
				if err := p.ask(fmt.Sprintf("take back %d trust policies", len(writes)), func() { p.showTakenBack(writes) }); err != nil {
					return err
				}
			}
			report, snap, err := run.Restore(cmd.Context(), writes, order)
			return p.applied(run, report, snap, err, "")
		},
	}
	c.flags(cmd, true)
	cmd.Flags().StringVar(&role, "role", "", "`ARN` of the role")
	cmd.Flags().StringVar(&id, "run", "", "`ID` of the run whose writes are taken back")
	cmd.Flags().StringVar(&order.Ticket, "ticket", "", "the change `TICKET`, for the audit record")
	cmd.Flags().IntVar(&order.MaxRoles, "max-roles", 0, "write at most `N` roles (0: all)")
	cmd.Flags().BoolVar(&yes, "yes", false, "write without asking")
	return cmd
}

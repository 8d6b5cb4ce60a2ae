package app

import (
	"context"
	"log/slog"
	"slices"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/trustpolicy/members"
)

// organizationSession shows in CloudTrail.
const organizationSession = "samlfailover-organization"

// newMembers says which accounts a federation has; a nil for the AWS identity is
// fine for what is kept.
func newMembers(f federation.Federation, a *awsaccess.Access, k members.Keeper, log *slog.Logger) *members.Source {
	o := f.Organization
	return members.New(members.Options{Federation: f, Keeper: k, Log: log, Open: func(ctx context.Context) (members.Client, error) {
		return a.Organizations(ctx, awsaccess.RoleToAssume{RoleARN: o.Role, ExternalID: o.ExternalID, SessionName: organizationSession})
	}})
}

// withKept gives federations the accounts that are known of their organizations,
// for whoever must not ask for them.
func withKept(feds []federation.Federation, k members.Keeper, log *slog.Logger) []federation.Federation {
	out := slices.Clone(feds)
	for i, f := range out {
		out[i].Accounts = newMembers(f, nil, k, log).Kept().Accounts
	}
	return out
}

// CheckOrganization is what check saw of a federation's AWS organization: how
// many accounts it has for the federation, and what a person should know.
type CheckOrganization struct {
	Federation string            `json:"federation"`
	Accounts   int               `json:"accounts"`
	Findings   []finding.Finding `json:"findings,omitempty"`
}

// Good reports whether the organization could be read.
func (o CheckOrganization) Good() bool {
	return !slices.ContainsFunc(o.Findings, func(f finding.Finding) bool { return f.Code == finding.OrganizationUnread })
}

// checkOrganization reads a federation's organization and returns the
// federation's accounts.
func checkOrganization(ctx context.Context, base *awsaccess.Access, k inventory.Keeper, f federation.Federation, log *slog.Logger) (CheckOrganization, []federation.Account) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	m := newMembers(f, base, k, log).Read(ctx)
	out := CheckOrganization{Federation: f.Name, Findings: m.Notes}
	for _, a := range m.Accounts {
		if a.Found {
			out.Accounts++
		}
	}
	return out, m.Accounts
}

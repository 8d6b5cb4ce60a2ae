package seed

import (
	"github.com/samlfailover/samlfailover/sandbox/aws"
)

// The organization's management account, and the role in it that reads the
// organization.
const (
	managementAccount = "666677778888"
	organizationRole  = "samlfailover-organization"
)

// The demo organization's units. Stores is below Production.
const (
	UnitInfrastructure = "Infrastructure"
	UnitProduction     = "Production"
	UnitStores         = "Stores"
	UnitTest           = "Test"
)

// The tag that the accounts with federated people have, and its value.
const MemberTag, MemberTagValue = "sign-in", "workforce"

// ClosedAccount is an account of the organization that is suspended: it has no
// IAM any more.
const ClosedAccount = "123412341234"

// Organization is the AWS organization that every account of the demo is in.
type Organization struct {
	ID, Root   string
	Management string            // account id; nobody signs in there
	Role       string            // ARN of the role that reads the organization
	Units      map[string]string // ids by name
}

// organization makes the organization. The accounts are there already.
func (p *planter) organization() error {
	management := p.cloud.AddAccountIn(p.at.partition, managementAccount, "management")
	trust, err := p.trustOf("AWS", p.at.arn(controllerAccount, "user/"+controllerUser))
	if err != nil {
		return err
	}
	read := []string{"organizations:DescribeOrganization", "organizations:ListAccounts", "organizations:ListAccountsForParent",
		"organizations:ListOrganizationalUnitsForParent", "organizations:ListTagsForResource"}
	if err := management.PutRole(aws.Role{Name: organizationRole, Path: "/", Trust: trust, MaxSession: 3600, Allow: read}); err != nil {
		return err
	}
	org := p.cloud.AddOrganization(management)
	units := map[string]string{UnitInfrastructure: org.AddUnit(org.Root(), UnitInfrastructure),
		UnitProduction: org.AddUnit(org.Root(), UnitProduction), UnitTest: org.AddUnit(org.Root(), UnitTest)}
	units[UnitStores] = org.AddUnit(units[UnitProduction], UnitStores)
	place := map[string]string{"shared-services": UnitInfrastructure, "retail": UnitStores, "retail-test": UnitTest}
	for _, a := range p.Demo.Accounts {
		unit := UnitProduction
		if place[a.Name] != "" {
			unit = place[a.Name]
		}
		org.AddMember(aws.Member{ID: a.ID, Name: a.Name, Parent: units[unit], Tags: map[string]string{MemberTag: MemberTagValue, "team": "acme"}})
	}
	org.AddMember(aws.Member{ID: controllerAccount, Name: "operations", Parent: units[UnitInfrastructure], Tags: map[string]string{"team": "acme"}})
	org.AddMember(aws.Member{ID: ClosedAccount, Name: "old-shop", Parent: units[UnitStores], State: "SUSPENDED", Tags: map[string]string{MemberTag: MemberTagValue}})
	p.Demo.Organization = Organization{ID: org.ID(), Root: org.Root(), Management: managementAccount, Role: p.roleARN(managementAccount, "/", organizationRole), Units: units}
	return nil
}

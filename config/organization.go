package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
)

type organizationDoc struct {
	All     bool     `yaml:"all" default:"false" doc:"Every account of the organization. Instead of ous or tags."`
	OUs     []string `yaml:"ous" unique:"true" min:"1" max:"1000" pattern:"ou" doc:"Ids of organizational units (ou-...) or of the root (r-...): their accounts, and those of all units below. Instead of all or tags."`
	Tags    []string `yaml:"tags" unique:"true" min:"1" max:"50" pattern:"tag" doc:"Accounts that have one of these tags, key or key=value, exactly as written. Instead of all or ous."`
	Exclude []string `yaml:"exclude" unique:"true" max:"20000" pattern:"account" digits:"true" doc:"Ids of accounts that do not belong to the federation all the same."`

	Role           string   `yaml:"role" doc:"ARN of the role to assume for reading the organization, in the management account or in a delegated administrator's. Absent: the base credentials."`
	RoleExternalID string   `yaml:"role_external_id" pattern:"external" doc:"External id that this role asks for."`
	Providers      []string `yaml:"providers" required:"true" min:"1" max:"100" unique:"true" doc:"ARNs of the accounts' IAM SAML providers that belong to this federation, with {account} for the account's id, such as arn:aws:iam::{account}:saml-provider/Okta. An account has those of them that exist in it."`
	ScanRole       string   `yaml:"scan_role" doc:"ARN of the role to assume for reading, with {account}. Absent: the base credentials."`
	EnforceRole    string   `yaml:"enforce_role" doc:"ARN of the role that trust apply assumes for writing, with {account}. Absent: the base credentials."`
	ExternalID     string   `yaml:"external_id" pattern:"external" doc:"External id that both roles ask for."`
}

// nobody stands in for an account's id where the shape of an ARN is checked.
const nobody = "000000000000"

// organization checks where the federation's other accounts come from.
func (c *checker) organization(path string, doc federationDoc, p signin.Partition) federation.Organization {
	if _, written := c.at[path+".organization"]; !written {
		return federation.Organization{}
	}
	o, path := doc.Organization, path+".organization"
	var ways []string
	for _, w := range []struct {
		key string
		set bool
	}{{"all", o.All}, {"ous", c.written(path, "ous")}, {"tags", c.written(path, "tags")}} {
		if w.set {
			ways = append(ways, w.key)
		}
	}
	switch len(ways) {
	case 0:
		c.fail(path, "it is not said which accounts of the organization belong to the federation", "add all: true, ous or tags")
	case 1:
	default:
		c.fail(path+"."+ways[1], strings.Join(ways, " and ")+" are given, and nobody knows whether one or all of them have to hold", "keep one of them")
	}
	for i, id := range o.Exclude {
		if slices.ContainsFunc(doc.Accounts, func(a accountDoc) bool { return a.ID == id && id != "" }) {
			c.fail(fmt.Sprintf("%s.exclude[%d]", path, i), fmt.Sprintf("account %s is listed under accounts, and what is listed belongs to the federation", id), "remove it from one of the two")
		}
	}
	c.anyRole(path+".role", o.Role, p)
	c.template(path+".scan_role", o.ScanRole, p)
	c.template(path+".enforce_role", o.EnforceRole, p)
	if o.ScanRole != "" && o.ScanRole == o.EnforceRole {
		c.warn(path+".enforce_role", "reading and writing use the same role", "give scans a role that can only read")
	}
	for i, arn := range o.Providers {
		c.everyProvider(fmt.Sprintf("%s.providers[%d]", path, i), arn, p, doc.Name)
	}
	return federation.Organization{All: o.All, OUs: o.OUs, Tags: o.Tags, Exclude: o.Exclude, Role: o.Role, ExternalID: o.RoleExternalID,
		Providers: o.Providers, ScanRole: o.ScanRole, EnforceRole: o.EnforceRole, AccountExternalID: o.ExternalID}
}

// anyRole checks a role ARN of whichever account.
func (c *checker) anyRole(path, arn string, p signin.Partition) {
	if ref, _, _, _, err := federation.ParseRoleARN(arn); arn != "" && err == nil {
		c.role(path, arn, []string{ref.Account}, p)
		return
	}
	c.role(path, arn, nil, p)
}

// template checks a role ARN with a hole for the account.
func (c *checker) template(path, arn string, p signin.Partition) {
	if arn == "" || !c.oneHole(path, arn) {
		return
	}
	whole := strings.Replace(arn, federation.AccountHole, nobody, 1)
	if ref, _, _, _, err := federation.ParseRoleARN(whole); err != nil || ref.Account != nobody {
		c.fail(path, fmt.Sprintf("%s is not the ARN of an IAM role of each account", quote(arn)), "write it as arn:aws:iam::{account}:role/NAME")
		return
	}
	c.role(path, whole, []string{nobody}, p)
}

func (c *checker) oneHole(path, arn string) bool {
	if strings.Count(arn, federation.AccountHole) == 1 {
		return true
	}
	c.fail(path, fmt.Sprintf("%s does not have {account} once, where the id of each account belongs", quote(arn)), "write it as arn:aws:iam::{account}:...")
	return false
}

// everyProvider checks the ARN of a SAML provider that every account may have.
func (c *checker) everyProvider(path, arn string, p signin.Partition, name string) {
	if arn == "" || !c.oneHole(path, arn) {
		return
	}
	m := regexp.MustCompile(providerARN).FindStringSubmatch(strings.Replace(arn, federation.AccountHole, nobody, 1))
	switch {
	case m == nil || m[2] != nobody:
		c.fail(path, fmt.Sprintf("%s is not the ARN of a SAML provider of each account", quote(arn)), "write it as arn:aws:iam::{account}:saml-provider/NAME")
	case p != "" && m[1] != string(p):
		c.fail(path, fmt.Sprintf("the provider is in partition %s, the federation in %s", m[1], p), "a federation stays in one partition: correct the ARN")
	default:
		c.provider(path, arn, []string{arn, m[1], nobody}, nobody, p, name)
	}
}

// holes refuses a provider that one federation lists and another one has of the
// organization: which of the two it belongs to would depend on what the
// organization says (spec 2.11).
func (c *checker) holes() {
	shape := regexp.MustCompile(providerARN)
	for i, f := range c.doc.Federations {
		for k, a := range f.Accounts {
			for j, arn := range a.Providers {
				m := shape.FindStringSubmatch(arn)
				if m == nil {
					continue
				}
				owner, taken := c.providers[strings.Replace(arn, ":"+m[2]+":", ":"+federation.AccountHole+":", 1)]
				if taken && owner != f.Name {
					c.fail(fmt.Sprintf("federations[%d].accounts[%d].providers[%d]", i, k, j), fmt.Sprintf("the provider belongs to federation %q as well, which has it in every account of the organization", owner),
						"a SAML provider belongs to exactly one federation: rename the provider, or list the account in that federation alone")
				}
			}
		}
	}
}

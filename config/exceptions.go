package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
)

type exceptionDoc struct {
	Role    string          `yaml:"role" doc:"ARN of the role that it is about. Instead of account."`
	Account string          `yaml:"account" pattern:"account" digits:"true" doc:"The account all of whose roles it is about. Instead of role."`
	Regions []signin.Region `yaml:"regions" required:"true" min:"1" max:"46" unique:"true" doc:"The Regions that they are kept out of."`
	Owner   string          `yaml:"owner" required:"true" pattern:"label" doc:"Who answers for it."`
	Reason  string          `yaml:"reason" required:"true" pattern:"label" doc:"What for, such as data residency."`
	Expires Day             `yaml:"expires" required:"true" doc:"The last day on which it holds, in UTC, as 2027-06-30. From the next one on the roles count again."`
}

// exceptions checks what is kept out of Regions on purpose (spec 5.6).
func (c *checker) exceptions(path string, doc federationDoc, f federation.Federation) []federation.Exception {
	var out []federation.Exception
	for i, d := range doc.Exceptions {
		at := fmt.Sprintf("%s.exceptions[%d]", path, i)
		e := federation.Exception{Role: d.Role, Account: d.Account, Regions: d.Regions, Owner: d.Owner, Reason: d.Reason, Expires: d.Expires.after()}
		switch {
		case d.Role != "" && d.Account != "":
			c.fail(at, "it names a role and an account", "keep one of the two; a role's ARN names its account")
			continue
		case d.Role == "" && d.Account == "":
			c.fail(at, "it names neither a role nor an account", "say what it is about: role or account")
			continue
		case d.Role != "":
			c.memberRole(at+".role", d.Role, f)
			if ref, _, _, _, err := federation.ParseRoleARN(d.Role); err == nil {
				e.Account = ref.Account
			}
		case !f.Organization.Used() && !slices.Contains(ids(f.Accounts), d.Account):
			c.fail(at+".account", fmt.Sprintf("account %s is none of the federation's", d.Account), "list it under accounts, or remove the exception")
		}
		for j, r := range d.Regions {
			if !r.IsZero() && !slices.Contains(doc.Regions, r) {
				c.fail(fmt.Sprintf("%s.regions[%d]", at, j), fmt.Sprintf("%s is not one of the federation's Regions", r), "remove it: nobody is led there anyhow")
			}
			c.exceptionTwice(fmt.Sprintf("%s.regions[%d]", at, j), e, r, out)
		}
		c.exceptionOfNeeded(at, e, doc)
		out = append(out, e)
	}
	return out
}

// exceptionTwice refuses a second exception of the same thing: which one holds,
// and whom to ask, must be plain.
func (c *checker) exceptionTwice(at string, e federation.Exception, r signin.Region, before []federation.Exception) {
	for k, o := range before {
		if o.Role == e.Role && o.Account == e.Account && slices.Contains(o.Regions, r) {
			c.fail(at, fmt.Sprintf("number %d excepts %s from %s already", k+1, e, r), "merge the two")
		}
	}
}

// exceptionOfNeeded refuses an exception of a role without which auto does not
// move: it would never move there.
func (c *checker) exceptionOfNeeded(at string, e federation.Exception, doc federationDoc) {
	for _, arn := range doc.MustBeReady {
		ref, _, _, _, err := federation.ParseRoleARN(arn)
		if err == nil && ref.Account == e.Account && (e.Role == "" || e.Role == arn) {
			c.fail(at, fmt.Sprintf("%s stands under must_be_ready", arn), "take it out of one of the two")
		}
	}
}

// after is the first moment after the day, in UTC; zero when there is none.
func (d Day) after() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

// shareOver checks the roles over which min_ready_share is taken (spec 6.1).
func (c *checker) shareOver(path string, doc federationDoc, f federation.Federation) {
	for i, arn := range doc.ShareOver {
		c.memberRole(fmt.Sprintf("%s.share_over[%d]", path, i), arn, f)
	}
}

func ids(accounts []federation.Account) []string {
	var out []string
	for _, a := range accounts {
		out = append(out, a.ID)
	}
	return out
}

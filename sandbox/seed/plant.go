package seed

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/person"
)

// The account that samlfailover itself runs in, and its user there.
const (
	controllerAccount = "777788889999"
	controllerUser    = "samlfailover"
	scanRole          = "samlfailover-scan"
	enforceRole       = "samlfailover-enforce"
)

// planter puts the parts of the demo into place and writes them down.
type planter struct {
	Planted
	cloud *aws.Cloud
	at    place
}

// controller makes the controller's account and user.
func (p *planter) controller() {
	c := Controller{Account: controllerAccount, User: controllerUser,
		AccessKeyID: "AKIA" + secretText(16), SecretKey: secretText(40)}
	p.cloud.AddAccountIn(p.at.partition, c.Account, "operations").AddAccessKey(c.User, c.AccessKeyID, c.SecretKey, []string{"sts:AssumeRole"})
	p.Demo.Controller = c
}

// operator gives a person in the first account a key of their own.
func (p *planter) operator(account *aws.Account, id string) {
	o := Operator{Account: id, User: "operator", AccessKeyID: "AKIA" + secretText(16), SecretKey: secretText(40)}
	account.AddAccessKey(o.User, o.AccessKeyID, o.SecretKey, []string{"iam:*", "sts:*"})
	p.Demo.Operator = o
}

// account makes an account, the app that leads to it, the SAML provider that
// trusts the app, and the account's roles.
func (p *planter) account(plan accountPlan) error {
	app, metadata, err := p.app(plan)
	if err != nil {
		return err
	}
	account := p.cloud.AddAccountIn(p.at.partition, plan.id, plan.name)
	if app.Provider, err = account.PutProvider(providerName(plan.tenant), metadata); err != nil {
		return err
	}
	if len(p.Demo.Apps) == 0 {
		p.operator(account, plan.id)
	}
	p.Demo.Apps = append(p.Demo.Apps, app)
	for _, r := range plan.roles {
		if err := p.federated(account, plan.id, app.Provider, r); err != nil {
			return err
		}
	}
	if err := p.operators(account, plan, app.Provider); err != nil {
		return err
	}
	return p.decoys(account, plan.id)
}

// providerName is what people call the IAM SAML provider of a tenant.
func providerName(tenant string) string {
	switch tenant {
	case Okta:
		return "Okta"
	case OneLogin:
		return "OneLogin"
	}
	return "PingOne"
}

// federated makes a role that people sign in to.
func (p *planter) federated(account *aws.Account, id, provider string, r rolePlan) error {
	trust, err := r.trustPolicy(p.at, provider)
	if err != nil {
		return err
	}
	role := aws.Role{Name: r.name, Path: r.path, Trust: trust, MaxSession: 43200, Tags: map[string]string{"team": "acme"}}
	if r.notReady == OwnedElsewhere {
		role.Tags[OwnerTag] = OwnerTagValue
	}
	if err := account.PutRole(role); err != nil {
		return err
	}
	p.Demo.Roles = append(p.Demo.Roles, Role{Account: id, Name: r.name, Path: r.path, ARN: p.roleARN(id, r.path, r.name),
		NotReady: r.notReady, Mendable: r.notReady.mendable()})
	return nil
}

// operators makes the two roles that samlfailover assumes in an account.
func (p *planter) operators(account *aws.Account, plan accountPlan, provider string) error {
	read := []string{"iam:ListRoles", "iam:GetRole", "iam:ListRoleTags", "iam:GetAccountSummary", "iam:ListSAMLProviders", "iam:GetSAMLProvider", "account:ListRegions"}
	trust, err := p.trustOf("AWS", p.at.arn(controllerAccount, "user/"+controllerUser))
	if err != nil {
		return err
	}
	for name, allow := range map[string][]string{scanRole: read, enforceRole: append(slices.Clone(read), "iam:UpdateAssumeRolePolicy")} {
		if err := account.PutRole(aws.Role{Name: name, Path: "/", Trust: trust, MaxSession: 3600, Allow: allow}); err != nil {
			return err
		}
	}
	p.Demo.Accounts = append(p.Demo.Accounts, Account{ID: plan.id, Name: plan.name, Provider: provider,
		ScanRole: p.roleARN(plan.id, "/", scanRole), EnforceRole: p.roleARN(plan.id, "/", enforceRole)})
	return nil
}

// decoys makes roles that a scan must see and leave alone.
func (p *planter) decoys(account *aws.Account, id string) error {
	sso := p.at.arn(id, "saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE")
	for _, d := range []struct{ name, path, kind, principal string }{
		{"AWSServiceRoleForSupport", "/aws-service-role/support.amazonaws.com/", "Service", "support.amazonaws.com"},
		{"AWSReservedSSO_AdministratorAccess_0123456789abcdef", "/aws-reserved/sso.amazonaws.com/", "Federated", sso},
		{"web-server", "/", "Service", "ec2.amazonaws.com"},
		{"nightly-report", "/service-role/", "Service", "lambda.amazonaws.com"},
	} {
		trust, err := p.trustOf(d.kind, d.principal)
		if err != nil {
			return err
		}
		if err := account.PutRole(aws.Role{Name: d.name, Path: d.path, Trust: trust}); err != nil {
			return err
		}
		p.Demo.Decoys = append(p.Demo.Decoys, p.roleARN(id, d.path, d.name))
	}
	return nil
}

// trustOf writes the trust policy that lets one principal in.
func (p *planter) trustOf(kind, principal string) (string, error) {
	s := statement{Effect: "Allow", Principal: map[string]any{kind: principal}, Action: "sts:AssumeRole"}
	if kind == "Federated" {
		s.Action = []string{assume, tag}
		s.Condition = map[string]map[string]any{"StringEquals": {"SAML:aud": mustACS(p.at.home()).String()}}
	}
	text, err := json.Marshal(policy{Version: "2012-10-17", Statement: []statement{s}})
	if err != nil {
		return "", fmt.Errorf("write the trust policy for %s: %w", principal, err)
	}
	return string(text), nil
}

// user makes a person in every tenant where the person has an app.
func (p *planter) user(h human) error {
	made := User{Login: h.login, Password: h.password, FirstName: h.first, LastName: h.last, Tagged: h.tagged, Roles: map[string][]string{}}
	apps := map[string]map[string]person.Assignment{} // by tenant and app id
	for _, label := range slices.Sorted(maps.Keys(h.roles)) {
		app, ok := p.Demo.App(label)
		if !ok {
			return fmt.Errorf("plant user %s: there is no app %q", h.login, label)
		}
		a := person.Assignment{SessionDuration: 3600}
		for _, name := range h.roles[label] {
			role, ok := p.Demo.role(app.Account, name)
			if !ok {
				return fmt.Errorf("plant user %s: there is no role %s in %s", h.login, name, app.Account)
			}
			a.Roles = append(a.Roles, person.RolePair{Role: role.ARN, Provider: app.Provider})
			made.Roles[label] = append(made.Roles[label], role.ARN)
		}
		if h.tagged {
			a.SourceIdentity = h.login
			a.Tags = map[string]string{"department": "engineering", "cost-center": "4711"}
		}
		if apps[app.Tenant] == nil {
			apps[app.Tenant] = map[string]person.Assignment{}
		}
		apps[app.Tenant][app.ID] = a
	}
	p.Demo.Users = append(p.Demo.Users, made)
	for _, t := range p.Demo.Tenants {
		if apps[t.Name] == nil {
			continue
		}
		if err := p.admit(t, person.User{Login: h.login, Password: h.password, FirstName: h.first, LastName: h.last, Apps: apps[t.Name]}); err != nil {
			return err
		}
	}
	return nil
}

func (d Demo) role(account, name string) (Role, bool) {
	for _, r := range d.Roles {
		if r.Account == account && r.Name == name {
			return r, true
		}
	}
	return Role{}, false
}

func (p *planter) roleARN(account, path, name string) string {
	return p.at.arn(account, "role"+path+name)
}

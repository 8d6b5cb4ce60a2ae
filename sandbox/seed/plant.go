package seed

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/okta"
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
	cloud *aws.Cloud
	org   *okta.Org
	demo  *Demo
}

// controller makes the controller's account and user.
func (p *planter) controller() {
	c := Controller{Account: controllerAccount, User: controllerUser,
		AccessKeyID: "AKIA" + secretText(16), SecretKey: secretText(40)}
	p.cloud.AddAccount(c.Account, "operations").AddAccessKey(c.User, c.AccessKeyID, c.SecretKey, []string{"sts:AssumeRole"})
	p.demo.Controller = c
}

// operator gives a person in the first account a key of their own.
func (p *planter) operator(account *aws.Account, id string) {
	o := Operator{Account: id, User: "operator", AccessKeyID: "AKIA" + secretText(16), SecretKey: secretText(40)}
	account.AddAccessKey(o.User, o.AccessKeyID, o.SecretKey, []string{"iam:*", "sts:*"})
	p.demo.Operator = o
}

// account makes an account, the app that leads to it, the SAML provider that
// trusts the app, and the account's roles.
func (p *planter) account(plan accountPlan) error {
	app := App{Label: plan.app, Account: plan.id, ACS: mustACS(east), RelayState: plan.relayState}
	var err error
	app.ID, err = p.org.AddSAMLApp(app.Label, okta.AppSettings{ACS: app.ACS.String(), RelayState: app.RelayState, Audience: east.Partition().EntityID()})
	if err != nil {
		return err
	}
	metadata, err := p.org.Metadata(app.ID)
	if err != nil {
		return err
	}
	account := p.cloud.AddAccount(plan.id, plan.name)
	if app.Provider, err = account.PutProvider(Provider, metadata); err != nil {
		return err
	}
	if len(p.demo.Apps) == 0 {
		p.operator(account, plan.id)
	}
	p.demo.Apps = append(p.demo.Apps, app)
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

// federated makes a role that people sign in to.
func (p *planter) federated(account *aws.Account, id, provider string, r rolePlan) error {
	trust, err := r.trustPolicy(provider)
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
	p.demo.Roles = append(p.demo.Roles, Role{Account: id, Name: r.name, Path: r.path, ARN: roleARN(id, r.path, r.name),
		NotReady: r.notReady, Mendable: r.notReady.mendable()})
	return nil
}

// operators makes the two roles that samlfailover assumes in an account.
func (p *planter) operators(account *aws.Account, plan accountPlan, provider string) error {
	read := []string{"iam:ListRoles", "iam:GetRole", "iam:ListRoleTags", "iam:GetAccountSummary", "iam:ListSAMLProviders", "iam:GetSAMLProvider"}
	trust, err := trustOf("AWS", fmt.Sprintf("arn:aws:iam::%s:user/%s", controllerAccount, controllerUser))
	if err != nil {
		return err
	}
	for name, allow := range map[string][]string{scanRole: read, enforceRole: append(slices.Clone(read), "iam:UpdateAssumeRolePolicy")} {
		if err := account.PutRole(aws.Role{Name: name, Path: "/", Trust: trust, MaxSession: 3600, Allow: allow}); err != nil {
			return err
		}
	}
	p.demo.Accounts = append(p.demo.Accounts, Account{ID: plan.id, Name: plan.name, Provider: provider,
		ScanRole: roleARN(plan.id, "/", scanRole), EnforceRole: roleARN(plan.id, "/", enforceRole)})
	return nil
}

// decoys makes roles that a scan must see and leave alone.
func (p *planter) decoys(account *aws.Account, id string) error {
	sso := fmt.Sprintf("arn:aws:iam::%s:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE", id)
	for _, d := range []struct{ name, path, kind, principal string }{
		{"AWSServiceRoleForSupport", "/aws-service-role/support.amazonaws.com/", "Service", "support.amazonaws.com"},
		{"AWSReservedSSO_AdministratorAccess_0123456789abcdef", "/aws-reserved/sso.amazonaws.com/", "Federated", sso},
		{"web-server", "/", "Service", "ec2.amazonaws.com"},
		{"nightly-report", "/service-role/", "Service", "lambda.amazonaws.com"},
	} {
		trust, err := trustOf(d.kind, d.principal)
		if err != nil {
			return err
		}
		if err := account.PutRole(aws.Role{Name: d.name, Path: d.path, Trust: trust}); err != nil {
			return err
		}
		p.demo.Decoys = append(p.demo.Decoys, roleARN(id, d.path, d.name))
	}
	return nil
}

// trustOf writes the trust policy that lets one principal in.
func trustOf(kind, principal string) (string, error) {
	s := statement{Effect: "Allow", Principal: map[string]any{kind: principal}, Action: "sts:AssumeRole"}
	if kind == "Federated" {
		s.Action = []string{assume, tag}
		s.Condition = map[string]map[string]any{"StringEquals": {"SAML:aud": mustACS(east).String()}}
	}
	text, err := json.Marshal(policy{Version: "2012-10-17", Statement: []statement{s}})
	if err != nil {
		return "", fmt.Errorf("write the trust policy for %s: %w", principal, err)
	}
	return string(text), nil
}

// user makes a person and assigns the apps.
func (p *planter) user(u person) error {
	made := User{Login: u.login, Password: u.password, FirstName: u.first, LastName: u.last, Tagged: u.tagged, Roles: map[string][]string{}}
	apps := map[string]okta.Assignment{}
	for _, label := range slices.Sorted(maps.Keys(u.roles)) {
		app, ok := p.demo.App(label)
		if !ok {
			return fmt.Errorf("plant user %s: there is no app %q", u.login, label)
		}
		a := okta.Assignment{SessionDuration: 3600}
		for _, name := range u.roles[label] {
			role, ok := p.demo.role(app.Account, name)
			if !ok {
				return fmt.Errorf("plant user %s: there is no role %s in %s", u.login, name, app.Account)
			}
			a.Roles = append(a.Roles, okta.RolePair{Role: role.ARN, Provider: app.Provider})
			made.Roles[label] = append(made.Roles[label], role.ARN)
		}
		if u.tagged {
			a.SourceIdentity = u.login
			a.Tags = map[string]string{"department": "engineering", "cost-center": "4711"}
		}
		apps[app.ID] = a
	}
	p.demo.Users = append(p.demo.Users, made)
	return p.org.AddUser(okta.User{Login: u.login, Password: u.password, FirstName: u.first, LastName: u.last, Apps: apps})
}

func (d Demo) role(account, name string) (Role, bool) {
	for _, r := range d.Roles {
		if r.Account == account && r.Name == name {
			return r, true
		}
	}
	return Role{}, false
}

func roleARN(account, path, name string) string {
	return "arn:aws:iam::" + account + ":role" + path + name
}

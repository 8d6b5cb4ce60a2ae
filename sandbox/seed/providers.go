package seed

import (
	"crypto/rsa"
	"errors"
	"maps"
	"slices"

	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/pingone"
)

// providers makes the identity providers, empty but for samlfailover's
// credentials. Both workers live in PingOne's first environment: one sends its
// secret in the header and has its role there, the other sends it in the body
// and has its role next door.
func (p *planter) providers(newKey func() (*rsa.PrivateKey, error)) (err error) {
	prod, test := pingone.EnvironmentID("prod"), pingone.EnvironmentID("test")
	org := Tenant{Name: Okta, Kind: "okta", URL: "https://" + OktaHost, Portal: "https://" + OktaHost, Secret: "00" + secretText(40)}
	one := Tenant{Name: PingOneProd, Kind: "pingone", URL: "https://api.pingone.com", Environment: prod, WorkerEnvironment: prod,
		ClientID: "5d2b7c1e-93a4-4f6b-8a10-6c0f3b1e7a01", Secret: secretText(64)}
	two := Tenant{Name: PingOneTest, Kind: "pingone", URL: "https://api.pingone.com", Environment: test, WorkerEnvironment: prod, PostsSecret: true,
		ClientID: "5d2b7c1e-93a4-4f6b-8a10-6c0f3b1e7a02", Secret: secretText(64)}
	account := Tenant{Name: OneLogin, Kind: "onelogin", URL: "https://acme.onelogin.com", ClientID: secretText(32), Secret: secretText(64),
		AssertionClientID: secretText(32), AssertionSecret: secretText(64)}

	var bad [3]error
	p.Okta, bad[0] = okta.New(okta.Options{Host: OktaHost, APIToken: org.Secret, Tenant: Okta, NewKey: newKey})
	developer := func(env string) []pingone.Role {
		return []pingone.Role{{Name: pingone.ClientApplicationDeveloper, Environment: env}}
	}
	p.PingOne, bad[1] = pingone.New(pingone.Options{Tenant: PingOneOrg, Environments: []string{"prod", "test"},
		Tenants: map[string]string{"prod": PingOneProd, "test": PingOneTest}, NewKey: newKey, Workers: []pingone.Worker{
			{Environment: prod, ClientID: one.ClientID, Secret: one.Secret, Roles: developer(prod)},
			{Environment: prod, ClientID: two.ClientID, Secret: two.Secret, Auth: pingone.ClientSecretPost, Roles: developer(test)}}})
	p.OneLogin, bad[2] = onelogin.New(onelogin.Options{Subdomain: "acme", Tenant: OneLogin, NewKey: newKey,
		Credentials: []onelogin.Credential{{ClientID: account.ClientID, Secret: account.Secret, Scope: onelogin.ManageAll},
			{ClientID: account.AssertionClientID, Secret: account.AssertionSecret, Scope: onelogin.AuthenticationOnly}}})
	if err := errors.Join(bad[:]...); err != nil {
		return err
	}
	one.Portal, two.Portal, account.Portal = p.PingOne.Portal(prod), p.PingOne.Portal(test), p.OneLogin.Portal()
	p.Demo.Tenants = []Tenant{org, one, two, account}
	return nil
}

// app makes the app of an account and returns it with its SAML metadata.
func (p *planter) app(plan accountPlan) (App, []byte, error) {
	t, _ := p.Demo.Tenant(plan.tenant)
	home := mustACS(p.at.home())
	app := App{Label: plan.app, Tenant: t.Name, Portal: t.Portal, Account: plan.id, ACS: home, RelayState: p.at.landing(plan.landing)}
	audience := p.at.partition.EntityID()
	metadata := p.Okta.Metadata
	var err error
	switch {
	case plan.catalogue:
		app.Kind = "AWS Account Federation app"
		app.ID, err = p.Okta.AddAccountApp(app.Label, p.accountSettings(app))
	case t.Kind == "okta":
		app.Kind = "custom SAML 2.0 app"
		app.ID, err = p.Okta.AddSAMLApp(app.Label, okta.AppSettings{ACS: home.String(), RelayState: app.RelayState, Audience: audience})
	case t.Kind == "pingone":
		app.Kind = "SAML application"
		acs := []string{home.String()}
		if plan.everyEndpoint {
			acs = audiences(p.at.regions...)
		}
		app.ID, err = p.PingOne.AddSAMLApp(t.Environment, app.Label, pingone.AppSettings{ACS: acs, RelayState: app.RelayState, EntityID: audience})
		metadata = p.PingOne.Metadata
	default:
		app.Kind = "SAML Custom Connector"
		app.ID, err = p.OneLogin.AddSAMLApp(app.Label, onelogin.AppSettings{ACS: home.String(), RelayState: app.RelayState, Audience: audience, Validator: p.at.validator})
		metadata = p.OneLogin.Metadata
	}
	if err != nil {
		return App{}, nil, err
	}
	text, err := metadata(app.ID)
	return app, text, err
}

// accountSettings are those of Okta's AWS Account Federation app. In partition
// aws its endpoint is the default one, as most have it; elsewhere the default
// is not known, so somebody has typed endpoint and audience in.
func (p *planter) accountSettings(app App) okta.AccountSettings {
	s := okta.AccountSettings{RelayState: app.RelayState, Environment: p.at.environment}
	if p.at.partition != "aws" {
		s.OverrideACS, s.Audience = app.ACS.String(), p.at.partition.EntityID()
	}
	return s
}

// decoyApps makes apps that have to do with AWS and that nobody must move:
// other protocols, IAM Identity Center, Amazon Connect, and one of OneLogin's
// connectors whose endpoint is fixed.
func (p *planter) decoyApps() error {
	p.Okta.AddDecoys()
	_, err := p.OneLogin.AddAWSApp("AWS Sandbox Accounts", onelogin.MultiRole, nil)
	return errors.Join(err, p.OneLogin.AddDecoys(),
		p.PingOne.AddDecoys(pingone.EnvironmentID("prod")), p.PingOne.AddDecoys(pingone.EnvironmentID("test")))
}

// admit adds a person to a tenant, with the apps there.
func (p *planter) admit(t Tenant, u person.User) error {
	switch t.Kind {
	case "pingone":
		return p.PingOne.AddUser(t.Environment, u)
	case "onelogin":
		return p.OneLogin.AddUser(u)
	}
	out := okta.User{Login: u.Login, Password: u.Password, FirstName: u.FirstName, LastName: u.LastName, Apps: map[string]okta.Assignment{}}
	for _, id := range slices.Sorted(maps.Keys(u.Apps)) {
		a := u.Apps[id]
		assigned := okta.Assignment{SourceIdentity: a.SourceIdentity, Tags: a.Tags, SessionDuration: a.SessionDuration}
		for _, r := range a.Roles {
			assigned.Roles = append(assigned.Roles, okta.RolePair(r))
		}
		out.Apps[id] = assigned
	}
	return p.Okta.AddUser(out)
}

// Package seed is for the demo world's contents: one Okta org with two AWS
// apps, three AWS accounts, sixty federated roles of which seven are not ready
// for us-west-2, and some people.
//
// It must never be needed to understand a simulator: everything it does goes
// through calls that other worlds can make as well. It must never import
// product code but signin.
package seed

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/samlfailover/samlfailover/sandbox/aws"
	"github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/signin"
)

// What the demo world is called.
const (
	Tenant   = "acme-okta"
	OktaHost = "acme.okta.com"
	// Provider is the name of the IAM SAML provider in both accounts.
	Provider = "Okta"
	// Federation is the name of the only federation in the written config.
	Federation = "workforce"
	// OwnerTag is the tag by which Terraform's roles are known.
	OwnerTag, OwnerTagValue = "managed-by", "terraform"
)

// Demo says what a demo world holds, so that a story and a test can refer to it
// instead of repeating it. Secrets in it are worth something in this world only.
type Demo struct {
	Tenant, OktaHost, APIToken string
	// Regions are those of the federation, in order of preference; home first.
	Regions    []signin.Region
	Apps       []App
	Accounts   []Account
	Users      []User
	Controller Controller
	Operator   Operator
	// Roles are the federated ones, account by account. Decoys are the ARNs of
	// roles that nobody can federate into.
	Roles  []Role
	Decoys []string
}

// App is a SAML app of the org, with the account that it leads to.
type App struct {
	Label, ID, RelayState string
	ACS                   signin.ACS
	Account, Provider     string // account id, provider ARN
}

// Account is an AWS account that people sign in to.
type Account struct {
	ID, Name, Provider    string
	ScanRole, EnforceRole string // ARNs
}

// Controller is the IAM user of samlfailover: all it may do is assume the scan
// and the enforce roles.
type Controller struct {
	Account, User, AccessKeyID, SecretKey string
}

// Operator is a person's own key in the first account, for foreign tools: it may
// do everything that the simulated IAM and STS can.
type Operator struct {
	Account, User, AccessKeyID, SecretKey string
}

// User is a person. Roles are role ARNs by app label: one leads straight to the
// console, several to the role chooser.
type User struct {
	Login, Password, FirstName, LastName string
	Roles                                map[string][]string
	// Tagged: assertions carry SourceIdentity and session tags.
	Tagged bool
}

// Role is a federated role. NotReady is empty when it admits every Region of
// the demo; else the reason why it does not admit us-west-2. Mendable: a
// provably safe edit of its trust policy can change that.
type Role struct {
	Account, Name, Path, ARN string
	NotReady                 Reason
	Mendable                 bool
}

// NotReady returns the roles that do not admit us-west-2, in order.
func (d Demo) NotReady() []Role {
	var out []Role
	for _, r := range d.Roles {
		if r.NotReady != "" {
			out = append(out, r)
		}
	}
	return out
}

// User finds a person by login; "" is the first.
func (d Demo) User(login string) (User, bool) {
	for _, u := range d.Users {
		if login == "" || u.Login == login {
			return u, true
		}
	}
	return User{}, false
}

// App finds an app by label or id; "" is the first.
func (d Demo) App(name string) (App, bool) {
	for _, a := range d.Apps {
		if name == "" || a.Label == name || a.ID == name {
			return a, true
		}
	}
	return App{}, false
}

// Options change how a demo world is made. NewKey makes the apps' signing keys;
// nil: a new RSA-2048 key each.
type Options struct {
	NewKey func() (*rsa.PrivateKey, error)
}

// Plant fills the cloud, makes the org and says what is there now.
func Plant(cloud *aws.Cloud, o Options) (*okta.Org, Demo, error) {
	d := Demo{Tenant: Tenant, OktaHost: OktaHost, APIToken: "00" + secretText(40),
		Regions: []signin.Region{east, west, europe}}
	org, err := okta.New(okta.Options{Host: d.OktaHost, APIToken: d.APIToken, Tenant: d.Tenant, NewKey: o.NewKey})
	if err != nil {
		return nil, Demo{}, err
	}
	p := planter{cloud: cloud, org: org, demo: &d}
	p.controller()
	for _, a := range accountPlans() {
		if err := p.account(a); err != nil {
			return nil, Demo{}, fmt.Errorf("plant account %s: %w", a.id, err)
		}
	}
	for _, u := range people() {
		if err := p.user(u); err != nil {
			return nil, Demo{}, err
		}
	}
	return org, d, nil
}

const secretAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// secretText returns n random characters, five bits each.
func secretText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = secretAlphabet[b[i]%32]
	}
	return string(b)
}

// Package seed is for the demo world's contents: an Okta org, a PingOne
// organisation with two environments and a OneLogin account with two AWS apps
// each, an AWS organization of nine accounts, federated roles of which seven are not ready for the
// standby Region, and some people. The same world exists in AWS GovCloud (US).
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
	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/sandbox/pingone"
	"github.com/samlfailover/samlfailover/signin"
)

// The tenants of the written config. PingOneOrg is not one: it is what faults
// and the request log call the hosts that both environments share.
const (
	Okta        = "acme-okta"
	PingOneProd = "acme-pingone-prod"
	PingOneTest = "acme-pingone-test"
	OneLogin    = "acme-onelogin"
	PingOneOrg  = "acme-pingone"
)

// What else the demo world is called.
const (
	OktaHost = "acme.okta.com"
	// Federation is the name of the only federation in the written config.
	Federation = "workforce"
	// OwnerTag is the tag by which Terraform's roles are known.
	OwnerTag, OwnerTagValue = "managed-by", "terraform"
)

// Demo says what a demo world holds, so that a story and a test can refer to it
// instead of repeating it. Secrets in it are worth something in this world only.
type Demo struct {
	Partition signin.Partition
	Tenants   []Tenant
	// Regions are those of the federation, in order of preference: home first,
	// then the standby Region.
	Regions    []signin.Region
	Apps       []App
	Accounts   []Account
	Users      []User
	Controller Controller
	Operator   Operator
	// Organization holds every account of the demo.
	Organization Organization
	// Roles are the federated ones, account by account. Decoys are the ARNs of
	// roles that nobody can federate into.
	Roles  []Role
	Decoys []string
}

// Tenant is one tenant of the written config, with the credential that
// samlfailover has in it.
type Tenant struct {
	Name, Kind string // Kind in the config's words: okta, pingone, onelogin
	URL        string // origin of its API
	Portal     string // where its people sign in
	ClientID   string // of PingOne's worker app or OneLogin's credential; "" at Okta
	Secret     string // that belongs to ClientID; Okta: the API token
	// PingOne: the ids of the tenant's environment and of the worker app's, and
	// whether the worker sends its secret in the body.
	Environment, WorkerEnvironment string
	PostsSecret                    bool
	// OneLogin: a second credential, which can do nothing but make assertions.
	AssertionClientID, AssertionSecret string
}

// App is a SAML app of a tenant, with the account that it leads to.
type App struct {
	Label, ID, RelayState string
	Kind                  string // in the vendor's words
	Tenant, Portal        string // the tenant's name, and where its people sign in
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
// console, several to the role chooser. The person exists in the tenants of
// these apps, with the same password.
type User struct {
	Login, Password, FirstName, LastName string
	Roles                                map[string][]string
	// Tagged: assertions carry SourceIdentity and session tags.
	Tagged bool
}

// Role is a federated role. NotReady is empty when it admits every Region of
// the demo; else the reason why it does not admit the standby Region. Mendable:
// a provably safe edit of its trust policy can change that.
type Role struct {
	Account, Name, Path, ARN string
	NotReady                 Reason
	Mendable                 bool
}

// Home is the Region that every app is in at first.
func (d Demo) Home() signin.Region { return d.Regions[0] }

// Standby is the Region that comes next.
func (d Demo) Standby() signin.Region { return d.Regions[1] }

// NotReady returns the roles that do not admit the standby Region, in order.
func (d Demo) NotReady() []Role {
	var out []Role
	for _, r := range d.Roles {
		if r.NotReady != "" {
			out = append(out, r)
		}
	}
	return out
}

// Tenant finds a tenant by name.
func (d Demo) Tenant(name string) (Tenant, bool) {
	for _, t := range d.Tenants {
		if t.Name == name {
			return t, true
		}
	}
	return Tenant{}, false
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

// Options change how a demo world is made.
type Options struct {
	// Partition is aws or aws-us-gov; "" is aws.
	Partition signin.Partition
	// NewKey makes the apps' signing keys; nil: a new RSA-2048 key each.
	NewKey func() (*rsa.PrivateKey, error)
}

// Planted is what Plant made: the identity providers, and what is in them and
// in the cloud.
type Planted struct {
	Okta     *okta.Org
	PingOne  *pingone.Tenant
	OneLogin *onelogin.Tenant
	Demo     Demo
}

// Plant fills the cloud, makes the identity providers and says what is there.
func Plant(cloud *aws.Cloud, o Options) (Planted, error) {
	at, err := placeOf(o.Partition)
	if err != nil {
		return Planted{}, err
	}
	p := planter{cloud: cloud, at: at, Planted: Planted{Demo: Demo{Partition: at.partition, Regions: at.regions}}}
	if err := p.providers(o.NewKey); err != nil {
		return Planted{}, err
	}
	p.controller()
	for _, a := range accountPlans() {
		if err := p.account(a); err != nil {
			return Planted{}, fmt.Errorf("plant account %s: %w", a.id, err)
		}
	}
	if err := p.organization(); err != nil {
		return Planted{}, fmt.Errorf("plant the organization: %w", err)
	}
	if err := p.decoyApps(); err != nil {
		return Planted{}, err
	}
	for _, h := range people() {
		if err := p.user(h); err != nil {
			return Planted{}, err
		}
	}
	return p.Planted, nil
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

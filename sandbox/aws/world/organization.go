package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// The states of an account of an organization (AWS Organizations API Reference,
// Account).
const (
	PendingActivation = "PENDING_ACTIVATION"
	Active            = "ACTIVE"
	Suspended         = "SUSPENDED"
	PendingClosure    = "PENDING_CLOSURE"
	Closed            = "CLOSED"
)

// Organization is an AWS organization: a root with organizational units below
// it, and accounts in root and units. Member accounts need not exist in the
// cloud otherwise: a closed one has no IAM any more.
type Organization struct {
	cloud      *Cloud
	partition  signin.Partition
	id, root   string
	management string
	units      map[string]Unit
	members    map[string]Member
	delegates  map[string]bool
	empty      bool
}

// Unit is an organizational unit.
type Unit struct{ ID, Name, Parent string }

// Member is an account of an organization. AddMember fills Email, State and
// Joined when they are empty.
type Member struct {
	ID, Name, Email, State, Parent string
	Tags                           map[string]string
	Joined                         time.Time
}

func (m Member) clone() Member {
	m.Tags = maps.Clone(m.Tags)
	return m
}

// AddOrganization makes the organization that an account manages, or returns
// the one that it is in already.
func (c *Cloud) AddOrganization(management *Account) *Organization {
	if o, ok := c.OrganizationOf(management.partition, management.id); ok {
		return o
	}
	o := &Organization{cloud: c, partition: management.partition, management: management.id, id: "o-" + strings.ToLower(newID("", 10)),
		root: "r-" + strings.ToLower(newID("", 4)), units: map[string]Unit{}, members: map[string]Member{}, delegates: map[string]bool{}}
	c.mu.Lock()
	c.organizations = append(c.organizations, o)
	c.mu.Unlock()
	o.AddMember(Member{ID: management.id, Name: management.name})
	return o
}

// OrganizationOf finds the organization that an account is in.
func (c *Cloud) OrganizationOf(p signin.Partition, account string) (*Organization, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.organizations {
		if _, in := o.members[account]; in && o.partition == p {
			return o, true
		}
	}
	return nil, false
}

// ID, Root and Management name the organization, its root and its management
// account.
func (o *Organization) ID() string { return o.id }

// Root returns the id of the root, "r-...".
func (o *Organization) Root() string { return o.root }

// Management returns the id of the management account.
func (o *Organization) Management() string { return o.management }

// AddUnit makes an organizational unit below root or unit and returns its id. It
// panics when there is no such parent: a mistake in the code that seeds a world.
func (o *Organization) AddUnit(parent, name string) string {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	o.mustHave(parent)
	u := Unit{ID: "ou-" + o.root[2:] + "-" + strings.ToLower(newID("", 8)), Name: name, Parent: parent}
	o.units[u.ID] = u
	return u.ID
}

// AddMember puts an account into the organization, into the root unless Parent
// says otherwise; one that is there already is replaced. It panics as AddUnit
// does.
func (o *Organization) AddMember(m Member) {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	m = m.clone()
	if m.Parent == "" {
		m.Parent = o.root
	}
	o.mustHave(m.Parent)
	if m.State == "" {
		m.State = Active
	}
	if m.Email == "" {
		m.Email = "aws+" + m.ID + "@acme.example"
	}
	if m.Joined.IsZero() {
		m.Joined = now().Truncate(time.Second)
	}
	o.members[m.ID] = m
}

func (o *Organization) mustHave(parent string) {
	if _, ok := o.units[parent]; !ok && parent != o.root {
		panic(fmt.Sprintf("organization %s has no root or unit %s", o.id, parent))
	}
}

// ChangeMember applies f to an account of the organization; ok is false when it
// is not in it.
func (o *Organization) ChangeMember(id string, f func(*Member)) (ok bool) {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	m, ok := o.members[id]
	if ok {
		m = m.clone()
		f(&m)
		o.members[id] = m
	}
	return ok
}

// Delegate lets a member account call the organization's APIs as the management
// account may: a delegated administrator.
func (o *Organization) Delegate(id string) {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	o.delegates[id] = true
}

// MayRead reports whether an account's identities may list the organization at
// all: those of the management account and of delegated administrators.
func (o *Organization) MayRead(account string) bool {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	return account == o.management || o.delegates[account]
}

// SetEmptyPages puts an empty page before each page of a listing, which AWS
// reserves the right to do (AWS Organizations API Reference, ListAccounts).
func (o *Organization) SetEmptyPages(on bool) {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	o.empty = on
}

// EmptyPages reports the choice of SetEmptyPages.
func (o *Organization) EmptyPages() bool {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	return o.empty
}

// Members returns every account in the order of the ids.
func (o *Organization) Members() []Member {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	var out []Member
	for _, id := range slices.Sorted(maps.Keys(o.members)) {
		out = append(out, o.members[id].clone())
	}
	return out
}

// Member finds an account of the organization.
func (o *Organization) Member(id string) (Member, bool) {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	m, ok := o.members[id]
	return m.clone(), ok
}

// Units returns the organizational units directly below a parent in the order
// of their names.
func (o *Organization) Units(parent string) []Unit {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	var out []Unit
	for _, u := range o.units {
		if u.Parent == parent {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b Unit) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return out
}

// Has reports whether root or unit exists.
func (o *Organization) Has(parent string) bool {
	o.cloud.mu.Lock()
	defer o.cloud.mu.Unlock()
	_, ok := o.units[parent]
	return ok || parent == o.root
}

// ARN names something of the organization: kind is organization, account, root
// or ou.
func (o *Organization) ARN(kind, id string) string {
	arn := "arn:" + string(o.partition) + ":organizations::" + o.management + ":" + kind + "/" + o.id
	if kind != "organization" {
		arn += "/" + id
	}
	return arn
}

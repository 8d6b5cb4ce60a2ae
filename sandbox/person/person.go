// Package person is for the people that a simulated identity provider knows:
// who they are, and what each may do in AWS through which app.
//
// It must never know a vendor's words, and never import product code.
package person

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/samlfailover/samlfailover/sandbox/portal"
)

// User is a person with app assignments by app id.
type User struct {
	Login, Password, FirstName, LastName string
	Apps                                 map[string]Assignment
}

// Assignment is what a provider knows of a person in one AWS app. Roles are
// sent where the app asks for them; the other fields are sent when set, unless
// an attribute that the app is configured to send has the same name.
type Assignment struct {
	Roles           []RolePair
	SourceIdentity  string
	Tags            map[string]string // session tags, sent as PrincipalTag
	TransitiveTags  []string          // keys of Tags that stay on through role chains
	SessionDuration int               // seconds
}

// RolePair is one AWS role with the SAML provider of its account, both ARNs.
type RolePair struct{ Role, Provider string }

// AWSAttribute is the prefix of the SAML attribute names of AWS (IAM User
// Guide, "Configure SAML assertions for the authentication response").
const AWSAttribute = "https://aws.amazon.com/SAML/Attributes/"

const uriFormat = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"

// RoleValues are the values of AWS's Role attribute.
func (a Assignment) RoleValues() []string {
	out := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		out[i] = r.Role + "," + r.Provider
	}
	return out
}

// Complete adds to what an app sends the rest of the assignment: whatever is
// set and not sent under the same name. Attributes without values are dropped.
func (a Assignment) Complete(sent []portal.Attribute) []portal.Attribute {
	out := slices.DeleteFunc(slices.Clone(sent), func(at portal.Attribute) bool { return len(at.Values) == 0 })
	add := func(name string, values ...string) {
		taken := slices.ContainsFunc(out, func(at portal.Attribute) bool { return at.Name == AWSAttribute+name })
		if values = slices.DeleteFunc(values, func(v string) bool { return v == "" }); len(values) > 0 && !taken {
			out = append(out, portal.Attribute{Name: AWSAttribute + name, Format: uriFormat, Values: values})
		}
	}
	add("SourceIdentity", a.SourceIdentity)
	if a.SessionDuration > 0 {
		add("SessionDuration", strconv.Itoa(a.SessionDuration))
	}
	for _, k := range slices.Sorted(maps.Keys(a.Tags)) {
		add("PrincipalTag:"+k, a.Tags[k])
	}
	add("TransitiveTagKeys", slices.Clone(a.TransitiveTags)...)
	return out
}

// Directory holds people by login, whose letter case does not matter. The zero
// value is empty and ready; it is safe for concurrent use.
type Directory struct {
	mu    sync.Mutex
	users map[string]User
}

// Add takes a person in; false: the login is taken, or login or password is
// empty.
func (d *Directory) Add(u User) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := strings.ToLower(u.Login)
	if _, taken := d.users[key]; taken || u.Login == "" || u.Password == "" {
		return false
	}
	if d.users == nil {
		d.users = map[string]User{}
	}
	u.Apps = maps.Clone(u.Apps)
	d.users[key] = u
	return true
}

// Find returns a person.
func (d *Directory) Find(login string) (User, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.users[strings.ToLower(login)]
	return u, ok
}

// Authenticate compares the password and returns the login as it was added.
func (d *Directory) Authenticate(login, password string) (canonical string, ok bool) {
	u, ok := d.Find(login)
	return u.Login, ok && u.Password == password
}

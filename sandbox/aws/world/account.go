package world

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/samlfailover/samlfailover/signin"
)

// DefaultTrustQuota is the default "role trust policy length" (IAM User Guide,
// "IAM and AWS STS quotas").
const DefaultTrustQuota = 2048

// Account is one AWS account.
type Account struct {
	cloud        *Cloud
	id, name     string
	partition    signin.Partition
	quota        int
	tokenVersion int
	listCap      int
	compact      bool
	delay        time.Duration // until a written trust policy is visible
	tagsDenied   bool
	limiter      *rate.Limiter
	roles        map[string]*Role // by lower-case name: IAM names are unique whatever the case
	providers    map[string]*Provider
	regions      map[signin.Region]bool // opt-in Regions that are enabled
	tally        Tally
}

// Role is an IAM role. Allow lists the API actions that its sessions may call
// ("iam:ListRoles", "iam:*", "*"). PutRole fills ID, Created, Path and MaxSession (seconds) when
// they are empty.
type Role struct {
	Name, Path, Trust string
	Tags              map[string]string
	MaxSession        int
	Allow             []string

	Description string
	ID          string
	Created     time.Time
	pending     []draft // written trust policies that are not visible yet, oldest first
	account     string
	partition   signin.Partition
}

// ARN returns the role's ARN.
func (r Role) ARN() string {
	return "arn:" + string(r.partition) + ":iam::" + r.account + ":role" + r.Path + r.Name
}

func (r Role) clone() Role {
	r.Tags, r.Allow = maps.Clone(r.Tags), slices.Clone(r.Allow)
	return r
}

// Protected reports whether only AWS may change the role: service-linked and
// Identity Center roles, by path.
func (r Role) Protected() bool {
	return strings.HasPrefix(r.Path, "/aws-service-role/") || strings.HasPrefix(r.Path, "/aws-reserved/")
}

// ID, Name and Partition say which account this is.
func (a *Account) ID() string { return a.id }

// Name returns the account's alias, shown by the role chooser.
func (a *Account) Name() string { return a.name }

// Partition returns the account's partition.
func (a *Account) Partition() signin.Partition { return a.partition }

// PutRole stores a role as it is, without IAM's validation: a world may need
// odd documents that exist already. It replaces a role of the same name and
// keeps its ID and creation time.
func (a *Account) PutRole(r Role) error {
	if r.Name == "" || len(r.Name) > 64 {
		return fmt.Errorf("put a role into account %s: the name %q is not 1 to 64 characters", a.id, r.Name)
	}
	if r.Path == "" {
		r.Path = "/"
	}
	if !strings.HasPrefix(r.Path, "/") || !strings.HasSuffix(r.Path, "/") {
		return fmt.Errorf("put role %s into account %s: the path %q does not begin and end with /", r.Name, a.id, r.Path)
	}
	if r.MaxSession == 0 {
		r.MaxSession = 3600
	}
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	r = r.clone()
	r.account, r.partition = a.id, a.partition
	if old := a.roles[strings.ToLower(r.Name)]; old != nil {
		r.ID, r.Created = old.ID, old.Created
	}
	if r.ID == "" {
		r.ID, r.Created = newID("AROA", 17), now().Truncate(time.Second)
	}
	a.roles[strings.ToLower(r.Name)] = &r
	return nil
}

// CreateRole is PutRole for a name that must be free; ok is false otherwise.
func (a *Account) CreateRole(r Role) (created Role, ok bool, err error) {
	if _, taken := a.Role(r.Name); taken {
		return Role{}, false, nil
	}
	if err := a.PutRole(r); err != nil {
		return Role{}, false, err
	}
	created, _ = a.Role(r.Name)
	return created, true, nil
}

// ChangeRole applies f to the stored role under the lock; ok is false when
// there is none.
func (a *Account) ChangeRole(name string, f func(*Role)) (ok bool) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	r := a.roles[strings.ToLower(name)]
	if r == nil {
		return false
	}
	r.settle(now())
	trust := r.Trust
	f(r)
	if r.Trust != trust {
		r.pending = nil // the newest write wins
	}
	return true
}

// DeleteRole removes a role; ok is false when there is none. Trust policies that
// name it show its id from then on (IAM User Guide, "AWS JSON policy elements:
// Principal").
func (a *Account) DeleteRole(name string) (ok bool) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	name = strings.ToLower(name)
	gone := a.roles[name]
	if gone == nil {
		return false
	}
	delete(a.roles, name)
	for _, acc := range a.cloud.accounts {
		for _, r := range acc.roles {
			r.forget(*gone)
		}
	}
	return true
}

// Role finds a role by name, whatever its case.
func (a *Account) Role(name string) (Role, bool) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	r := a.roles[strings.ToLower(name)]
	if r == nil {
		return Role{}, false
	}
	r.settle(now())
	return r.clone(), true
}

// Roles returns all roles in IAM's listing order: by path, then name.
func (a *Account) Roles() []Role {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	out := make([]Role, 0, len(a.roles))
	at := now()
	for _, r := range a.roles {
		r.settle(at)
		out = append(out, r.clone())
	}
	slices.SortFunc(out, func(x, y Role) int { return strings.Compare(x.Path+x.Name, y.Path+y.Name) })
	return out
}

// SetTrustQuota sets the account's trust-policy quota in characters.
func (a *Account) SetTrustQuota(n int) { a.set(func() { a.quota = n }) }

// TrustQuota returns the account's trust-policy quota.
func (a *Account) TrustQuota() int { return get(a, func() int { return a.quota }) }

// SetGlobalTokenVersion chooses the kind of session token that the global STS
// endpoint issues: 1 (valid in default Regions only) or 2.
func (a *Account) SetGlobalTokenVersion(v int) { a.set(func() { a.tokenVersion = v }) }

// GlobalTokenVersion returns 1 or 2.
func (a *Account) GlobalTokenVersion() int { return get(a, func() int { return a.tokenVersion }) }

// SetListCap makes ListRoles return at most n roles a page whatever was asked,
// which IAM reserves the right to do; 0 lifts the cap.
func (a *Account) SetListCap(n int) { a.set(func() { a.listCap = n }) }

// ListCap returns the cap of SetListCap.
func (a *Account) ListCap() int { return get(a, func() int { return a.listCap }) }

// SetCompactDocuments makes IAM re-serialise trust policies without white space
// when they are written; otherwise it keeps them as given.
func (a *Account) SetCompactDocuments(on bool) { a.set(func() { a.compact = on }) }

// CompactDocuments reports the choice of SetCompactDocuments.
func (a *Account) CompactDocuments() bool { return get(a, func() bool { return a.compact }) }

// SetTagsDenied makes the account refuse what shows a role's tags, GetRole and
// ListRoleTags, as a service control policy would.
func (a *Account) SetTagsDenied(on bool) { a.set(func() { a.tagsDenied = on }) }

// TagsDenied reports the choice of SetTagsDenied.
func (a *Account) TagsDenied() bool { return get(a, func() bool { return a.tagsDenied }) }

// SetThrottle limits IAM calls in this account to a token bucket: perSecond
// refilled, burst at once. perSecond <= 0 lifts the limit.
func (a *Account) SetThrottle(perSecond float64, burst int) {
	a.set(func() {
		a.limiter = nil
		if perSecond > 0 {
			a.limiter = rate.NewLimiter(rate.Limit(perSecond), burst)
		}
	})
}

// TakeToken reports whether an IAM call may go ahead now.
func (a *Account) TakeToken() bool {
	l := get(a, func() *rate.Limiter { return a.limiter })
	return l == nil || l.Allow()
}

// EnableRegion opts the account in to a Region.
func (a *Account) EnableRegion(r signin.Region) { a.set(func() { a.regions[r] = true }) }

// RegionEnabled reports whether the account may use STS in a Region: every
// default Region, and the opt-in Regions it has enabled.
func (a *Account) RegionEnabled(r signin.Region) bool {
	e, _ := r.Endpoint()
	return !e.OptIn || get(a, func() bool { return a.regions[r] })
}

func (a *Account) set(f func()) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	f()
}

func get[T any](a *Account, f func() T) T {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	return f()
}

package world

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// Identity is who calls an API: a user with an access key, or a role session.
type Identity struct {
	Partition signin.Partition
	Account   string
	ARN       string // arn:..:iam::..:user/name or arn:..:sts::..:assumed-role/role/session
	UserID    string
	RoleARN   string // "" for a user
	Source    string // SourceIdentity of a session
	Allow     []string
	// DefaultRegionsOnly marks the session tokens of the global STS endpoint
	// (version 1), which opt-in Regions refuse.
	DefaultRegionsOnly bool
}

// May reports whether the identity's list of allowed actions has this one.
func (i Identity) May(action string) bool {
	service, _, _ := strings.Cut(action, ":")
	return slices.ContainsFunc(i.Allow, func(a string) bool {
		return a == "*" || strings.EqualFold(a, action) || strings.EqualFold(a, service+":*")
	})
}

// Names returns every name by which a trust policy may call this identity.
func (i Identity) Names() []string {
	out := []string{i.ARN, "arn:" + string(i.Partition) + ":iam::" + i.Account + ":root", i.Account}
	if i.RoleARN != "" {
		out = append(out, i.RoleARN)
	}
	return out
}

// PrincipalByARN returns a user that has an access key, or a role, with what its
// policies allow.
func (c *Cloud) PrincipalByARN(arn string) (Identity, bool) {
	if _, r, ok := c.RoleByARN(arn); ok {
		return Identity{Partition: r.partition, Account: r.account, ARN: arn, RoleARN: arn, Allow: r.Allow}, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.keys {
		if k.who.RoleARN == "" && k.who.ARN == arn {
			return k.who, true
		}
	}
	return Identity{}, false
}

// Credentials are what STS hands out. Token is "" for long-lived keys.
type Credentials struct {
	AccessKeyID, SecretKey, Token string
	Expires                       time.Time // zero: never
}

type key struct {
	Credentials
	who Identity
}

// AddAccessKey gives a user of the account a long-lived key; allow lists the
// actions that the user may call.
func (a *Account) AddAccessKey(user, accessKeyID, secretKey string, allow []string) {
	who := Identity{Partition: a.partition, Account: a.id, Allow: slices.Clone(allow), UserID: newID("AIDA", 17),
		ARN: "arn:" + string(a.partition) + ":iam::" + a.id + ":user/" + user}
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	a.cloud.keys[accessKeyID] = &key{Credentials{AccessKeyID: accessKeyID, SecretKey: secretKey}, who}
}

// HasUser reports whether a user with this ARN has an access key.
func (c *Cloud) HasUser(arn string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.keys {
		if k.who.RoleARN == "" && k.who.ARN == arn {
			return true
		}
	}
	return false
}

// Session describes a role session to issue.
type Session struct {
	Role               Role
	Name, Source       string
	Lifetime           time.Duration
	Allow              []string
	DefaultRegionsOnly bool
}

// Identity is who the session is.
func (s Session) Identity() Identity {
	r := s.Role
	return Identity{Partition: r.partition, Account: r.account, RoleARN: r.ARN(), Source: s.Source,
		Allow: slices.Clone(s.Allow), DefaultRegionsOnly: s.DefaultRegionsOnly, UserID: r.ID + ":" + s.Name,
		ARN: "arn:" + string(r.partition) + ":sts::" + r.account + ":assumed-role/" + r.Name + "/" + s.Name}
}

// Issue makes temporary credentials for a role session.
func (c *Cloud) Issue(s Session) (Credentials, Identity) {
	cred, who := Credentials{newID("ASIA", 16), randomText(30), randomText(180), now().Add(s.Lifetime).Truncate(time.Second)}, s.Identity()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keySweep.due(len(c.keys)) {
		maps.DeleteFunc(c.keys, func(_ string, k *key) bool { return !k.Expires.IsZero() && k.Expires.Add(time.Hour).Before(now()) })
	}
	c.keys[cred.AccessKeyID] = &key{cred, who}
	return cred, who
}

// Key finds credentials and their owner by access key id, also expired ones.
func (c *Cloud) Key(p signin.Partition, accessKeyID string) (Credentials, Identity, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keys[accessKeyID]
	if k == nil || k.who.Partition != p {
		return Credentials{}, Identity{}, false
	}
	return k.Credentials, k.who, true
}

// Console is a signed-in browser.
type Console struct {
	Who      Identity
	Role     string // role name
	Session  string // role session name
	SignInAt signin.Region
	Expires  time.Time
}

// OpenConsole stores a console session and returns the token of its cookie.
func (c *Cloud) OpenConsole(s Console) (token string) {
	token = randomText(32)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consoleSweep.due(len(c.consoles)) {
		maps.DeleteFunc(c.consoles, func(_ string, old Console) bool { return !now().Before(old.Expires) })
	}
	c.consoles[token] = s
	return token
}

// ConsoleSession finds a console session that has not expired.
func (c *Cloud) ConsoleSession(p signin.Partition, token string) (Console, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.consoles[token]
	return s, ok && s.Who.Partition == p && now().Before(s.Expires)
}

// CloseConsole forgets a console session.
func (c *Cloud) CloseConsole(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.consoles, token)
}

// VisitRegion remembers the Region of the console page that a principal saw.
func (c *Cloud) VisitRegion(arn string, r signin.Region) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last[arn] = r
}

// LastRegion returns the Region of VisitRegion.
func (c *Cloud) LastRegion(arn string) (signin.Region, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.last[arn]
	return r, ok
}

// sweep says when it is worth looking for expired entries: each time a map has
// doubled, so that the cost of an insertion stays constant on average.
type sweep struct{ next int }

func (s *sweep) due(size int) bool {
	if size < s.next {
		return false
	}
	s.next = 2*size + 1000
	return true
}

// randomText returns n random bytes as URL-safe text.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

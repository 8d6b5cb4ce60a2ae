package world

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// Strictness holds the switches for behaviour of AWS that nobody has verified.
// The zero value is the strictest world; every switch makes it more lenient.
type Strictness struct {
	// AcceptSHA1 admits SHA-1 in signatures and digests.
	AcceptSHA1 bool
	// AcceptForeignRecipient lets a sign-in host accept an assertion whose
	// Recipient (or Destination) is another accepted endpoint of the partition.
	AcceptForeignRecipient bool
	// AcceptSignedResponse admits a response signature alone, without a
	// signature on the assertion itself.
	AcceptSignedResponse bool
	// AcceptRegionalAudience admits any Regional sign-in URL as Audience, not
	// only the URN and the partition's bare sign-in URL.
	AcceptRegionalAudience bool
}

// Cloud is all of the simulated AWS.
type Cloud struct {
	mu         sync.Mutex
	accounts   map[string]*Account
	keys       map[string]*key
	consoles   map[string]Console
	last       map[string]signin.Region // console Region a principal saw last
	strictness Strictness

	organizations []*Organization

	keySweep, consoleSweep sweep
}

// New returns a cloud without accounts.
func New() *Cloud {
	return &Cloud{accounts: map[string]*Account{}, keys: map[string]*key{},
		consoles: map[string]Console{}, last: map[string]signin.Region{}}
}

// SetStrictness changes the switches for all later requests.
func (c *Cloud) SetStrictness(s Strictness) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.strictness = s
}

// Strictness returns the switches in force.
func (c *Cloud) Strictness() Strictness {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.strictness
}

// AddAccount adds an account to the partition aws.
func (c *Cloud) AddAccount(id, name string) *Account { return c.AddAccountIn(signin.AWS, id, name) }

// AddAccountIn adds an account, or returns the one that has this id already. It
// panics when id is not 12 digits or belongs to another partition: both are
// mistakes in the code that seeds a world.
func (c *Cloud) AddAccountIn(p signin.Partition, id, name string) *Account {
	if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
		panic(fmt.Sprintf("AWS account id %q is not 12 digits", id))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.accounts[id]; a != nil {
		if a.partition != p {
			panic(fmt.Sprintf("AWS account %s is in partition %s already", id, a.partition))
		}
		return a
	}
	a := &Account{cloud: c, id: id, name: name, partition: p, quota: DefaultTrustQuota, tokenVersion: 1,
		roles: map[string]*Role{}, providers: map[string]*Provider{}, regions: map[signin.Region]bool{}}
	c.accounts[id] = a
	return a
}

// Account finds an account of a partition.
func (c *Cloud) Account(p signin.Partition, id string) (*Account, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts[id]
	if a == nil || a.partition != p {
		return nil, false
	}
	return a, true
}

// Accounts returns all accounts in the order of their ids.
func (c *Cloud) Accounts() []*Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*Account
	for _, id := range slices.Sorted(maps.Keys(c.accounts)) {
		out = append(out, c.accounts[id])
	}
	return out
}

// ProviderByID finds a SAML provider of a partition by its SAMLProviderUUID.
func (c *Cloud) ProviderByID(p signin.Partition, uuid string) (Provider, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.accounts {
		for _, pr := range a.providers {
			if a.partition == p && pr.UUID == uuid {
				return *pr, true
			}
		}
	}
	return Provider{}, false
}

// RoleByARN finds a role by its whole ARN, which is case-sensitive.
func (c *Cloud) RoleByARN(arn string) (*Account, Role, bool) {
	a, ok := ParseARN(arn)
	if !ok || a.Service != "iam" || a.Kind != "role" {
		return nil, Role{}, false
	}
	acc, ok := c.Account(a.Partition, a.Account)
	if !ok {
		return nil, Role{}, false
	}
	r, ok := acc.Role(a.Name())
	if !ok || r.ARN() != arn {
		return nil, Role{}, false
	}
	return acc, r, true
}

// ProviderByARN finds a SAML provider by its whole ARN.
func (c *Cloud) ProviderByARN(arn string) (Provider, bool) {
	a, ok := ParseARN(arn)
	if !ok || a.Service != "iam" || a.Kind != "saml-provider" {
		return Provider{}, false
	}
	acc, ok := c.Account(a.Partition, a.Account)
	if !ok {
		return Provider{}, false
	}
	return acc.Provider(a.Path)
}

// ARN is an ARN of IAM or STS taken apart: arn:aws:iam::123456789012:role/a/b
// has Kind "role" and Path "a/b".
type ARN struct {
	Partition  signin.Partition
	Service    string
	Account    string
	Kind, Path string
	original   string
}

// ParseARN takes an IAM or STS ARN apart.
func ParseARN(s string) (ARN, bool) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[3] != "" || len(p[4]) != 12 || strings.Trim(p[4], "0123456789") != "" {
		return ARN{}, false
	}
	kind, path, _ := strings.Cut(p[5], "/")
	a := ARN{Partition: signin.Partition(p[1]), Service: p[2], Account: p[4], Kind: kind, Path: path, original: s}
	return a, slices.Contains(signin.Partitions(), a.Partition) && (a.Service == "iam" || a.Service == "sts")
}

// Name is the last part of the path.
func (a ARN) Name() string { return a.Path[strings.LastIndexByte(a.Path, '/')+1:] }

// String returns the ARN.
func (a ARN) String() string { return a.original }

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID returns a unique id of AWS's shape: a prefix and n random characters.
func newID(prefix string, n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	for i := range b {
		b[i] = idAlphabet[b[i]%32]
	}
	return prefix + string(b)
}

func now() time.Time { return time.Now().UTC() }

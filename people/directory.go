package people

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SlackUser is one user of one Slack workspace (spec 13.2).
type SlackUser struct{ Team, User string }

// Subject is one user as an OIDC issuer names it.
type Subject struct{ Issuer, Subject string }

// CertificateID names a client certificate: by the SHA-256 of its DER form in
// hex, or by its subject as RFC 2253 writes it. One of the two is empty.
type CertificateID struct{ Fingerprint, Subject string }

// Person is one person with every identity that is theirs.
type Person struct {
	Name         string
	Grants       Grants
	Tokens       []Digest
	Slack        []SlackUser
	OIDC         []Subject
	Certificates []CertificateID
	OSUsers      []string
}

// Shared is a token of a machine or of several people.
type Shared struct {
	Name   string
	Grants Grants
	Tokens []Digest
}

// Principal is another system that calls a hook.
type Principal struct {
	Name   string
	Grants Grants
}

// Issuer is an OIDC issuer. What it vouches for counts in its Federations only
// (Everywhere: in all), and never for more than Highest. Groups are the roles of
// those whom no person is mapped to, by group.
type Issuer struct {
	URL         string
	Federations []string
	Highest     Role
	Groups      map[string]Grants
}

// Settings are what a Directory is made of.
type Settings struct {
	People  []Person
	Shared  []Shared
	Hooks   []Principal
	Issuers []Issuer
}

// Directory knows who is who. A nil Directory knows nobody but local OS users.
// Read-only once made, so safe for concurrent use.
type Directory struct {
	tokens  []tokenOf
	slack   map[SlackUser]Person
	oidc    map[Subject]Person
	prints  map[string]Person
	names   map[string]Person // by certificate subject
	os      map[string]Person
	hooks   map[string]Principal
	issuers map[string]Issuer
}

// tokenOf is one token and whom it lets in.
type tokenOf struct {
	digest Digest
	caller Caller
}

// NewDirectory makes a directory. An identity that two people have, or a name
// that stands twice, is refused.
func NewDirectory(s Settings) (*Directory, error) {
	d := &Directory{slack: map[SlackUser]Person{}, oidc: map[Subject]Person{}, prints: map[string]Person{}, names: map[string]Person{},
		os: map[string]Person{}, hooks: map[string]Principal{}, issuers: map[string]Issuer{}}
	named := map[string]bool{}
	var errs []error
	name := func(n string) {
		if n == "" || named[n] {
			errs = append(errs, fmt.Errorf("the name %q is empty or stands twice among people and tokens", n))
		}
		named[n] = true
	}
	for _, p := range s.People {
		name(p.Name)
		errs = append(errs, d.add(p))
	}
	for _, t := range s.Shared {
		name(t.Name)
		for _, g := range t.Tokens {
			errs = append(errs, d.token(g, Caller{Name: t.Name, Way: SharedToken, ID: t.Name, Grants: t.Grants}))
		}
	}
	for _, h := range s.Hooks {
		errs = append(errs, once(d.hooks, h.Name, h, "hook "+h.Name))
	}
	for _, i := range s.Issuers {
		errs = append(errs, once(d.issuers, i.URL, i, "issuer "+i.URL))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("make the directory of people: %w", err)
	}
	return d, nil
}

// add takes up one person.
func (d *Directory) add(p Person) error {
	var errs []error
	for i, g := range p.Tokens {
		errs = append(errs, d.token(g, Caller{Person: p.Name, Name: p.Name, Way: Token, ID: fmt.Sprintf("token %d", i+1), Grants: p.Grants}))
	}
	for _, u := range p.Slack {
		errs = append(errs, once(d.slack, u, p, "Slack user "+u.Team+"/"+u.User))
	}
	for _, s := range p.OIDC {
		errs = append(errs, once(d.oidc, s, p, "subject "+s.Subject+" of "+s.Issuer))
	}
	for _, c := range p.Certificates {
		if c.Fingerprint != "" {
			errs = append(errs, once(d.prints, plainHex(c.Fingerprint), p, "certificate "+c.Fingerprint))
		} else {
			errs = append(errs, once(d.names, c.Subject, p, "certificate subject "+c.Subject))
		}
	}
	for _, u := range p.OSUsers {
		errs = append(errs, once(d.os, u, p, "OS user "+u))
	}
	return errors.Join(errs...)
}

// token takes up one token.
func (d *Directory) token(g Digest, c Caller) error {
	if slices.ContainsFunc(d.tokens, func(t tokenOf) bool { return t.digest == g }) {
		return fmt.Errorf("a token of %s is somebody's already", c.Name)
	}
	d.tokens = append(d.tokens, tokenOf{g, c})
	return nil
}

// once puts a value under a key that must be free.
func once[K comparable, V any](m map[K]V, k K, v V, what string) error {
	if _, taken := m[k]; taken {
		return fmt.Errorf("%s stands twice: an identity is one person's", what)
	}
	m[k] = v
	return nil
}

// plainHex writes a fingerprint without colons, in lower case.
func plainHex(text string) string { return strings.ToLower(strings.ReplaceAll(text, ":", "")) }

// caller is a person who has come in by a way.
func (p Person) caller(way Way, id string) Caller {
	return Caller{Person: p.Name, Name: p.Name, Way: way, ID: id, Grants: p.Grants}
}

// Token returns whom a token lets in. It takes the same time for every token of
// the right length, whoever's it is or is not.
func (d *Directory) Token(presented string) (Caller, bool) {
	if d == nil || CheckToken(presented) != nil {
		return Caller{}, false
	}
	got, found := sha256.Sum256([]byte(presented)), -1
	for i, t := range d.tokens {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(got[:], t.digest[:]), i, found)
	}
	if found < 0 {
		return Caller{}, false
	}
	return d.tokens[found].caller, true
}

// Slack returns whom a Slack user is, once Slack's signature was checked.
func (d *Directory) Slack(team, user string) (Caller, bool) {
	if d == nil {
		return Caller{}, false
	}
	p, ok := d.slack[SlackUser{team, user}]
	return p.caller(Slack, team+"/"+user), ok
}

// OIDC returns whom an issuer has named, once its token was checked: a person
// with no more than the issuer may give, or somebody of a group that has roles,
// who is no person.
func (d *Directory) OIDC(issuer, subject string, groups []string) (Caller, bool) {
	if d == nil {
		return Caller{}, false
	}
	i, known := d.issuers[issuer]
	if !known || subject == "" {
		return Caller{}, false
	}
	if p, ok := d.oidc[Subject{issuer, subject}]; ok {
		c := p.caller(OIDC, subject)
		c.Grants = i.limit(p.Grants)
		return c, true
	}
	grants := Grants{}
	for _, g := range groups {
		for f, r := range i.Groups[g] {
			if !grants.In(f).Includes(r) {
				grants[f] = r
			}
		}
	}
	if grants = i.limit(grants); len(grants) == 0 {
		return Caller{}, false
	}
	return Caller{Name: subject, Way: OIDC, ID: subject, Grants: grants}, true
}

// limit cuts grants down to what the issuer may vouch for. An issuer without
// federations or a highest role vouches for nothing.
func (i Issuer) limit(g Grants) Grants {
	switch {
	case !i.Highest.Includes(Viewer) || len(i.Federations) == 0:
		return Grants{}
	case slices.Contains(i.Federations, Everywhere):
		return g.Limited(nil, i.Highest)
	}
	return g.Limited(i.Federations, i.Highest)
}

// Certificate returns whose a client certificate is, once its chain was checked:
// by its fingerprint (SHA-256, hex), else by its subject (RFC 2253).
func (d *Directory) Certificate(fingerprint, subject string) (Caller, bool) {
	if d == nil {
		return Caller{}, false
	}
	print := plainHex(fingerprint)
	p, ok := d.prints[print]
	if !ok && subject != "" {
		p, ok = d.names[subject]
	}
	return p.caller(Certificate, print), ok
}

// Hook returns the system that calls a hook, once its signature was checked.
func (d *Directory) Hook(name string) (Caller, bool) {
	if d == nil {
		return Caller{}, false
	}
	h, ok := d.hooks[name]
	return Caller{Name: h.Name, Way: Hook, ID: h.Name, Grants: h.Grants}, ok
}

// Local returns the OS user who uses this machine's own socket or files: an
// admin, because whoever can open them has the keys already, and the person whose
// OS user it is, if there is one.
func (d *Directory) Local(user string, way Way) Caller {
	c := Local(user, way)
	if d == nil {
		return c
	}
	if p, ok := d.os[user]; ok {
		c.Person, c.Name = p.Name, p.Name
	}
	return c
}

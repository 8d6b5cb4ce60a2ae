package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/spelling"
)

// Person is one person: the roles, and every identity that is theirs. All of
// them together are one person, who counts once (spec 13.2).
type Person struct {
	Name         string          `yaml:"name" required:"true" pattern:"name" doc:"The person's name, as records and messages show it."`
	Roles        []RoleIn        `yaml:"roles" required:"true" min:"1" max:"200" doc:"What the person may do, and where."`
	Tokens       []people.Digest `yaml:"tokens" unique:"true" max:"10" pattern:"digest" doc:"Digests of the person's own tokens (samlfailover token new). Each approver should have one: it works when Slack and every identity provider are down."`
	Slack        []SlackUser     `yaml:"slack" max:"10" doc:"The person's Slack users, one per workspace."`
	OIDC         []OIDCSubject   `yaml:"oidc" max:"10" doc:"The person as OIDC issuers name them."`
	Certificates []Certificate   `yaml:"certificates" max:"10" doc:"The person's TLS client certificates."`
	OSUsers      []string        `yaml:"os_users" unique:"true" max:"10" pattern:"osuser" doc:"The person's OS users on the controllers' machines, for commands over the local socket."`
}

// RoleIn is a role and where it holds.
type RoleIn struct {
	Role        string   `yaml:"role" required:"true" enum:"viewer,operator,approver,admin" doc:"viewer looks; operator also asks for moves, undo, pause and lock; approver also decides on what others propose; admin does everything."`
	Federations []string `yaml:"federations" unique:"true" max:"200" doc:"Where. Absent: in every federation."`
}

// SlackUser is one user of one workspace.
type SlackUser struct {
	Team string `yaml:"team" required:"true" pattern:"team" doc:"The workspace's id, such as T024BE7LD."`
	User string `yaml:"user" required:"true" pattern:"slackuser" doc:"The user's id there (Copy member ID in the profile), such as U2147483697."`
}

// OIDCSubject is a person as an issuer names them.
type OIDCSubject struct {
	Issuer  string `yaml:"issuer" required:"true" pattern:"subject" doc:"The issuer's https URL, exactly as its tokens say it (iss)."`
	Subject string `yaml:"subject" required:"true" pattern:"subject" doc:"The person as the issuer's tokens name them (sub): not an e-mail address, unless that is the issuer's sub."`
}

// Certificate names a client certificate by one of the two.
type Certificate struct {
	SHA256  string `yaml:"sha256" pattern:"fingerprint" doc:"The SHA-256 of the certificate (openssl x509 -noout -fingerprint -sha256): this one certificate."`
	Subject string `yaml:"subject" pattern:"label" doc:"The subject as RFC 2253 writes it (openssl x509 -noout -subject -nameopt RFC2253): every certificate of server.client_ca with it."`
}

// SharedToken is a token of a machine, or of several people.
type SharedToken struct {
	Name   string          `yaml:"name" required:"true" pattern:"name" doc:"What it is for, as records and messages show it."`
	Roles  []RoleIn        `yaml:"roles" required:"true" min:"1" max:"200" doc:"What it may do, and where: viewer or operator."`
	Tokens []people.Digest `yaml:"tokens" required:"true" min:"1" unique:"true" max:"10" pattern:"digest" doc:"Digests of the tokens (samlfailover token new --shared); two of them while one is being exchanged."`
}

// Group is a group of an OIDC issuer.
type Group struct {
	Name   string   `yaml:"name" required:"true" pattern:"label" doc:"The group as the issuer's tokens name it."`
	Issuer string   `yaml:"issuer" required:"true" pattern:"subject" doc:"The issuer's https URL, exactly as its tokens say it (iss)."`
	Roles  []RoleIn `yaml:"roles" required:"true" min:"1" max:"200" doc:"What its members may do, and where: viewer or operator."`
}

// Who returns the people and shared tokens as a directory is made of them.
// Issuers and hooks are for the caller to add.
func (c *Config) Who() people.Settings {
	var out people.Settings
	for _, p := range c.People {
		one := people.Person{Name: p.Name, Grants: grants(p.Roles), Tokens: p.Tokens, OSUsers: p.OSUsers}
		for _, s := range p.Slack {
			one.Slack = append(one.Slack, people.SlackUser{Team: s.Team, User: s.User})
		}
		for _, s := range p.OIDC {
			one.OIDC = append(one.OIDC, people.Subject{Issuer: s.Issuer, Subject: s.Subject})
		}
		for _, cert := range p.Certificates {
			one.Certificates = append(one.Certificates, people.CertificateID{Fingerprint: cert.SHA256, Subject: cert.Subject})
		}
		out.People = append(out.People, one)
	}
	for _, t := range c.Tokens {
		out.Shared = append(out.Shared, people.Shared{Name: t.Name, Grants: grants(t.Roles), Tokens: t.Tokens})
	}
	return out
}

// GroupsOf returns the roles that an issuer's groups give.
func (c *Config) GroupsOf(issuer string) map[string]people.Grants {
	out := map[string]people.Grants{}
	for _, g := range c.Groups {
		if g.Issuer == issuer {
			out[g.Name] = grants(g.Roles)
		}
	}
	return out
}

// grants turns roles into grants; the higher of two for the same federation
// holds.
func grants(roles []RoleIn) people.Grants {
	out := people.Grants{}
	for _, r := range roles {
		where := r.Federations
		if len(where) == 0 {
			where = []string{people.Everywhere}
		}
		for _, f := range where {
			if role := people.Role(r.Role); !out[f].Includes(role) {
				out[f] = role
			}
		}
	}
	return out
}

// identities remembers whose each identity is.
type identities map[string]string

// people checks that an identity is one person's, and that what needs approvals
// can get them.
func (c *checker) people() {
	c.names("people", len(c.doc.People), func(i int) string { return c.doc.People[i].Name })
	c.names("tokens", len(c.doc.Tokens), func(i int) string { return c.doc.Tokens[i].Name })
	taken := identities{}
	for i, p := range c.doc.People {
		c.person(fmt.Sprintf("people[%d]", i), p, taken)
	}
	for i, t := range c.doc.Tokens {
		path := fmt.Sprintf("tokens[%d]", i)
		if slices.ContainsFunc(c.doc.People, func(p Person) bool { return t.Name != "" && strings.EqualFold(p.Name, t.Name) }) {
			c.fail(path+".name", fmt.Sprintf("%q is a person's name", t.Name), "name what the token is for, or put it under the person")
		}
		c.asksOnly(path, "a shared token", t.Roles)
		c.digests(path, t.Name, t.Tokens, taken)
	}
	for i, g := range c.doc.Groups {
		path := fmt.Sprintf("groups[%d]", i)
		c.asksOnly(path, "a group", g.Roles)
		for j := range i {
			if o := c.doc.Groups[j]; g.Name != "" && o.Name == g.Name && o.Issuer == g.Issuer {
				c.fail(path+".name", fmt.Sprintf("group %s of this issuer is in the list already, as number %d", quote(g.Name), j+1), "give all of its roles in one entry")
				break
			}
		}
	}
	for i, f := range c.doc.Federations {
		c.approvals(fmt.Sprintf("federations[%d]", i), f)
	}
}

// person checks one person.
func (c *checker) person(path string, p Person, taken identities) {
	for i, r := range p.Roles {
		c.federationsKnown(fmt.Sprintf("%s.roles[%d].federations", path, i), r.Federations)
	}
	c.digests(path, p.Name, p.Tokens, taken)
	for i, s := range p.Slack {
		if s.Team != "" && s.User != "" {
			c.identity(fmt.Sprintf("%s.slack[%d]", path, i), "Slack user", s.Team+"/"+s.User, p.Name, taken)
		}
	}
	for i, s := range p.OIDC {
		if s.Issuer != "" && s.Subject != "" {
			c.identity(fmt.Sprintf("%s.oidc[%d]", path, i), "subject", s.Subject+" of "+s.Issuer, p.Name, taken)
		}
	}
	for i, cert := range p.Certificates {
		at := fmt.Sprintf("%s.certificates[%d]", path, i)
		switch by := c.written(at, "sha256"); {
		case by && c.written(at, "subject"):
			c.fail(at, "the certificate is named twice, by sha256 and by subject", "keep one: sha256 for this one certificate, subject for every one that renews it")
		case !by && !c.written(at, "subject"):
			c.fail(at, "the certificate has no name", "add sha256 or subject")
		case cert.SHA256 != "":
			c.identity(at, "certificate", strings.ToLower(strings.ReplaceAll(cert.SHA256, ":", "")), p.Name, taken)
		case cert.Subject != "":
			c.identity(at, "certificate subject", cert.Subject, p.Name, taken)
		}
	}
	for i, u := range p.OSUsers {
		if u != "" {
			c.identity(fmt.Sprintf("%s.os_users[%d]", path, i), "OS user", u, p.Name, taken)
		}
	}
	if p.Name != "" && !p.outsideSlack() && len(p.Slack) == 0 && !c.broken(path) {
		c.warn(path, fmt.Sprintf("%s has no identity, so nobody can be %s", p.Name, p.Name), "add tokens, slack, oidc, certificates or os_users")
	}
}

// broken reports whether something below a path was refused already.
func (c *checker) broken(path string) bool {
	return slices.ContainsFunc(c.problems, func(p Problem) bool { return strings.HasPrefix(p.Path, path) })
}

// outsideSlack reports whether the person has an identity besides Slack.
func (p Person) outsideSlack() bool { return p.breakGlass() || len(p.OIDC) > 0 }

// breakGlass reports whether the person can come in when Slack and every OIDC
// issuer are dead.
func (p Person) breakGlass() bool {
	return len(p.Tokens) > 0 || len(p.Certificates) > 0 || len(p.OSUsers) > 0
}

// identity refuses one that is somebody's already.
func (c *checker) identity(path, kind, id, owner string, taken identities) {
	key := kind + " " + id
	if other, ok := taken[key]; ok {
		c.fail(path, fmt.Sprintf("%s %s is in the config already, of %q", kind, quote(id), other), "an identity is one person's: remove one of the two")
		return
	}
	taken[key] = owner
}

func (c *checker) digests(path, owner string, tokens []people.Digest, taken identities) {
	for i, g := range tokens {
		if g != (people.Digest{}) && !slices.Contains(tokens[:i], g) { // twice in one list is refused there
			c.identity(fmt.Sprintf("%s.tokens[%d]", path, i), "token", g.String(), owner, taken)
		}
	}
}

// asksOnly refuses roles that are for people alone.
func (c *checker) asksOnly(path, what string, roles []RoleIn) {
	for i, r := range roles {
		at := fmt.Sprintf("%s.roles[%d]", path, i)
		if people.Role(r.Role).Includes(people.Approver) {
			c.fail(at+".role", fmt.Sprintf("%s cannot be %s: nobody knows which person it is", what, r.Role), "give it viewer or operator, and people a token each under people")
		}
		c.federationsKnown(at+".federations", r.Federations)
	}
}

// federationsKnown refuses names of federations that the config does not have.
func (c *checker) federationsKnown(list string, names []string) {
	var all []string
	for _, f := range c.doc.Federations {
		all = append(all, f.Name)
	}
	for i, n := range names {
		if n == "" || slices.Contains(all, n) {
			continue
		}
		remedy := "the config has: " + strings.Join(all, ", ")
		if near := spelling.Closest(n, all); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
		c.fail(fmt.Sprintf("%s[%d]", list, i), "no federation is called "+quote(n), remedy)
	}
}

// approvals checks that a federation's proposals can get the approvals that they
// need, each person once and Slack once (spec 13.2).
func (c *checker) approvals(path string, f federationDoc) {
	if f.EscalateAfter > 0 && f.ApprovalExpires > 0 && f.EscalateAfter >= f.ApprovalExpires {
		c.fail(path+".escalate_after", fmt.Sprintf("%s is not shorter than approval_expires %s, so every proposal expires before", f.EscalateAfter, f.ApprovalExpires), "make it shorter, or let proposals wait longer")
	}
	if f.EscalateAfter > 0 && f.Mode != "approve" {
		c.warn(path+".escalate_after", "it means something in mode approve only", "remove it, or use mode: approve")
	}
	if f.Approvals <= 0 {
		return
	}
	elsewhere, slack, dead := 0, 0, 0
	for _, p := range c.doc.People {
		switch {
		case !grants(p.Roles).In(f.Name).Includes(people.Approver):
		case p.outsideSlack():
			elsewhere++
			if p.breakGlass() {
				dead++
			}
		case len(p.Slack) > 0:
			slack = 1
		}
	}
	at := path + ".approvals"
	switch {
	case elsewhere+slack < f.Approvals:
		c.fail(at, fmt.Sprintf("it asks for %d, and people has %d who could approve, with all of Slack counted once", f.Approvals, elsewhere+slack), "add approvers under people, with identities besides Slack, or lower it")
	case elsewhere+slack == f.Approvals:
		c.warn(at, fmt.Sprintf("it asks for %d, and no more can be given, so that an approver who asks for a move cannot get them", f.Approvals), "add an approver under people")
	case dead < f.Approvals:
		c.warn(at, fmt.Sprintf("it asks for %d, and %d of the approvers can come in when Slack and OIDC are dead", f.Approvals, dead), "give approvers a personal token, a certificate or an OS user")
	}
}

package people

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// example is a directory with two people, a machine, a hook and an issuer.
func example(t *testing.T) (d *Directory, adas, machines string) {
	t.Helper()
	adas, machines = NewToken(), NewToken()
	d, err := NewDirectory(Settings{
		People: []Person{
			{Name: "ada", Grants: Grants{"workforce": Approver, "lab": Admin}, Tokens: []Digest{DigestOf(adas)}, Slack: []SlackUser{{"T1", "U1"}, {"T2", "U9"}},
				OIDC: []Subject{{"https://id.example", "00u1"}}, Certificates: []CertificateID{{Fingerprint: "AB:CD"}, {Subject: "CN=ada"}}, OSUsers: []string{"ada", "al"}},
			{Name: "bob", Grants: Grants{Everywhere: Viewer}, Slack: []SlackUser{{"T1", "U2"}}},
		},
		Shared:  []Shared{{Name: "rundeck", Grants: Grants{"workforce": Operator}, Tokens: []Digest{DigestOf(machines)}}},
		Hooks:   []Principal{{Name: "pager", Grants: Grants{"workforce": Operator}}},
		Issuers: []Issuer{{URL: "https://id.example", Federations: []string{"workforce"}, Highest: Operator, Groups: map[string]Grants{"platform": {Everywhere: Viewer}, "root": {"lab": Admin}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, adas, machines
}

// spec 13.2: each identity leads to its one person, by whichever way, and what is
// nobody's leads to nobody.
func TestWhoIsWho(t *testing.T) {
	t.Parallel()
	d, adas, machines := example(t)
	for _, row := range []struct {
		why    string
		caller func() (Caller, bool)
		person string
		name   string
		way    Way
		role   Role // in workforce
		ok     bool
	}{
		{"a token", func() (Caller, bool) { return d.Token(adas) }, "ada", "ada", Token, Approver, true},
		{"a token that is nobody's", func() (Caller, bool) { return d.Token(NewToken()) }, "", "", "", "", false},
		{"a token with a letter changed", func() (Caller, bool) { return d.Token(adas[:20] + "x" + adas[21:]) }, "", "", "", "", false},
		{"the digest of a token", func() (Caller, bool) { return d.Token(DigestOf(adas).String()) }, "", "", "", "", false},
		{"no token", func() (Caller, bool) { return d.Token("") }, "", "", "", "", false},
		{"a shared token", func() (Caller, bool) { return d.Token(machines) }, "", "rundeck", SharedToken, Operator, true},
		{"a Slack user", func() (Caller, bool) { return d.Slack("T1", "U1") }, "ada", "ada", Slack, Approver, true},
		{"the same person in another workspace", func() (Caller, bool) { return d.Slack("T2", "U9") }, "ada", "ada", Slack, Approver, true},
		{"a user id of another workspace", func() (Caller, bool) { return d.Slack("T2", "U1") }, "", "", Slack, "", false},
		{"an OIDC subject, cut down to the issuer's role", func() (Caller, bool) { return d.OIDC("https://id.example", "00u1", []string{"root"}) }, "ada", "ada", OIDC, Operator, true},
		{"the subject of another issuer", func() (Caller, bool) { return d.OIDC("https://evil.example", "00u1", nil) }, "", "", "", "", false},
		{"a member of a group is no person", func() (Caller, bool) { return d.OIDC("https://id.example", "00u7", []string{"staff", "platform"}) }, "", "00u7", OIDC, Viewer, true},
		{"a group that the issuer may not vouch for", func() (Caller, bool) { return d.OIDC("https://id.example", "00u7", []string{"root"}) }, "", "", "", "", false},
		{"a subject of no group", func() (Caller, bool) { return d.OIDC("https://id.example", "00u7", nil) }, "", "", "", "", false},
		{"no subject", func() (Caller, bool) { return d.OIDC("https://id.example", "", []string{"platform"}) }, "", "", "", "", false},
		{"a certificate", func() (Caller, bool) { return d.Certificate("abcd", "CN=x") }, "ada", "ada", Certificate, Approver, true},
		{"a certificate's subject", func() (Caller, bool) { return d.Certificate("ffff", "CN=ada") }, "ada", "ada", Certificate, Approver, true},
		{"a certificate that is nobody's", func() (Caller, bool) { return d.Certificate("ffff", "") }, "", "", Certificate, "", false},
		{"a hook", func() (Caller, bool) { return d.Hook("pager") }, "", "pager", Hook, Operator, true},
		{"a hook that is none", func() (Caller, bool) { return d.Hook("ada") }, "", "", Hook, "", false},
		{"an OS user on the socket has the keys", func() (Caller, bool) { return d.Local("al", Socket), true }, "ada", "ada", Socket, Admin, true},
		{"an OS user who is nobody's", func() (Caller, bool) { return d.Local("root", Socket), true }, "", "root", Socket, Admin, true},
	} {
		c, ok := row.caller()
		if ok != row.ok || c.Person != row.person || c.Name != row.name || c.Role("workforce") != row.role || ok && c.Way != row.way {
			t.Errorf("%s: %+v %v, in workforce %q", row.why, c, ok, c.Role("workforce"))
		}
	}
	if c, _ := d.OIDC("https://id.example", "00u1", nil); c.Sees("lab") {
		t.Errorf("an issuer vouches for a federation that is not on its list: %v", c.Grants)
	}
	if c, ok := (*Directory)(nil).Token(adas); ok || c.Name != "" {
		t.Errorf("no directory knows %+v", c)
	}
	if c := (*Directory)(nil).Local("ada", Socket); c.Person != "" || !c.May(Admin, "") {
		t.Errorf("no directory: %+v", c)
	}
}

// spec 13.2: an identity is one person's.
func TestNoIdentityOfTwo(t *testing.T) {
	t.Parallel()
	g := DigestOf("x")
	two := func(change func(*Person)) Settings {
		s := Settings{People: []Person{{Name: "ada"}, {Name: "bob"}}}
		for i := range s.People {
			change(&s.People[i])
		}
		return s
	}
	for why, s := range map[string]Settings{
		"a name":          {People: []Person{{Name: "ada"}, {Name: "ada"}}},
		"no name":         {People: []Person{{}}},
		"a token's name":  {People: []Person{{Name: "ada"}}, Shared: []Shared{{Name: "ada"}}},
		"a token":         two(func(p *Person) { p.Tokens = []Digest{g} }),
		"a shared token":  {People: []Person{{Name: "ada", Tokens: []Digest{g}}}, Shared: []Shared{{Name: "ci", Tokens: []Digest{g}}}},
		"a Slack user":    two(func(p *Person) { p.Slack = []SlackUser{{"T", "U"}} }),
		"an OIDC subject": two(func(p *Person) { p.OIDC = []Subject{{"i", "s"}} }),
		"a certificate":   two(func(p *Person) { p.Certificates = []CertificateID{{Fingerprint: "AB:" + p.Name[:0] + "cd"}} }),
		"a cert subject":  two(func(p *Person) { p.Certificates = []CertificateID{{Subject: "CN=x"}} }),
		"an OS user":      two(func(p *Person) { p.OSUsers = []string{"root"} }),
		"a hook":          {Hooks: []Principal{{Name: "h"}, {Name: "h"}}},
		"an issuer":       {Issuers: []Issuer{{URL: "u"}, {URL: "u"}}},
	} {
		if d, err := NewDirectory(s); err == nil {
			t.Errorf("%s that two have is taken: %+v", why, d)
		}
	}
}

// An issuer without a role or a list vouches for nobody. spec 13.6
func TestIssuerWithoutLimitsGivesNothing(t *testing.T) {
	t.Parallel()
	for _, i := range []Issuer{{URL: "u", Federations: []string{Everywhere}}, {URL: "u", Highest: Admin}} {
		d, err := NewDirectory(Settings{People: []Person{{Name: "ada", Grants: Grants{Everywhere: Admin}, OIDC: []Subject{{"u", "s"}}}}, Issuers: []Issuer{i}})
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := d.OIDC("u", "s", nil); c.Sees("workforce") {
			t.Errorf("%+v gives %v", i, c.Grants)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		token := NewToken()
		if err := CheckToken(token); err != nil || len(token) != tokenSize {
			t.Fatalf("%q: %v", token, err)
		}
		at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		other := rapid.SampledFrom([]byte(base62)).Draw(t, "letter")
		if changed := token[:at] + string(other) + token[at+1:]; changed != token && CheckToken(changed) == nil {
			t.Fatalf("%q passes with another letter at %d", changed, at)
		}
		back, err := ParseDigest(DigestOf(token).String())
		if err != nil || back != DigestOf(token) {
			t.Fatal(err)
		}
	})
	token := NewToken()
	if other := NewToken(); other == token {
		t.Error("two tokens are one")
	}
	for _, bad := range []string{"", token, strings.ToUpper(DigestOf(token).String()), "sha256:", "sha256:ab", DigestOf(token).String() + "00"} {
		if g, err := ParseDigest(bad); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%.10q: %v %v", bad, g, err)
		}
	}
}

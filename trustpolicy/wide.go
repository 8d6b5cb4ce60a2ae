package trustpolicy

import (
	"slices"
	"strings"
)

// Wide is an audience value that admits a sign-in endpoint on a foreign host.
type Wide struct {
	Statement int
	Sid       string
	Condition string
	Value     string
	Example   string // a foreign audience that it admits
}

// TooWide returns the values of conditions on SAML:aud through which an Allow
// statement admits an audience on a host outside domains (AWS's sign-in hosts:
// a domain stands for itself and its subdomains). In StringLike a * crosses
// dots and slashes: https://*.signin.aws.amazon.com/saml admits
// https://evil.example/x.signin.aws.amazon.com/saml.
//
// A statement without a condition on SAML:aud is not reported: it leaves the
// audience to AWS.
func TooWide(p Policy, domains []string) []Wide {
	var out []Wide
	for i := range p.statements {
		if s := &p.statements[i]; !s.deny {
			out = append(out, s.tooWide(p.version, domains)...)
		}
	}
	return out
}

// tooWide: conditions are ANDed, so one that is narrow makes the statement so.
func (s *statement) tooWide(version string, domains []string) []Wide {
	var out []Wide
	for _, c := range s.conditions {
		if c.lower != audKey || !c.positive() {
			continue
		}
		var wide []Wide
		for _, v := range c.values {
			if example := foreign(c, v, version, domains); example != "" {
				wide = append(wide, Wide{s.index, s.sid, c.name(), v, example})
			}
		}
		if len(wide) == 0 {
			return nil
		}
		out = append(out, wide...)
	}
	return out
}

// foreign returns a foreign audience that the value admits, or "".
func foreign(c condition, v, version string, domains []string) string {
	if hasVariable(version, v) {
		return ""
	}
	if c.op.base != opLike || !strings.ContainsAny(v, "*?") {
		if host, ok := hostOf(v); ok && !under(host, domains) {
			return v
		}
		return ""
	}
	for _, candidate := range candidates(v) {
		if host, ok := hostOf(candidate); ok && like(v, candidate) && !under(host, domains) {
			return candidate
		}
	}
	return ""
}

// candidates fills a pattern's wildcards so as to leave the host that the
// literal text suggests: each * in turn takes a whole foreign host, and each
// run of text before a ? is ended there by a slash.
func candidates(pattern string) []string {
	const evil = "evil.example/"
	letters := func(s string) string { return fill(s, "", "x") }
	out := []string{letters(pattern)}
	for i := range len(pattern) {
		before, after := pattern[:i], pattern[i+1:]
		switch pattern[i] {
		case '*':
			scheme := letters(before)
			if !strings.HasPrefix(scheme, "https://") {
				scheme = "https://"
			}
			out = append(out, scheme+evil+letters(after), scheme+"."+evil+letters(after), letters(before)+evil+letters(after))
		case '?':
			for _, name := range dotted(before) {
				out = append(out, name+"/"+letters(after))
			}
		}
	}
	return out
}

// dotted fills the wildcards of a host's beginning in the ways that can make a
// domain name of it: all letters, or one of the ? a dot.
func dotted(s string) []string {
	out := []string{fill(s, "", "x")}
	for i := range len(s) {
		if s[i] == '?' {
			out = append(out, fill(s[:i], "", "x")+"."+fill(s[i+1:], "", "x"))
		}
	}
	return out
}

// hostOf returns the host of an https URL if it could be a host name on the
// Internet: labels of letters, digits and inner dashes, at least two of them,
// the last one of two letters or more.
func hostOf(url string) (string, bool) {
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		return "", false
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		rest = rest[:i]
	}
	host := strings.ToLower(rest)
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notHostRune) {
			return "", false
		}
	}
	last := labels[len(labels)-1]
	letters := !strings.ContainsFunc(last, func(r rune) bool { return r < 'a' || r > 'z' })
	return host, len(labels) > 1 && len(last) > 1 && letters
}

func notHostRune(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

func under(host string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

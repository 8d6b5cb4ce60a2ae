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
	return foreignMatch(wildcards(v), domains)
}

// foreignMatch searches for a URL on a foreign host that the pattern matches; ""
// if there is none. It walks through the pattern and builds the URL; two URLs of
// the same shape have the same ways to go on, so one of them is followed. A
// wildcard needs to be filled only with what can change the host: any letter is
// as good as x, which no sign-in domain holds.
func foreignMatch(pattern []rune, domains []string) string {
	type step struct {
		at  int
		url string
	}
	type place struct {
		at int
		shape
	}
	seen := map[place]bool{}
	for queue := []step{{}}; len(queue) > 0; queue = queue[1:] {
		at, url := queue[0].at, queue[0].url
		s, possible := shapeOf(url, domains)
		if !possible || seen[place{at, s}] {
			continue
		}
		seen[place{at, s}] = true
		if at == len(pattern) {
			if host, ok := hostOf(url); ok && !under(host, domains) {
				return url
			}
			continue
		}
		switch c := pattern[at]; c {
		case anyRunes:
			queue = append(queue, step{at + 1, url})
			for _, f := range append([]string{"evil.example/"}, fillers(url)...) { // a telling example first
				queue = append(queue, step{at, url + f})
			}
		case oneRune:
			for _, f := range fillers(url) {
				queue = append(queue, step{at + 1, url + f})
			}
		default:
			queue = append(queue, step{at + 1, url + string(c)})
		}
	}
	return ""
}

// schemes are those of URLs that a browser would post an assertion to.
var schemes = [...]string{"https://", "http://"}

// fillers are the characters worth trying for a wildcard.
func fillers(url string) []string {
	var out []string
	for _, s := range schemes {
		if len(url) < len(s) && strings.HasPrefix(s, strings.ToLower(url)) {
			out = append(out, s[len(url):len(url)+1])
		}
	}
	if len(out) > 0 {
		return distinct(out)
	}
	return []string{"x", ".", "/", "@", ":"}
}

// shape is what of the beginning of a URL matters for how it can go on.
type shape struct {
	scheme      string // while it is not complete
	closed      bool   // the host is complete, and foreign: what follows does not matter
	port        string // "", ":" with digits, or else "?"
	labels      bool   // the labels before the last one are those of a host, and there is one
	last        int    // length of the last label, at most 2
	first, end  bool   // the last label begins or ends with a dash
	odd, digits bool   // it holds what no host holds; digits or dashes
	overlaps    string // per domain: how much of it the host ends with
}

// shapeOf also says whether the URL can become one on a foreign host at all.
func shapeOf(url string, domains []string) (s shape, possible bool) {
	scheme, rest, complete := strings.Cut(url, "://")
	if !complete {
		s.scheme = strings.ToLower(url)
		return s, slices.ContainsFunc(schemes[:], func(whole string) bool { return strings.HasPrefix(whole, s.scheme) })
	}
	if !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return s, false
	}
	if strings.ContainsAny(rest, "/?#\\") {
		host, ok := hostOf(url)
		return shape{closed: true}, ok && !under(host, domains)
	}
	host, port, hasPort := strings.Cut(strings.ToLower(rest[strings.LastIndexByte(rest, '@')+1:]), ":")
	switch {
	case hasPort && strings.Trim(port, "0123456789") == "":
		s.port = ":"
	case hasPort:
		s.port = "?"
	}
	dot := strings.LastIndexByte(host, '.')
	last := host[dot+1:]
	s.labels = dot > 0 && !slices.ContainsFunc(strings.Split(host[:dot], "."), notLabel)
	s.first, s.end = strings.HasPrefix(last, "-"), strings.HasSuffix(last, "-")
	s.odd, s.digits = strings.ContainsFunc(last, notHostRune), strings.ContainsAny(last, "0123456789-")
	s.last = min(len(last), 2)
	if dot >= 0 && !s.labels {
		s.last, s.odd = 0, true // only an @ can save it
	}
	overlaps := make([]byte, len(domains))
	for i, d := range domains {
		overlaps[i] = byte(overlap("."+host, d))
	}
	s.overlaps = string(overlaps)
	return s, true
}

// overlap is the length of the longest end of s that is a beginning of "."+d.
func overlap(s, d string) int {
	for n := min(len(s), len(d)+1); n > 0; n-- {
		if end := s[len(s)-n:]; end[0] == '.' && end[1:] == d[:n-1] {
			return n
		}
	}
	return 0
}

// hostOf returns the host of an http or https URL if it could be a host name on
// the Internet: labels of letters, digits and inner dashes, at least two of
// them, the last one of two letters or more. User and port are left out.
func hostOf(url string) (string, bool) {
	scheme, rest, ok := strings.Cut(strings.ToLower(url), "://")
	if !ok || (scheme != "https" && scheme != "http") {
		return "", false
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		rest = rest[:i]
	}
	host := rest[strings.LastIndexByte(rest, '@')+1:]
	if name, port, found := strings.Cut(host, ":"); found && strings.Trim(port, "0123456789") == "" {
		host = name
	}
	labels := strings.Split(host, ".")
	if slices.ContainsFunc(labels, notLabel) {
		return "", false
	}
	last := labels[len(labels)-1]
	letters := !strings.ContainsFunc(last, func(r rune) bool { return r < 'a' || r > 'z' })
	return host, len(labels) > 1 && len(last) > 1 && letters
}

func notLabel(l string) bool {
	return l == "" || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notHostRune)
}

func notHostRune(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }

func under(host string, domains []string) bool {
	return slices.ContainsFunc(domains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

package trustpolicy

import (
	"fmt"
	"slices"
	"strings"
)

// principalKind is a principal type as the policy language spells it.
type principalKind string

const (
	federated principalKind = "Federated"
	awsKind   principalKind = "AWS"
	service   principalKind = "Service"
	everyone  principalKind = "*" // the bare string "*"
)

// principal is one entry of a Principal element, or one caller.
type principal struct {
	kind  principalKind
	value string
}

// principals is a statement's Principal or NotPrincipal element.
type principals struct {
	list []principal
	not  bool
}

func buildPrincipals(s *statement, n *node) error {
	v, err := oneOf(n, "Principal", "NotPrincipal", &s.who.not)
	if err != nil {
		return err
	}
	if v.kind == isString {
		if v.text != "*" {
			return &ParseError{v.start, "a Principal that is a string must be \"*\""}
		}
		s.who.list = []principal{{everyone, "*"}}
		return nil
	}
	if v.kind != isObject {
		return &ParseError{v.start, "Principal must be \"*\" or an object"}
	}
	if err := spelling(v, "Federated", "AWS", "Service", "CanonicalUser"); err != nil {
		return err
	}
	for _, m := range v.members {
		values, err := stringList(m.value, fmt.Sprintf("a principal of type %q", clip(m.key)))
		if err != nil {
			return err
		}
		for _, text := range values {
			s.who.list = append(s.who.list, principal{principalKind(m.key), text})
		}
	}
	return nil
}

// covers says whether the element is about this caller.
func (ps principals) covers(c principal) truth {
	t := no
	for _, p := range ps.list {
		t = max(t, p.matches(c))
	}
	if ps.not {
		return t.not()
	}
	return t
}

// open reports whether the element is, or may be, about everybody.
func (ps principals) open() bool {
	return ps.not || slices.ContainsFunc(ps.list, func(p principal) bool { return p.value == "*" })
}

// all: {"AWS": "*"} and "*" mean the same (IAM User Guide, "AWS JSON policy
// elements: Principal", all principals).
func (p principal) all() bool {
	return p.kind == everyone || (p.kind == awsKind && p.value == "*")
}

// matches compares one entry with a caller. Principals are compared exactly: a
// wildcard cannot stand for a part of one. What {"Federated": "*"} or
// {"Service": "*"} mean is not documented.
func (p principal) matches(c principal) truth {
	switch {
	case p.all():
		return yes
	case p.kind != c.kind:
		return no
	case p.value == "*":
		return maybe
	case p.kind == awsKind:
		return known(p.value == c.value || sameAWS(p.value, c.value))
	}
	return known(p.value == c.value)
}

// sameAWS: an account stands for all its principals, and a role for its
// sessions, whose ARN leaves the role's path out.
func sameAWS(entry, caller string) bool {
	account, resource := splitARN(entry)
	callerAccount, callerResource := splitARN(caller)
	if account == "" || account != callerAccount {
		return false
	}
	if resource == "root" {
		return true
	}
	session, isSession := strings.CutPrefix(callerResource, "assumed-role/")
	role, isRole := strings.CutPrefix(resource, "role/")
	if !isSession || !isRole {
		return false
	}
	name, _, _ := strings.Cut(session, "/")
	return role[strings.LastIndexByte(role, '/')+1:] == name
}

// splitARN returns account and resource of an IAM or STS ARN; a bare account
// number counts as its root.
func splitARN(v string) (account, resource string) {
	if len(v) == 12 && !strings.ContainsFunc(v, func(r rune) bool { return r < '0' || r > '9' }) {
		return v, "root"
	}
	parts := strings.SplitN(v, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return "", ""
	}
	return parts[4], parts[5]
}

// isSAML reports whether the caller can come with a SAML assertion: only then
// does the request hold SAML:aud.
func (p principal) isSAML() bool {
	return p.kind == federated && strings.Contains(p.value, ":saml-provider/")
}

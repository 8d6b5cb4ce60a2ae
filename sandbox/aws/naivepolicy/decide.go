package naivepolicy

import (
	"fmt"
	"slices"
	"strings"
)

// Caller is who asks. Kind is the Principal element's word ("Federated",
// "AWS"); Names are all names by which a policy may call this caller: for a
// SAML login the provider's ARN; for an AWS caller its own ARN, its role's ARN,
// the account's root ARN and the account number.
type Caller struct {
	Kind  string
	Names []string
}

// Request is one question. Keys is the whole request context, keys in lower
// case ("saml:aud"); a key that is not there is absent.
type Request struct {
	Action string
	Caller Caller
	Keys   map[string][]string
}

// Decision is the answer. Why names the statement that decided, in plain words.
type Decision struct {
	Allowed bool
	Why     string
}

// Decide evaluates a policy text. A policy that cannot be read allows nothing.
func Decide(policy string, r Request) Decision {
	d, err := Parse(policy)
	if err != nil {
		return Decision{Why: err.Error()}
	}
	return d.Decide(r)
}

// Decide evaluates all statements: one Deny beats every Allow, no Allow means
// no.
func (d Document) Decide(r Request) Decision {
	answer := Decision{Why: "no statement allows " + r.Action + " to this caller in this context"}
	for i, s := range d.Statements {
		strict := no
		if s.Effect == "Deny" {
			strict = yes // what is not understood denies
		}
		hit := d.applies(s, r)
		if hit == unknown {
			hit = strict
		}
		switch {
		case hit != yes:
		case s.Effect == "Deny":
			return Decision{Why: fmt.Sprintf("statement %d denies %s", i+1, r.Action)}
		case !answer.Allowed:
			answer = Decision{true, fmt.Sprintf("statement %d allows %s", i+1, r.Action)}
		}
	}
	return answer
}

// truth is ordered so that AND is min and OR is max.
type truth int

const (
	no truth = iota
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth { return yes - t }

// applies says whether every part of the statement matches the request.
func (d Document) applies(s Statement, r Request) truth {
	t := min(actionMatches(s, r.Action), principalMatches(s, r.Caller))
	for _, c := range s.Conditions {
		t = min(t, d.holds(c, r.Keys))
	}
	if len(s.Other) > 0 {
		t = min(t, unknown)
	}
	return t
}

func actionMatches(s Statement, action string) truth {
	match := func(p string) bool { return wildcard(strings.ToLower(p), strings.ToLower(action)) }
	if s.NotAction != nil {
		return truthOf(!slices.ContainsFunc(s.NotAction, match))
	}
	return truthOf(slices.ContainsFunc(s.Action, match))
}

func principalMatches(s Statement, c Caller) truth {
	switch {
	case s.NotPrincipal != nil:
		return anyPrincipal(s.NotPrincipal, c).not()
	case s.Principal != nil:
		return anyPrincipal(s.Principal, c)
	}
	return unknown // a trust policy statement without a principal
}

func anyPrincipal(list []Principal, c Caller) truth {
	t := no
	for _, p := range list {
		t = max(t, onePrincipal(p, c))
	}
	return t
}

// onePrincipal matches exactly; {"AWS":"*"} means the same as "*", every other
// wildcard in a principal is not understood.
func onePrincipal(p Principal, c Caller) truth {
	switch {
	case p.Kind == "*", p.Kind == "AWS" && p.Value == "*":
		return yes
	case !slices.Contains([]string{"AWS", "Federated", "Service", "CanonicalUser"}, p.Kind):
		return unknown
	case p.Kind != c.Kind:
		return no
	case strings.ContainsAny(p.Value, "*?"):
		return unknown
	}
	return truthOf(slices.Contains(c.Names, p.Value))
}

// wildcard matches * (any run, also empty) and ? (one character).
func wildcard(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

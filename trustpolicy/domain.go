package trustpolicy

import (
	"slices"
	"strings"
	"unicode"
)

// freshPrefix begins the principal that no policy mentions.
const freshPrefix = "arn:aws:iam::000000000000:saml-provider/nobody-mentions-this-one"

// callers lists every principal that a text mentions, the wanted providers, and
// one fresh principal of each kind.
func callers(before, after Policy, providers []string) []principal {
	out := []principal{{federated, freshPrefix}, {federated, "fresh.identity.example"}, {awsKind, "arn:aws:iam::000000000000:user/fresh"}, {service, "fresh.amazonaws.com"}}
	for _, p := range providers {
		out = append(out, principal{federated, p})
	}
	for _, p := range []Policy{before, after} {
		for _, s := range p.statements {
			for _, w := range s.who.list {
				if w.kind != everyone && w.value != "*" {
					out = append(out, w)
				}
				if account, _ := splitARN(w.value); w.kind == awsKind && account != "" {
					out = append(out, principal{awsKind, "arn:aws:iam::" + account + ":user/fresh"})
				}
			}
		}
	}
	return distinct(out)
}

// actionsOf lists the SAML actions, every action that a text mentions (of a
// pattern, one text that matches it), and a fresh one.
func actionsOf(before, after Policy) []string {
	out := append(SAMLActions(), "sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:Fresh", "fresh:Fresh")
	for _, p := range []Policy{before, after} {
		for _, s := range p.statements {
			for _, a := range s.actions {
				out = append(out, fill(a, "Fresh", "x"), fill(a, "", "x"))
			}
		}
	}
	return distinct(out)
}

// audienceClasses lists one audience of every class that the conditions on
// SAML:aud and the wanted audiences can tell apart: each literal, each in the
// other case, texts that match each pattern, one that nothing mentions, and ""
// for an absent key.
func audienceClasses(before, after Policy, wanted []string) []string {
	out := []string{"", "https://nobody-mentions.example/saml"}
	add := func(v string) {
		out = append(out, v, otherCase(v))
		if strings.ContainsAny(v, "*?") {
			out = append(out, fill(v, "", "x"), fill(v, "evil.example/x", "y"))
		}
	}
	for _, w := range wanted {
		add(w)
	}
	for _, p := range []Policy{before, after} {
		for _, s := range p.statements {
			for _, c := range s.conditions {
				if c.lower != audKey {
					continue
				}
				for _, v := range c.values {
					add(v)
				}
			}
		}
	}
	return distinct(out)
}

// fill replaces a pattern's wildcards.
func fill(pattern, star, question string) string {
	return strings.ReplaceAll(strings.ReplaceAll(pattern, "*", star), "?", question)
}

func otherCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

// distinct keeps the first of equal values.
func distinct[T comparable](in []T) []T {
	var out []T
	for _, v := range in {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

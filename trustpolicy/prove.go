package trustpolicy

import (
	"fmt"
	"slices"
	"strings"
)

// Prove shows that after differs from before by exactly what the request is
// for, or returns a Refusal. It is independent of how the edit was made.
//
// Form: the two have the same statements; every Deny is the same; an Allow
// about one of the providers differs only in that positive conditions on
// SAML:aud gained wanted audiences.
//
// Meaning: over every principal and action that either text mentions, a fresh
// one of each kind, and every audience of the finite partition that the
// literals, the patterns and the wanted audiences induce, with every other
// condition a free boolean: what is newly allowed lies inside providers x the
// three SAML actions x wanted audiences, and nothing admitted before is lost.
// SAML:aud is present only in the three actions of a SAML caller (IAM User
// Guide, "Available keys for SAML-based federation"); elsewhere it is absent.
func Prove(before, after Policy, e EditRequest) error { return prove(before, after, e, false) }

// prove with deny set is the proof of EditDeny: then every Allow is the same,
// and a Deny differs only in that negated conditions on SAML:aud gained wanted
// audiences.
func prove(before, after Policy, e EditRequest, deny bool) error {
	if err := e.check(); err != nil {
		return err
	}
	if err := sameForm(before, after, e, deny); err != nil {
		return err
	}
	return sameMeaning(before, after, e)
}

func unproved(statement int, format string, args ...any) error {
	return Refusal{RefusedUnprovable, statement, fmt.Sprintf(format, args...),
		"add the audiences by hand after a review, and report this as a defect"}
}

// sameForm compares the two statement by statement.
func sameForm(before, after Policy, e EditRequest, deny bool) error {
	if before.version != after.version || len(before.statements) != len(after.statements) || frame(before) != frame(after) {
		return unproved(wholeDocument, "the edit changes more than statements")
	}
	for i := range before.statements {
		b, a := &before.statements[i], &after.statements[i]
		if b.canonical(false) != a.canonical(false) {
			return unproved(i, "the edit changes %s outside its conditions on SAML:aud", b.name())
		}
		if err := onlyAdded(b, a, e, deny); err != nil {
			return err
		}
	}
	return nil
}

// onlyAdded compares the conditions on SAML:aud in order.
func onlyAdded(before, after *statement, e EditRequest, deny bool) error {
	bs, as := audienceConditions(before), audienceConditions(after)
	if len(bs) != len(as) {
		return unproved(before.index, "the edit adds or removes a condition on SAML:aud in %s", before.name())
	}
	for i := range bs {
		b, a := bs[i], as[i]
		if !strings.EqualFold(b.op.name, a.op.name) {
			return unproved(before.index, "the edit changes an operator on SAML:aud in %s", before.name())
		}
		for _, v := range b.values {
			if !slices.Contains(a.values, v) {
				return unproved(before.index, "the edit drops %q from %s", clip(v), before.name())
			}
		}
		for _, v := range a.values {
			if slices.Contains(b.values, v) {
				continue
			}
			if before.deny != deny || (!deny && !b.positive()) || (deny && !b.op.negated) {
				return unproved(before.index, "the edit touches %s, which this kind of edit must not", before.name())
			}
			if !before.about(e.Providers) {
				return unproved(before.index, "the edit widens %s, which is not about our providers", before.name())
			}
			if !slices.Contains(e.Audiences, v) {
				return unproved(before.index, "the edit adds %q, which nobody asked for, to %s", clip(v), before.name())
			}
		}
	}
	return nil
}

// about reports whether the statement covers one of the providers.
func (s *statement) about(providers []string) bool {
	return slices.ContainsFunc(providers, func(arn string) bool { return s.who.covers(principal{federated, arn}) != no })
}

func audienceConditions(s *statement) []condition {
	var out []condition
	for _, c := range s.conditions {
		if c.lower == audKey {
			out = append(out, c)
		}
	}
	return out
}

// sameMeaning enumerates the triples. Those that hit the same statements in
// both texts behave alike, so one of each kind is enough.
func sameMeaning(before, after Policy, e EditRequest) error {
	audiences := audienceClasses(before, after, e.Audiences)
	seen := map[string]bool{}
	for _, who := range callers(before, after, e.Providers) {
		for _, action := range actionsOf(before, after) {
			ours := who.isSAML() && slices.Contains(e.Providers, who.value) && samlAction(action)
			key := fmt.Sprint(ours, who.isSAML() && samlAction(action), hits(before, who, action), hits(after, who, action))
			if seen[key] {
				continue
			}
			seen[key] = true
			if err := compare(before, after, who, action, ours, audiences, e.Audiences); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare proves one (principal, action) for all audiences.
func compare(before, after Policy, who principal, action string, ours bool, audiences, wanted []string) error {
	if !who.isSAML() || !samlAction(action) {
		audiences = []string{""}
	}
	for _, aud := range audiences {
		req := request{caller: who, action: action, partial: true, keys: map[string][]string{audKey: {aud}}}
		if aud == "" {
			req.keys[audKey] = nil
		}
		b, a := before.reduce(req, nil), after.reduce(req, nil)
		if sameClauses(b, a) {
			continue
		}
		mayGain := ours && slices.Contains(wanted, aud)
		var gained, lost bool
		_, tried := every(atoms(b, a), func(as assignment) bool {
			was, is := as.allows(b), as.allows(a)
			gained, lost = gained || (is && !was), lost || (was && !is)
			return !lost && (!gained || mayGain)
		})
		switch {
		case !tried:
			return tooComplex(&before.statements[firstChanged(before, after)])
		case lost:
			return unproved(wholeDocument, "%s by %s with SAML:aud %q was allowed before the edit and is not after", action, who.value, clip(aud))
		case gained && !mayGain:
			return gainedTooMuch(after, who, action, aud, firstChanged(before, after))
		}
	}
	return nil
}

// gainedTooMuch says whose access an edit would widen.
func gainedTooMuch(after Policy, who principal, action, aud string, st int) error {
	s := &after.statements[st]
	named := who.kind == federated && samlAction(action) && !strings.HasPrefix(who.value, freshPrefix)
	byHand := "split the statement, so that our provider has one of its own, then run the plan again"
	switch {
	case s.deny && named:
		return Refusal{RefusedShared, st, fmt.Sprintf("%s keeps out %s, which is not a provider of this federation: an added exception would let its users in too", s.name(), clip(who.value)),
			"give that provider's Allow a condition on SAML:aud of its own, then run the plan again"}
	case s.who.open():
		return Refusal{RefusedOpen, st, s.name() + " names everybody as principal: an added audience would let every provider in", byHand}
	case named:
		return Refusal{RefusedShared, st, fmt.Sprintf("%s is shared with %s, which is not a provider of this federation: an added audience would let its users in too", s.name(), clip(who.value)), byHand}
	case who.kind != federated:
		return Refusal{RefusedOthers, st, fmt.Sprintf("%s is shared with the %s principal %s", s.name(), who.kind, clip(who.value)), byHand}
	}
	return unproved(st, "%s by %s with SAML:aud %q would be allowed after the edit", action, clip(who.value), clip(aud))
}

// firstChanged returns the index of the first statement that differs.
func firstChanged(before, after Policy) int {
	for i := range min(len(before.statements), len(after.statements)) {
		if before.statements[i].canonical(true) != after.statements[i].canonical(true) {
			return i
		}
	}
	return 0
}

func sameClauses(a, b []clause) bool {
	return slices.EqualFunc(a, b, func(x, y clause) bool {
		return x.index == y.index && x.deny == y.deny && slices.EqualFunc(x.literals, y.literals, func(l, m literal) bool {
			return l.negated == m.negated && slices.Equal(l.atoms, m.atoms)
		})
	})
}

// hits lists the statements about a principal and an action.
func hits(p Policy, who principal, action string) []int {
	var out []int
	for i := range p.statements {
		if s := &p.statements[i]; s.who.covers(who) != no && s.grants(action) {
			out = append(out, i)
		}
	}
	return out
}

func samlAction(action string) bool {
	return slices.ContainsFunc(SAMLActions(), func(a string) bool { return strings.EqualFold(a, action) })
}

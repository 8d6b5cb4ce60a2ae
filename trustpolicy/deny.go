package trustpolicy

import (
	"fmt"
	"slices"
)

// EditDeny plans the other kind of edit: it adds the wanted audiences to the
// exceptions of the Deny statements that keep the providers out (StringNotEquals
// or StringNotLike on SAML:aud, an allow-list in disguise), and changes nothing
// else. It weakens a Deny, so people have to approve it; after it, Edit adds
// what the Allow statements lack. The proof is the same as Edit's: nobody but
// the providers gains anything, and they gain only the wanted audiences. Errors
// are of type Refusal.
func EditDeny(text string, e EditRequest) (Result, error) {
	if err := e.check(); err != nil {
		return Result{}, err
	}
	p, err := Parse(text)
	if err != nil {
		return Result{}, Refusal{RefusedUnparsable, wholeDocument, err.Error(), "correct the trust policy by hand"}
	}
	out, err := p.withAdditions(e)
	if err != nil {
		return Result{}, err
	}
	kept, err := out.keptOut(e)
	if err != nil || len(kept) == 0 {
		return Result{Text: text}, err
	}
	needs, err := p.exceptions(kept)
	if err != nil {
		return Result{}, err
	}
	if err := characters(text); err != nil {
		return Result{}, err
	}
	res := insert(text, needs)
	after, err := reparse(res.Text)
	if err != nil {
		return Result{}, err
	}
	if err := prove(p, after, e, true); err != nil {
		return Result{}, err
	}
	if out, err = after.withAdditions(e); err != nil {
		return Result{}, err
	}
	if kept, err = out.keptOut(e); err == nil && len(kept) > 0 {
		err = kept[0].refusal()
	}
	if err != nil {
		return Result{}, err
	}
	return res, nil
}

// withAdditions is the policy with what Edit would add to its Allow statements.
func (p Policy) withAdditions(e EditRequest) (Policy, error) {
	needs, err := p.needs(e)
	if err != nil || len(needs) == 0 {
		return p, err
	}
	return reparse(insertAll(p.text, needs))
}

// kept is a Deny on SAML:aud that keeps a wanted audience out.
type kept struct {
	st               *statement
	action, audience string
}

func (k kept) refusal() Refusal {
	return Refusal{RefusedDeny, k.st.index, fmt.Sprintf("%s denies %s with SAML:aud %s: edits of a Deny need approval", k.st.name(), k.action, k.audience),
		"have the identity team add the audience to that Deny statement's list of exceptions by hand"}
}

// keptOut finds the Deny statements on SAML:aud but for which a wanted audience
// would be admitted, whatever the Allow statements lack.
func (p Policy) keptOut(e EditRequest) ([]kept, error) {
	if !slices.ContainsFunc(p.statements, func(s statement) bool { return s.deny }) {
		return nil, nil
	}
	var out []kept
	for _, arn := range e.Providers {
		for _, action := range SAMLActions() {
			for j, a := range e.Audiences {
				if !slices.Contains(e.needing(a), arn) {
					continue
				}
				clauses := p.reduce(samlRequest(p, arn, action, e.Audiences[j:j+1]), nil)
				i := slices.IndexFunc(clauses, audienceDeny)
				if i < 0 {
					continue
				}
				free := without(clauses, audienceDeny)
				same, tried := every(atoms(clauses), func(as assignment) bool { return as.allows(clauses) == as.allows(free) })
				if !tried {
					return nil, tooComplex(&p.statements[clauses[i].index])
				}
				for _, c := range clauses {
					if !same && audienceDeny(c) {
						out = append(out, kept{&p.statements[c.index], action, a})
					}
				}
			}
		}
	}
	return out, nil
}

// exceptions finds the conditions into which the audiences go, in document
// order.
func (p Policy) exceptions(all []kept) ([]need, error) {
	var out []need
	for i := range p.statements {
		var missing []string
		for _, k := range all {
			if k.st.index == i && !slices.Contains(missing, k.audience) {
				missing = append(missing, k.audience)
			}
		}
		if len(missing) == 0 {
			continue
		}
		n, err := p.exception(&p.statements[i], missing)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// exception finds the one condition of a Deny that the audiences can go into:
// conditions are ANDed, so one that fails lifts the Deny.
func (p Policy) exception(s *statement, audiences []string) (need, error) {
	for i := range s.conditions {
		c := &s.conditions[i]
		if c.lower != audKey || !c.op.negated || c.op.base == opEqualsFold {
			continue
		}
		if err := p.editable(s, c); err != nil {
			return need{}, err
		}
		return need{s, c, audiences}, nil
	}
	return need{}, Refusal{RefusedDeny, s.index, fmt.Sprintf("%s denies %s and has no list of exceptions (StringNotEquals or StringNotLike on SAML:aud)", s.name(), audiences[0]),
		"have the identity team narrow that Deny statement by hand if it is not meant for this audience"}
}

package trustpolicy

import (
	"fmt"
	"slices"
	"strings"
)

// EditRequest says which audiences the providers must be able to sign in with.
// Providers are ARNs of IAM SAML providers; audiences are sign-in URLs. No value
// with a wildcard is accepted.
//
// Own names, by provider, the audiences that it needs, if it does not need all
// of them: an endpoint may be one provider's alone. It only makes edits
// smaller; what an edit may admit is Providers x Audiences all the same.
type EditRequest struct {
	Providers []string
	Audiences []string
	Own       map[string][]string
}

// needing returns the providers that need an audience.
func (e EditRequest) needing(audience string) []string {
	if e.Own == nil {
		return e.Providers
	}
	return slices.DeleteFunc(slices.Clone(e.Providers), func(arn string) bool {
		own, some := e.Own[arn]
		return some && !slices.Contains(own, audience)
	})
}

// Insertion is one audience added to one condition.
type Insertion struct {
	Statement int    `json:"statement"`
	Sid       string `json:"sid,omitempty"`
	Condition string `json:"condition"` // "StringEquals SAML:aud"
	Audience  string `json:"audience"`
}

// Result is the text after an edit; Changes is empty when nothing was missing
// and Text is then the text before.
type Result struct {
	Text    string
	Changes []Insertion
}

// Edit adds the wanted audiences to every Allow statement that keeps one of the
// providers from signing in with them although its other conditions hold, and
// to nothing else. All other bytes stay. The result is proved (see Prove)
// before it is returned; errors are of type Refusal.
//
// A statement without a condition on SAML:aud admits every audience and is left
// alone. A second Edit of the result changes nothing. Where a Deny keeps an
// audience out, the answer is the refusal RefusedDeny, and EditDeny plans the
// change of that Deny: the two are never mixed.
func Edit(text string, e EditRequest) (Result, error) {
	if err := e.check(); err != nil {
		return Result{}, err
	}
	p, err := Parse(text)
	if err != nil {
		return Result{}, Refusal{RefusedUnparsable, wholeDocument, err.Error(), "correct the trust policy by hand"}
	}
	need, err := p.needs(e)
	if err != nil {
		return Result{}, err
	}
	out := Result{Text: text}
	if len(need) > 0 {
		if err := characters(text); err != nil {
			return Result{}, err
		}
		out = insert(text, need)
	}
	after, err := reparse(out.Text)
	if err != nil {
		return Result{}, err
	}
	if out, err := after.keptOut(e); err != nil {
		return Result{}, err
	} else if len(out) > 0 {
		return Result{}, out[0].refusal()
	}
	if len(need) == 0 {
		return out, nil
	}
	if err := Prove(p, after, e); err != nil {
		return Result{}, err
	}
	return out, nil
}

// EditWithin is Edit for a policy that may have at most quota characters without
// insignificant white space (see CompactSize): it adds the audiences in the
// order given, leaves out each that does not fit any more, and returns those.
func EditWithin(text string, e EditRequest, quota int) (Result, []string, error) {
	whole, err := Edit(text, e)
	if err != nil || len(whole.Changes) == 0 || CompactSize(whole.Text) <= quota {
		return whole, nil, err
	}
	out := Result{Text: text}
	var fit, left []string
	for _, a := range e.Audiences {
		got, err := Edit(text, EditRequest{e.Providers, append(slices.Clone(fit), a), e.Own})
		switch {
		case err != nil:
			return Result{}, nil, err
		case len(got.Changes) > len(out.Changes) && CompactSize(got.Text) > quota:
			left = append(left, a)
		default:
			fit, out = append(fit, a), got
		}
	}
	return out, left, nil
}

// insert makes the changes; reparse reads what came of it.
func insert(text string, needs []need) Result {
	out := Result{Text: insertAll(text, needs)}
	for _, n := range needs {
		for _, a := range n.audiences {
			out.Changes = append(out.Changes, Insertion{n.st.index, n.st.sid, n.cond.name(), a})
		}
	}
	return out
}

func reparse(text string) (Policy, error) {
	p, err := Parse(text)
	if err != nil {
		return p, Refusal{RefusedUnprovable, wholeDocument, "the edited text does not parse: " + err.Error(),
			"add the audiences by hand and report this as a defect"}
	}
	return p, nil
}

// check refuses requests that could not be written safely.
func (e EditRequest) check() error {
	bad := func(format string, args ...any) error {
		return Refusal{RefusedRequest, wholeDocument, fmt.Sprintf(format, args...), "correct the federation's providers or Regions"}
	}
	for _, p := range e.Providers {
		if !(principal{federated, p}).isSAML() {
			return bad("%q is not the ARN of a SAML provider", clip(p))
		}
	}
	for _, a := range e.Audiences {
		plain := strings.HasPrefix(a, "https://") && !strings.ContainsFunc(a, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune("\"\\*?$<>{}", r)
		})
		if !plain {
			return bad("%q cannot be an audience: it must be a plain https URL without wildcards", clip(a))
		}
	}
	return nil
}

// characters refuses a text that UpdateAssumeRolePolicy would not take (IAM API
// Reference: tab, line feed, carriage return and U+0020 to U+00FF).
func characters(text string) error {
	for i, r := range text {
		if r > 0xff || (r < ' ' && r != '\t' && r != '\n' && r != '\r') {
			return Refusal{RefusedCharacters, wholeDocument,
				fmt.Sprintf("the document holds the character %U at byte %d, which IAM does not take", r, i),
				"replace that character by a \\u escape or plain ASCII, then run the plan again"}
		}
	}
	return nil
}

// need is what one condition of one statement lacks.
type need struct {
	st        *statement
	cond      *condition
	audiences []string
}

// needs finds what is missing, in document order.
func (p Policy) needs(e EditRequest) ([]need, error) {
	var out []need
	for i := range p.statements {
		s := &p.statements[i]
		var missing []string
		for j, a := range e.Audiences {
			lacks, err := p.lacks(s, e.needing(a), e.Audiences[j:j+1])
			if err != nil {
				return nil, err
			}
			if lacks && !slices.Contains(missing, a) {
				missing = append(missing, a)
			}
		}
		found, err := p.place(s, missing)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// lacks reports whether statement s keeps a provider from one of the three
// actions with an audience: with its conditions on SAML:aud out of the way, and
// no Deny on SAML:aud, somebody would be admitted who is not.
func (p Policy) lacks(s *statement, providers, audience []string) (bool, error) {
	if s.deny || !slices.ContainsFunc(s.conditions, func(c condition) bool { return comparesAudience(&c) }) {
		return false, nil
	}
	for _, arn := range providers {
		for _, action := range SAMLActions() {
			req := samlRequest(p, arn, action, audience)
			waived, ok := s.reduce(req, comparesAudience)
			if !ok {
				continue
			}
			if asItIs, ok := s.reduce(req, nil); ok && sameClauses([]clause{asItIs}, []clause{waived}) {
				continue
			}
			now := without(p.reduce(req, nil), audienceDeny)
			then := append(slices.Clone(now), waived)
			same, tried := every(atoms(then), func(as assignment) bool { return as.allows(then) == as.allows(now) })
			if !tried {
				return false, tooComplex(s)
			}
			if !same {
				return true, nil
			}
		}
	}
	return false, nil
}

// comparesAudience reports whether a condition compares SAML:aud with values.
func comparesAudience(c *condition) bool { return c.lower == audKey && c.op.base != opNull }

// audienceDeny is a Deny that looks at SAML:aud: an allow-list in disguise.
func audienceDeny(c clause) bool { return c.deny && c.audience }

// samlRequest is a login about which only principal, action and audience are
// known.
func samlRequest(p Policy, provider, action string, audience []string) request {
	return request{caller: principal{federated, provider}, action: action, version: p.version, aud: audience, partial: true}
}

// place finds the conditions of s into which the missing audiences go.
func (p Policy) place(s *statement, missing []string) ([]need, error) {
	var out []need
	for i := range s.conditions {
		c := &s.conditions[i]
		if c.lower != audKey || c.op.base == opNull || len(missing) == 0 {
			continue
		}
		if err := p.editable(s, c); err != nil {
			return nil, err
		}
		var lacking []string
		for _, a := range missing {
			if c.matches(request{version: p.version}, a) == yes == c.op.negated {
				lacking = append(lacking, a)
			}
		}
		if len(lacking) == 0 {
			continue
		}
		if err := insertable(s, c, lacking); err != nil {
			return nil, err
		}
		out = append(out, need{s, c, lacking})
	}
	return out, nil
}

// editable refuses conditions whose meaning is not known in full.
func (p Policy) editable(s *statement, c *condition) error {
	if c.op.base == opUnsupported {
		return Refusal{RefusedOperator, s.index, fmt.Sprintf("%s compares SAML:aud with %s, which is not supported", s.name(), clip(c.op.name)),
			"use StringEquals with a list of sign-in URLs in that statement"}
	}
	for _, v := range c.values {
		if hasVariable(p.version, v) {
			return Refusal{RefusedVariable, s.index, fmt.Sprintf("%s compares SAML:aud with the policy variable %q", s.name(), clip(v)),
				"replace the variable by a list of sign-in URLs in that statement"}
		}
	}
	return nil
}

// insertable refuses conditions in which an addition would not mean exactly the
// audience.
func insertable(s *statement, c *condition, lacking []string) error {
	switch {
	case c.op.negated:
		return Refusal{RefusedExcluded, s.index, fmt.Sprintf("%s excludes %s by %s", s.name(), lacking[0], c.name()),
			"take that audience out of the condition by hand if the exclusion is not meant"}
	case c.op.base == opEqualsFold:
		return Refusal{RefusedIgnoreCase, s.index, fmt.Sprintf("%s compares SAML:aud without regard to case: an added audience would admit other spellings too", s.name()),
			"change the operator to StringEquals, then run the plan again"}
	}
	return nil
}

func tooComplex(s *statement) error {
	return Refusal{RefusedTooComplex, s.index,
		fmt.Sprintf("together with %s more than %d different conditions on other keys are in play: the edit cannot be proved", s.name(), maxAtoms),
		"split the trust policy into simpler statements, or add the audiences by hand"}
}

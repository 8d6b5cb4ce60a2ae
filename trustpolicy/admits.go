package trustpolicy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The actions of a SAML sign-in (IAM User Guide, "Passing session tags in AWS
// STS", "Monitor and control actions taken with assumed roles"): the second is
// needed when the assertion carries tags, the third with a source identity.
const (
	AssumeRoleWithSAML = "sts:AssumeRoleWithSAML"
	TagSession         = "sts:TagSession"
	SetSourceIdentity  = "sts:SetSourceIdentity"
)

// SAMLActions lists the three actions a SAML sign-in may need.
func SAMLActions() []string { return []string{AssumeRoleWithSAML, TagSession, SetSourceIdentity} }

// Verdict is the answer for a login.
type Verdict string

// The verdicts. Conditional: the answer hangs on something that is not known.
const (
	Allow       Verdict = "allow"
	Deny        Verdict = "deny"
	Conditional Verdict = "conditional"
)

// Reason says in one word why a decision fell.
type Reason string

// The reasons. The last five belong to Conditional.
const (
	Allowed             Reason = "allowed"              // an Allow statement applies
	Explicit            Reason = "explicit"             // a Deny statement applies
	Implicit            Reason = "implicit"             // no Allow statement applies
	UnsupportedOperator Reason = "unsupported-operator" // a condition operator that is not evaluated here
	UnknownKey          Reason = "unknown-key"          // a condition key whose value is not known
	PolicyVariable      Reason = "policy-variable"      // a value with ${...} that the login does not settle
	MultiValue          Reason = "multi-valued-key"     // a multivalued key and no set operator: not documented
	WildcardPrincipal   Reason = "wildcard-principal"   // {"Federated": "*"}: not documented
)

// Login is one SAML sign-in as the trust policy sees it.
type Login struct {
	Provider string // ARN of the IAM SAML provider
	Audience string // SAML:aud, the assertion's Recipient
	Action   string // "" = sts:AssumeRoleWithSAML with all that the login needs besides
	// Context holds further condition keys, compared without regard to case. No
	// value = known to be absent. Keys of the assertion (SAML:*, sts:*,
	// aws:RequestTag/..., aws:TagKeys) that are not given are absent, others
	// unknown.
	Context           map[string][]string
	Tags              map[string]string // PrincipalTag attributes
	TransitiveTagKeys []string
	SourceIdentity    string
	// Partial says that the assertion is not known in full: keys of the
	// assertion that are not given are unknown instead of absent.
	Partial bool
}

// Dependence is an open condition that a Conditional decision hangs on.
type Dependence struct {
	Statement int
	Condition string // "StringEquals SAML:iss"; "" = the principal
	Key       string // in lower case; "" = the principal
	Reason    Reason
}

// Decision is the answer for one login.
type Decision struct {
	Verdict   Verdict
	Action    string // the action that decided
	Statement int    // index of the deciding statement, -1 when none did
	Sid       string
	Condition string // the condition that decided; for implicit: the one that kept the nearest Allow from applying
	Reason    Reason
	DependsOn []Dependence // of Conditional
	Needs     []string     // what this login needs besides its action
	Note      string       // "" or a warning, such as an Allow for everybody
}

// String explains the decision in one sentence.
func (d Decision) String() string {
	where := fmt.Sprintf("statement %d", d.Statement)
	if d.Sid != "" {
		where += " (" + clip(d.Sid) + ")"
	}
	switch {
	case d.Verdict == Allow:
		return where + " allows " + d.Action
	case d.Reason == Explicit:
		return where + " denies " + d.Action
	case d.Reason == Implicit && d.Condition != "":
		return "no statement allows " + d.Action + ": the nearest one fails at " + d.Condition
	case d.Reason == Implicit:
		return "no statement allows " + d.Action + " to this principal"
	}
	return fmt.Sprintf("%s of %s hangs on %s (%s)", d.Action, where, d.Condition, d.Reason)
}

// AssertionOnly reports whether a Conditional decision hangs only on what the
// assertion carries, which is the same in every Region.
func (d Decision) AssertionOnly() bool {
	for _, dep := range d.DependsOn {
		if !assertionKey(dep.Key) || dep.Key == audKey {
			return false
		}
	}
	return len(d.DependsOn) > 0
}

// Admits decides a login. With no Action in it the login is decided as a whole:
// sts:AssumeRoleWithSAML and what its tags and source identity need besides;
// the answer is that of the first action that is not allowed.
func Admits(p Policy, l Login) Decision {
	actions, needs := []string{l.Action}, []string(nil)
	if l.Action == "" {
		needs = l.needs()
		actions = append([]string{AssumeRoleWithSAML}, needs...)
	}
	var first Decision
	for i, action := range actions {
		d := p.decide(l.request(action))
		d.Needs = needs
		if d.Verdict == Deny {
			return d
		}
		if i == 0 || (first.Verdict == Allow && d.Verdict == Conditional) {
			first = d
		}
	}
	return first
}

// needs lists the actions that the login's attributes call for (IAM User Guide,
// "Passing session tags in AWS STS").
func (l Login) needs() []string {
	var out []string
	if len(l.Tags) > 0 || len(l.TransitiveTagKeys) > 0 {
		out = append(out, TagSession)
	}
	if l.SourceIdentity != "" {
		out = append(out, SetSourceIdentity)
	}
	return out
}

func (l Login) request(action string) request {
	keys := map[string][]string{}
	if l.Audience != "" {
		keys[audKey] = []string{l.Audience}
	}
	if len(l.Tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(l.Tags))
	}
	for k, v := range l.Tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
	}
	if len(l.TransitiveTagKeys) > 0 {
		keys["sts:transitivetagkeys"] = l.TransitiveTagKeys
	}
	if l.SourceIdentity != "" {
		keys["sts:sourceidentity"] = []string{l.SourceIdentity}
	}
	for k, v := range l.Context {
		keys[strings.ToLower(k)] = v
	}
	return request{caller: principal{federated, l.Provider}, action: action, keys: keys, partial: l.Partial}
}

// decide answers one request: three-valued first, then, if that leaves it open,
// over all values of the unknowns.
func (p Policy) decide(req request) Decision {
	req.version = p.version
	d := p.kleene(req)
	if d.Verdict != Conditional {
		return d
	}
	clauses := p.reduce(req, nil)
	names := atoms(clauses)
	for _, want := range []bool{true, false} {
		if same, _ := every(names, func(a assignment) bool { return a.allows(clauses) == want }); same {
			return settled(d, want)
		}
	}
	return d
}

// settled is a decision whose unknowns turned out not to matter.
func settled(d Decision, allowed bool) Decision {
	d.DependsOn, d.Condition = nil, ""
	d.Verdict, d.Reason = Deny, Implicit
	if allowed {
		d.Verdict, d.Reason = Allow, Allowed
		return d
	}
	d.Statement, d.Sid = -1, ""
	return d
}

// kleene evaluates with three-valued logic and keeps what decided.
func (p Policy) kleene(req request) Decision {
	d := Decision{Verdict: Deny, Action: req.action, Statement: -1, Reason: Implicit}
	var allows, denies []Dependence
	best := no
	for i := range p.statements {
		s := &p.statements[i]
		out := s.apply(req)
		switch {
		case s.deny && out.truth == yes:
			return Decision{Verdict: Deny, Action: req.action, Statement: s.index, Sid: s.sid,
				Condition: s.conditionNames(), Reason: Explicit}
		case out.truth == maybe && s.deny:
			denies = append(denies, s.dependences(req)...)
		case out.truth == maybe:
			allows = append(allows, s.dependences(req)...)
		}
		if !s.deny {
			d = nearer(d, s, out, best)
			best = max(best, out.truth)
		}
	}
	switch {
	case best == yes && len(denies) > 0:
		return conditional(p, req.action, denies)
	case best == maybe:
		return conditional(p, req.action, append(allows, denies...))
	}
	return d
}

// nearer keeps of the Allow statements seen so far the one that explains best.
func nearer(d Decision, s *statement, out outcome, best truth) Decision {
	switch {
	case out.truth == yes && best != yes:
		d.Verdict, d.Reason, d.Statement, d.Sid = Allow, Allowed, s.index, s.sid
		d.Condition = s.conditionNames()
		if s.who.open() {
			d.Note = s.name() + " names everybody as principal"
		}
	case out.truth == no && out.reached && best == no && d.Condition == "" && out.decided != nil:
		d.Condition = out.decided.name()
	}
	return d
}

// conditional names an operator that is not built first: it is the one that a
// person can do something about.
func conditional(p Policy, action string, open []Dependence) Decision {
	first := open[0]
	for _, d := range open {
		if d.Reason == UnsupportedOperator {
			first = d
			break
		}
	}
	return Decision{Verdict: Conditional, Action: action, Statement: first.Statement,
		Sid: p.statements[first.Statement].sid, Condition: first.Condition, Reason: first.Reason, DependsOn: open}
}

// dependences lists the open conditions of a statement.
func (s *statement) dependences(req request) []Dependence {
	var out []Dependence
	if s.who.covers(req.caller) == maybe {
		out = append(out, Dependence{Statement: s.index, Reason: WildcardPrincipal})
	}
	for _, c := range s.conditions {
		if t, why := c.holds(req); t == maybe {
			out = append(out, Dependence{s.index, c.name(), c.lower, why})
		}
	}
	return out
}

func (s *statement) conditionNames() string {
	var names []string
	for _, c := range s.conditions {
		names = append(names, c.name())
	}
	return strings.Join(names, ", ")
}

// AsGood reports whether every login that base stands for, were it to come as
// other, would be admitted too: whatever the unknown condition keys are. Give
// two logins that differ in what is to be compared, such as the audience.
func AsGood(p Policy, base, other Login) bool {
	for _, action := range SAMLActions() {
		from, to := p.reduce(base.request(action), nil), p.reduce(other.request(action), nil)
		ok, _ := every(atoms(from, to), func(a assignment) bool { return !a.allows(from) || a.allows(to) })
		if !ok {
			return false
		}
	}
	return true
}

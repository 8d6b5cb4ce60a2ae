package trustpolicy

import "strings"

type presence uint8

const (
	absent presence = iota
	present
	unknown
)

// request is what IAM would evaluate: who does what with which context.
type request struct {
	caller  principal
	action  string
	version string              // of the policy that is asked
	aud     []string            // SAML:aud, if it is given here and not among keys
	keys    map[string][]string // lower-case key -> values; no value = known to be absent
	partial bool                // keys of the assertion that are not given are unknown
}

// lookup returns the values of a lower-case key and whether it is there.
func (r request) lookup(key string) ([]string, presence) {
	if key == audKey && r.aud != nil {
		return r.aud, present
	}
	if v, ok := r.keys[key]; ok {
		if len(v) == 0 {
			return nil, absent
		}
		return v, present
	}
	if assertionKey(key) && !r.partial {
		return nil, absent
	}
	return nil, unknown
}

// assertionKey reports whether a key's value travels with the assertion, so
// that it is the same in every Region: SAML:*, sts:*, aws:RequestTag/... and
// aws:TagKeys (IAM User Guide, "IAM and AWS STS condition context keys").
func assertionKey(lower string) bool {
	return strings.HasPrefix(lower, "saml:") || strings.HasPrefix(lower, "sts:") ||
		strings.HasPrefix(lower, "aws:requesttag/") || lower == "aws:tagkeys"
}

// multivalued reports whether a key may have several values. Such a key needs a
// set operator, and cannot stand in a policy variable (IAM User Guide,
// "Single-valued vs. multivalued context keys"; the types of the keys are those
// of the Service Authorization Reference: ArrayOf...).
func multivalued(lower string) bool {
	switch lower {
	case "saml:cn", "saml:eduorghomepageuri", "saml:eduorgidentityauthnpolicyuri", "saml:eduorglegalname", "saml:eduorgsuperioruri",
		"saml:eduorgwhitepagesuri", "saml:edupersonaffiliation", "saml:edupersonassurance", "saml:edupersonentitlement",
		"saml:edupersonnickname", "saml:edupersonorgunitdn", "saml:edupersonscopedaffiliation", "saml:edupersontargetedid",
		"sts:transitivetagkeys", "aws:tagkeys", "aws:calledvia", "aws:principalorgpaths", "aws:principalservicenameslist",
		"aws:resourceorgpaths", "aws:sourceorgpaths", "aws:vpceorgpaths":
		return true
	}
	return false
}

// singleValued reports whether a key is known to have at most one value, so that
// a negated operator without a set operator is the exact contrary of the
// positive one. Of keys of other services nothing is known.
func singleValued(lower string) bool {
	service, _, _ := strings.Cut(lower, ":")
	return (service == "saml" || service == "sts" || service == "aws") && !multivalued(lower)
}

// outcome is what a statement says to a request.
type outcome struct {
	truth   truth
	reached bool       // principal and action match
	decided *condition // the first condition that is not yes
	reason  Reason     // of a maybe
}

// apply evaluates one statement. False beats unknown: a condition that fails
// settles the statement whatever the others are.
func (s *statement) apply(req request) outcome {
	who := s.who.covers(req.caller)
	if who == no || !s.grants(req.action) {
		return outcome{truth: no}
	}
	out := outcome{truth: who, reached: true}
	if who == maybe {
		out.reason = WildcardPrincipal
	}
	for i := range s.conditions {
		c := &s.conditions[i]
		switch t, why := c.holds(req); t {
		case no:
			return outcome{truth: no, reached: true, decided: c}
		case maybe:
			if out.truth == yes {
				out = outcome{truth: maybe, reached: true, decided: c, reason: why}
			}
		}
	}
	return out
}

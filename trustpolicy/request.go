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
	keys    map[string][]string // lower-case key -> values; no value = known to be absent
	partial bool                // keys of the assertion that are not given are unknown
}

// lookup returns the values of a lower-case key and whether it is there.
func (r request) lookup(key string) ([]string, presence) {
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

// singleValued reports whether a key is known to have at most one value, so that
// it can stand in a policy variable, and a negated operator without a set
// operator is the exact contrary of the positive one. Of other keys nothing is
// assumed (IAM User Guide, "AWS global condition context keys", "IAM and AWS STS
// condition context keys"; Service Authorization Reference, AWS STS: multivalued
// keys are those of type ArrayOf...).
func singleValued(lower string) bool {
	if name, tag, isTag := strings.Cut(lower, "/"); isTag && tag != "" {
		return name == "aws:requesttag" || name == "aws:principaltag" || name == "aws:resourcetag"
	}
	switch lower {
	case audKey, "saml:iss", "saml:sub", "saml:sub_type", "saml:doc", "saml:namequalifier",
		"sts:externalid", "sts:rolesessionname", "sts:sourceidentity",
		"aws:currenttime", "aws:epochtime", "aws:federatedprovider", "aws:multifactorauthage", "aws:multifactorauthpresent",
		"aws:principalaccount", "aws:principalarn", "aws:principalisawsservice", "aws:principalorgid", "aws:principaltype",
		"aws:referer", "aws:requestedregion", "aws:securetransport", "aws:sourceaccount", "aws:sourcearn", "aws:sourceip",
		"aws:sourceorgid", "aws:sourcevpc", "aws:sourcevpce", "aws:tokenissuetime", "aws:useragent", "aws:userid", "aws:username",
		"aws:viaawsservice", "aws:vpcsourceip":
		return true
	}
	return false
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

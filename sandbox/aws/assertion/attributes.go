package assertion

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// Names of the attributes that AWS reads; case-sensitive.
const (
	attrPrefix     = "https://aws.amazon.com/SAML/Attributes/"
	attrRole       = attrPrefix + "Role"
	attrSession    = attrPrefix + "RoleSessionName"
	attrDuration   = attrPrefix + "SessionDuration"
	attrSource     = attrPrefix + "SourceIdentity"
	attrTag        = attrPrefix + "PrincipalTag:"
	attrTransitive = attrPrefix + "TransitiveTagKeys"
)

var (
	sessionName = regexp.MustCompile(`^[a-zA-Z_0-9+=,.@-]{2,64}$`)
	tagText     = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// Pair is one value of the Role attribute.
type Pair struct{ Role, Provider string }

// readAttributes collects the values of all attributes by name.
func readAttributes(el *etree.Element) (map[string][]string, *Refusal) {
	out := map[string][]string{}
	for _, st := range children(el, "AttributeStatement") {
		for _, at := range children(st, "Attribute") {
			name := at.SelectAttrValue("Name", "")
			if _, twice := out[name]; twice && name != attrRole {
				return nil, Misshapen("the attribute %s appears twice", name)
			}
			for _, v := range children(at, "AttributeValue") {
				s, ok := text(v)
				if !ok {
					return nil, Misshapen("a value of the attribute %s is no plain text", name)
				}
				out[name] = append(out[name], s)
			}
		}
	}
	return out, nil
}

// readPairs reads "role,provider" in either order.
func readPairs(values []string) ([]Pair, *Refusal) {
	if len(values) == 0 {
		return nil, Misshapen("there is no attribute %s", attrRole)
	}
	var out []Pair
	for _, v := range values {
		a, b, _ := strings.Cut(v, ",")
		p := Pair{a, b}
		if strings.Contains(a, ":saml-provider/") {
			p = Pair{b, a}
		}
		if !strings.HasPrefix(p.Role, "arn:") || !strings.Contains(p.Role, ":role/") ||
			!strings.HasPrefix(p.Provider, "arn:") || !strings.Contains(p.Provider, ":saml-provider/") || strings.Contains(b, ",") {
			return nil, Misshapen("%q is no pair of a role ARN and a provider ARN", v)
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// readAWS reads AWS's own attributes.
func (a *Assertion) readAWS(el *etree.Element, _ Trust, _ time.Time) *Refusal {
	attrs, bad := readAttributes(el)
	if bad != nil {
		return bad
	}
	if a.Roles, bad = readPairs(attrs[attrRole]); bad != nil {
		return bad
	}
	if bad := a.readNames(attrs); bad != nil {
		return bad
	}
	if v, ok := attrs[attrDuration]; ok {
		d, fine := seconds(single(v))
		if !fine {
			return Invalid("SessionDuration in AuthnResponse must be an integer from 900 to 43200", "its value is %q", v)
		}
		a.SessionDuration = d
	}
	return a.readTags(attrs)
}

func (a *Assertion) readNames(attrs map[string][]string) *Refusal {
	name, ok := attrs[attrSession]
	a.RoleSessionName = single(name)
	switch {
	case !ok:
		return Invalid("RoleSessionName is required in AuthnResponse", "there is no attribute %s", attrSession)
	case !sessionName.MatchString(a.RoleSessionName):
		return Invalid("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}", "its value is %q", name)
	}
	if source, ok := attrs[attrSource]; ok {
		a.SourceIdentity = single(source)
		if !sessionName.MatchString(a.SourceIdentity) || strings.HasPrefix(a.SourceIdentity, "aws:") {
			return Invalid(`Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`, "its value is %q", source)
		}
	}
	return nil
}

// readTags reads session tags (IAM User Guide, "Pass session tags in AWS STS").
func (a *Assertion) readTags(attrs map[string][]string) *Refusal {
	a.Tags = map[string]string{}
	folded := map[string]bool{}
	for name, values := range attrs {
		key, ok := strings.CutPrefix(name, attrTag)
		if !ok {
			continue
		}
		switch {
		case len(values) != 1:
			return Misshapen("the tag %q has %d values", key, len(values))
		case key == "" || utf8.RuneCountInString(key) > 128 || !tagText.MatchString(key) || strings.HasPrefix(strings.ToLower(key), "aws:"):
			return Misshapen("%q is no tag key", key)
		case utf8.RuneCountInString(values[0]) > 256 || !tagText.MatchString(values[0]):
			return Misshapen("the value of tag %q is not allowed", key)
		case folded[strings.ToLower(key)]:
			return Misshapen("the tag %q appears twice in different case", key)
		}
		folded[strings.ToLower(key)] = true
		a.Tags[key] = values[0]
	}
	a.TransitiveTagKeys = attrs[attrTransitive]
	if len(a.Tags) > 50 || len(a.TransitiveTagKeys) > 50 {
		return Misshapen("there are more than 50 session tags")
	}
	return nil
}

// single returns the only value, or "" when there is none or more than one.
func single(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

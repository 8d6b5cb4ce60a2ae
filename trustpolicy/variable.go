package trustpolicy

import "strings"

// Wildcards in an expanded value; every other rune of it is literal.
const (
	anyRunes rune = -1 // *
	oneRune  rune = -2 // ?
)

// hasVariable reports whether a policy value is replaced at evaluation time.
// Variables exist only in the newer policy version (IAM User Guide, "IAM JSON
// policy elements: Version").
func hasVariable(version, value string) bool {
	return version == version2012 && strings.Contains(value, "${")
}

// expand replaces the policy variables of a value (IAM User Guide, "IAM policy
// elements: Variables and tags"): ${*}, ${?} and ${$} stand for the character;
// ${key} for the key's value; ${key, 'default'} for the default if the key is
// absent; without one an absent key has no value, and nothing equals it.
//
// The truth is yes for a value that is known in full, no for one that is equal
// to nothing, maybe for one that hangs on what is not known or not documented;
// variables that are not known stay as written.
func (r request) expand(value string) ([]rune, truth) {
	var out []rune
	sure := yes
	for value != "" {
		if strings.HasPrefix(value, "${") && r.version == version2012 {
			name, rest, closed := strings.Cut(value[2:], "}")
			text, t := r.variable(name)
			if !closed || t == maybe {
				text, t = value[:len(value)-len(rest)], maybe
			}
			if t == no {
				return nil, no
			}
			out, sure, value = append(out, []rune(text)...), min(sure, t), rest
			continue
		}
		before, _, _ := strings.Cut(value[1:], "${")
		out = append(out, wildcards(value[:1+len(before)])...)
		value = value[1+len(before):]
	}
	return out, sure
}

// variable returns what stands for ${name}.
func (r request) variable(name string) (string, truth) {
	if name == "*" || name == "?" || name == "$" {
		return name, yes
	}
	key, fallback, hasDefault := strings.Cut(name, ", '")
	key = strings.ToLower(key)
	if hasDefault && (!strings.HasSuffix(fallback, "'") || strings.ContainsRune(fallback[:len(fallback)-1], '\'')) {
		return "", maybe
	}
	values, presence := r.lookup(key)
	switch {
	case presence == unknown, !singleValued(key), len(values) > 1, strings.TrimSpace(key) != key:
		return "", maybe
	case presence == present && strings.ContainsAny(values[0], "*?"):
		return "", maybe // whether they would be wildcards is not documented
	case presence == present:
		return values[0], yes
	case hasDefault:
		return fallback[:len(fallback)-1], yes
	}
	return "", no
}

// wildcards marks the wildcards of a pattern.
func wildcards(pattern string) []rune {
	out := []rune(pattern)
	for i, c := range out {
		switch c {
		case '*':
			out[i] = anyRunes
		case '?':
			out[i] = oneRune
		}
	}
	return out
}

// spell writes an expanded value with these runes for its wildcards.
func spell(value []rune, many, one rune) string {
	out := make([]rune, len(value))
	for i, c := range value {
		switch c {
		case anyRunes:
			out[i] = many
		case oneRune:
			out[i] = one
		default:
			out[i] = c
		}
	}
	return string(out)
}

package config

import "strings"

// pattern is a shape of text with its description for people.
type pattern struct {
	expr string // anchored; also used in the JSON Schema, so RE2 and ECMA agree on it
	says string
}

// patternOf returns the shape that a pattern tag names; ok is false for none.
func patternOf(name string) (pattern, bool) {
	switch name {
	case "name":
		return pattern{`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`, "a name: letters, digits, dot, dash and underscore, at most 63"}, true
	case "controller":
		return pattern{`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`, "a controller's name: letters, digits, dot, dash and underscore, at most 63"}, true
	case "label":
		return pattern{`^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?$`, "one line of at most 100 characters without a space at its ends"}, true
	case "id":
		return pattern{`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`, "an id: letters, digits, dash and underscore, at most 100"}, true
	case "account":
		return pattern{`^[0-9]{12}$`, "an AWS account id: twelve digits"}, true
	case "external":
		return pattern{`^[A-Za-z0-9_+=,.@:/-]{2,1000}$`, "an external id: 2 to 1000 letters, digits and _+=,.@:/-"}, true
	case "profile":
		return pattern{`^[^\s\[\]\x00-\x1f\x7f]{1,100}$`, "the name of an AWS profile"}, true
	case "kid":
		return pattern{`^[!-~]{1,200}$`, "the id of a key: at most 200 letters, digits and signs without a space"}, true
	case "uuid":
		return pattern{`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`, "a UUID, such as 3b9fe2b2-9ba4-4dd6-9d4c-0f6d1c0f4a11"}, true
	case "path":
		return pattern{`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}){1,10}$`, "a path, such as /samlfailover: it begins with a slash, does not end with one, and holds letters, digits and -._~ only"}, true
	case "login":
		return pattern{`^[^\s\x00-\x1f\x7f]{1,200}$`, "a login: at most 200 characters without a space"}, true
	case "audience":
		return pattern{`^[!-~]{1,300}$`, "an audience: at most 300 letters, digits and signs without a space"}, true
	case "claim":
		return pattern{`^[A-Za-z0-9_:./-]{1,200}$`, "the name of a claim: letters, digits and _:./-"}, true
	case "kind":
		return pattern{`^[a-z0-9]+:[A-Za-z0-9_.:-]{1,100}$`, "a kind of app: the vendor, a colon and a word, such as okta:amazon_aws"}, true
	}
	return pattern{}, false
}

// closest returns the candidate that a mistyped word most likely meant, or "".
func closest(word string, candidates []string) string {
	if len(word) > 64 {
		return ""
	}
	word = strings.ToLower(strings.TrimSpace(word))
	best, least := "", max(1, len(word)/3)+1
	for _, c := range candidates {
		if d := distance(word, strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap with their
// neighbour between a and b.
func distance(a, b string) int {
	var before []int // the row above last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

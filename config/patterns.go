package config

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
	case "ou":
		return pattern{`^(ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})$`, "the id of an organizational unit or of a root, such as ou-ab12-11112222"}, true
	case "tag":
		return pattern{`^[A-Za-z0-9_.:/+@ -]{1,128}(=[A-Za-z0-9_.:/+@= -]{0,256})?$`, "a tag, key or key=value: letters, digits, spaces and _.:/+@-"}, true
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
	case "team":
		return pattern{`^T[A-Z0-9]{2,30}$`, "the id of a Slack workspace, such as T024BE7LD: a T, capital letters and digits"}, true
	case "channel":
		return pattern{`^[CDG][A-Z0-9]{2,30}$`, "the id of a Slack channel, such as C024BE91L: a C, D or G, capital letters and digits"}, true
	case "digest":
		return pattern{`^sha256:[0-9a-f]{64}$`, "the digest of a token: sha256: and 64 hex digits, as samlfailover token new prints it"}, true
	case "slackuser":
		return pattern{`^[UW][A-Z0-9]{2,30}$`, "the id of a Slack user, such as U2147483697"}, true
	case "osuser":
		return pattern{`^[A-Za-z0-9_][A-Za-z0-9_.@\\$-]{0,63}$`, "the name of an OS user"}, true
	case "subject":
		return pattern{`^[!-~]{1,255}$`, "a subject as the issuer's tokens say it (sub): at most 255 signs without a space"}, true
	case "fingerprint":
		return pattern{`^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$`, "the SHA-256 of a certificate: 64 hex digits, with or without colons"}, true
	case "kind":
		return pattern{`^[a-z0-9]+:[A-Za-z0-9_.:-]{1,100}$`, "a kind of app: the vendor, a colon and a word, such as okta:amazon_aws"}, true
	}
	return pattern{}, false
}

// Package secrettest is for finding secrets in what a program leaves behind:
// its output, its log, its files, its errors.
//
// It must never be linked into the product.
package secrettest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	// piece is how much of a secret counts as the secret: a text that is cut
	// short still gives it away.
	piece = 16
	// shortest is the length below which a text is no secret but a word.
	shortest = 6
)

// Find returns the names of the secrets that a text holds, sorted: whole or in
// large part, as they are or in a form in which programs write them. Secrets
// are texts by name; those of fewer than six characters are left out.
func Find(text string, secrets map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if len(secrets[name]) >= shortest && slices.ContainsFunc(forms(secrets[name]), func(f string) bool { return holds(text, f) }) {
			out = append(out, name)
		}
	}
	return out
}

// holds says whether a text holds one whole form, or as much of it as matters.
func holds(text, form string) bool {
	if len(form) <= piece {
		return strings.Contains(text, form)
	}
	for at := 0; at < len(form); at += piece / 2 {
		at = min(at, len(form)-piece)
		if strings.Contains(text, form[at:at+piece]) {
			return true
		}
		if at == len(form)-piece {
			break
		}
	}
	return false
}

// forms are the ways in which a secret may be written.
func forms(secret string) []string {
	quoted, _ := json.Marshal(secret) // a string always can be
	goQuoted := strconv.Quote(secret)
	out := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret),
		string(quoted[1 : len(quoted)-1]), goQuoted[1 : len(goQuoted)-1], hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for _, s := range []string{secret, url.QueryEscape(secret)} { // Basic wants it form-encoded first (RFC 6749, 2.3.1)
			out = append(out, inBase64(e, s)...)
		}
	}
	return out
}

// inBase64 is what base64 always makes of a secret, whatever stands before and
// behind it, such as the name in a Basic credential: three texts, one for each
// position in a group of three bytes.
func inBase64(e *base64.Encoding, secret string) []string {
	var out []string
	for before := range 3 {
		all := e.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
		all = strings.TrimRight(all, "=")
		from := (before*8 + 5) / 6           // the first character that depends on the secret alone
		to := (before + len(secret)) * 8 / 6 // the same for the last
		if to-from >= shortest {
			out = append(out, all[from:to])
		}
	}
	return out
}

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
	var all search
	for name, s := range secrets {
		if len(s) < shortest {
			continue
		}
		for _, form := range forms(s) {
			for _, p := range pieces(form) {
				all.add(name, p)
			}
		}
	}
	return all.in(text)
}

// pieces are the parts of a form of which each counts as the whole.
func pieces(form string) []string {
	if len(form) <= piece {
		return []string{form}
	}
	var out []string
	for at := 0; at < len(form)-piece; at += piece / 2 {
		out = append(out, form[at:at+piece])
	}
	return append(out, form[len(form)-piece:])
}

// search looks for thousands of texts at once, in one pass: by their first six
// bytes, of which a small table says whether any text begins so.
type search struct {
	begins [1 << 16]bool
	texts  map[uint64][]named
}

type named struct{ name, text string }

func mix(key uint64) uint16 { return uint16(key * 0x9e3779b97f4a7c15 >> 48) } // the golden ratio, as in Knuth's multiplicative hashing

func (s *search) add(name, text string) {
	if s.texts == nil {
		s.texts = map[uint64][]named{}
	}
	var key uint64
	for i := range shortest {
		key = key<<8 | uint64(text[i])
	}
	s.begins[mix(key)] = true
	s.texts[key] = append(s.texts[key], named{name, text})
}

func (s *search) in(text string) []string {
	found := map[string]bool{}
	var key uint64
	for i := range len(text) {
		key = (key<<8 | uint64(text[i])) & (1<<(8*shortest) - 1)
		if i < shortest-1 || !s.begins[mix(key)] {
			continue
		}
		for _, n := range s.texts[key] {
			if strings.HasPrefix(text[i-shortest+1:], n.text) {
				found[n.name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
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

package idp

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// unquote decodes a valid JSON string. Unlike encoding/json it keeps a lone
// UTF-16 surrogate apart from every other one (in the three-byte form that
// UTF-8 forbids), so that two different strings never compare equal.
func unquote(raw []byte) string {
	body := raw[1 : len(raw)-1]
	if bytes.IndexByte(body, '\\') < 0 {
		return string(body)
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); {
		switch {
		case body[i] != '\\':
			out = append(out, body[i])
			i++
		case body[i+1] != 'u':
			out = append(out, plainEscape(body[i+1]))
			i += 2
		default:
			r := unit(body[i+2:])
			i += 6
			if utf16.IsSurrogate(r) && i+5 < len(body) && body[i] == '\\' && body[i+1] == 'u' {
				if pair := utf16.DecodeRune(r, unit(body[i+2:])); pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
			out = appendUnit(out, r)
		}
	}
	return string(out)
}

// plainEscape returns what a two-character escape stands for.
func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash, slash
}

// unit reads the four hex digits of a \u escape.
func unit(hex []byte) rune {
	n, _ := strconv.ParseUint(string(hex[:4]), 16, 16)
	return rune(n)
}

func appendUnit(out []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(out, r)
}

// QuoteJSON returns s as a JSON string, with & < > as they are.
func QuoteJSON(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes, into memory
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

package okta

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// object is a JSON object. Values are nil, bool, string, json.Number, []any
// and object's own underlying type, never float64: a number stays the text
// that it was.
type object = map[string]any

// decode reads exactly one JSON object.
func decode(raw []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("the JSON text is null, not an object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more text after the JSON object")
	}
	return o, nil
}

// keyOrder is the order in which Okta was recorded to write known keys; others
// follow by name.
const keyOrder = `id orn name label status lastUpdated created accessibility visibility features signOnMode credentials settings
selfService errorRedirectUrl loginRedirectUrl autoLaunch autoSubmitToolbar hide iOS web appLinks userNameTemplate template type signing kid
app notifications vpn network connection message helpUrl manualProvisioning implicitAssignment notes admin enduser signOn
defaultRelayState ssoAcsUrl ssoAcsUrlOverride idpIssuer audience audienceOverride recipient recipientOverride destination destinationOverride
subjectNameIdTemplate subjectNameIdFormat responseSigned assertionSigned signatureAlgorithm digestAlgorithm honorForceAuthn authnContextClassRef
spIssuer requestCompressed attributeStatements namespace values filterType filterValue inlineHooks spCertificate assertionEncryption enabled
allowMultipleAcsEndpoints acsEndpoints url index samlSignedRequestEnabled slo issuer logoutUrl href universalLogout _embedded _links`

var keyRank = sync.OnceValue(func() map[string]int {
	rank := map[string]int{}
	for i, k := range strings.Fields(keyOrder) {
		rank[k] = i - 1000 // before every unknown key, whose rank is 0
	}
	return rank
})

// encode writes a value compactly with keys in Okta's order.
func encode(v any) []byte {
	var b bytes.Buffer
	write(&b, v)
	return b.Bytes()
}

func write(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case object:
		b.WriteByte('{')
		for i, k := range orderedKeys(v) {
			if i > 0 {
				b.WriteByte(',')
			}
			writeScalar(b, k)
			b.WriteByte(':')
			write(b, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(b, e)
		}
		b.WriteByte(']')
	default:
		writeScalar(b, v)
	}
}

// writeScalar cannot fail for the kinds that decode makes.
func writeScalar(b *bytes.Buffer, v any) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("sandbox okta: encode %T: %v", v, err))
	}
	b.Truncate(b.Len() - 1) // Encode's newline
}

func orderedKeys(o object) []string {
	rank := keyRank()
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if d := rank[a] - rank[b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return keys
}

// clone copies a value deeply.
func clone(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// get returns the value at a path of keys; ok is false where a key is absent or
// something on the way is no object.
func get(o object, path ...string) (v any, ok bool) {
	v = o
	for _, k := range path {
		in, isObject := v.(object)
		if !isObject {
			return nil, false
		}
		if v, ok = in[k]; !ok {
			return nil, false
		}
	}
	return v, true
}

// text returns the string at a path, or "".
func text(o object, path ...string) string {
	v, _ := get(o, path...)
	s, _ := v.(string)
	return s
}

// sub returns the object at a path, or nil.
func sub(o object, path ...string) object {
	v, _ := get(o, path...)
	in, _ := v.(object)
	return in
}

// set puts a value at a path and makes absent objects on the way.
func set(o object, v any, path ...string) {
	for _, k := range path[:len(path)-1] {
		in, ok := o[k].(object)
		if !ok {
			in = object{}
			o[k] = in
		}
		o = in
	}
	o[path[len(path)-1]] = v
}

// removePointer deletes what a JSON pointer (RFC 6901) names; it reports
// whether that was there.
func removePointer(o object, pointer string) bool {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	last := len(parts) - 1
	parent := o
	if last > 0 {
		parent = sub(o, parts[:last]...)
	}
	if _, ok := parent[parts[last]]; !ok {
		return false
	}
	delete(parent, parts[last])
	return true
}

package idp

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/finding"
)

// Get returns the bytes of the value that a pointer names; ok is false when
// there is none.
func Get(raw json.RawMessage, p Pointer) (value json.RawMessage, ok bool, err error) {
	v, err := Parse(raw)
	if err != nil {
		return nil, false, err
	}
	at, ok := v.At(p)
	return at.Raw(), ok, nil
}

// Set returns raw with the value at p replaced, or with the key added at the
// end of its object. No other byte changes. The parent must exist; an array is
// never made longer.
func Set(raw json.RawMessage, p Pointer, value json.RawMessage) (json.RawMessage, error) {
	v, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	parsed, err := Parse(value)
	if err != nil {
		return nil, fmt.Errorf("set %s: the new value: %w", p, err)
	}
	value = parsed.Raw()
	if at, ok := v.At(p); ok {
		return checked(splice(raw, at.node.start, at.node.end, value))
	}
	parent, key, err := v.parent(p)
	if err != nil {
		return nil, err
	}
	if parent.kind != '{' {
		return nil, fmt.Errorf("set %s: its parent is not an object", p)
	}
	entry := append(QuoteJSON(key), ':')
	entry = append(entry, value...)
	at := parent.start + 1
	if n := len(parent.members); n > 0 {
		at = parent.members[n-1].value.end
		entry = append([]byte{','}, entry...)
	}
	return checked(splice(raw, at, at, entry))
}

// Delete returns raw without the key at p; a key that is absent stays absent.
// No other byte changes but one comma. An array element cannot be deleted,
// since that would give its neighbours other pointers.
func Delete(raw json.RawMessage, p Pointer) (json.RawMessage, error) {
	v, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	if _, ok := v.At(p); !ok {
		return raw, nil
	}
	parent, key, err := v.parent(p)
	if err != nil {
		return nil, err
	}
	if parent.kind != '{' {
		return nil, fmt.Errorf("delete %s: an array element cannot be deleted; set the whole array", p)
	}
	i := parent.member(key)
	start, end := parent.members[i].start, parent.members[i].value.end
	switch {
	case i+1 < len(parent.members):
		end = parent.members[i+1].start
	case i > 0:
		start = parent.members[i-1].value.end
	}
	return checked(splice(raw, start, end, nil))
}

// parent returns the node that holds the last token of p.
func (v Value) parent(p Pointer) (*node, string, error) {
	tokens, err := p.tokens()
	if err != nil {
		return nil, "", err
	}
	if len(tokens) == 0 {
		return nil, "", fmt.Errorf("the whole document has no parent")
	}
	n := v.node
	for _, t := range tokens[:len(tokens)-1] {
		if n = n.child(t); n == nil {
			return nil, "", fmt.Errorf("%s: its parent does not exist", p)
		}
	}
	return n, tokens[len(tokens)-1], nil
}

func splice(raw json.RawMessage, start, end int, with []byte) json.RawMessage {
	return slices.Concat(raw[:start], with, raw[end:])
}

// checked refuses an edited text that is no longer a document we accept.
func checked(raw json.RawMessage) (json.RawMessage, error) {
	if _, err := Parse(raw); err != nil {
		return nil, fmt.Errorf("edited document: %w", err)
	}
	return raw, nil
}

// Apply returns the document with the changes made and nothing else touched.
// It refuses (changed-meanwhile) when a value is not what its change takes for
// granted.
func Apply(doc Document, changes []Change) (Document, error) {
	raw := doc.Raw
	for _, c := range changes {
		now, _, err := Get(raw, c.Pointer)
		if err != nil {
			return Document{}, err
		}
		same, err := sameValue(now, c.Before)
		if err != nil {
			return Document{}, err
		}
		if !same {
			return Document{}, finding.Finding{Code: finding.ChangedMeanwhile, Subject: "app " + string(doc.ID),
				What: fmt.Sprintf("%s does not hold the value that the change starts from", c.Pointer),
				Why:  "somebody else changed it", Remedy: "plan again on a fresh read"}
		}
		if c.After == nil {
			raw, err = Delete(raw, c.Pointer)
		} else {
			raw, err = Set(raw, c.Pointer, c.After)
		}
		if err != nil {
			return Document{}, fmt.Errorf("app %s: %w", doc.ID, err)
		}
	}
	doc.Raw = raw
	return doc, nil
}

// sameValue compares two values by meaning; nil is an absent key and equals
// only nil.
func sameValue(a, b json.RawMessage) (bool, error) {
	if a == nil || b == nil {
		return a == nil && b == nil, nil
	}
	diff, err := Changed(a, b, nil)
	return len(diff) == 0, err
}

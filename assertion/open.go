package assertion

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/beevik/etree"
	rtvalidator "github.com/mattermost/xml-roundtrip-validator"
)

const (
	protocolNS  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertionNS = "urn:oasis:names:tc:SAML:2.0:assertion"
	signatureNS = "http://www.w3.org/2000/09/xmldsig#"

	// MaxSize bounds a response in bytes. AWS takes far less; this leaves room for
	// one that Check refuses by name.
	MaxSize     = 1 << 20
	maxDepth    = 40
	maxElements = 10_000
)

// opened is a response whose shape is that of exactly one assertion.
type opened struct {
	response, assertion *etree.Element
}

// open parses a response and holds its shape: no DTD, no comment, no
// instruction, exactly one assertion, right below the response, and every id
// once. Comments go because a reader may end a value where one begins, while
// the signature does not cover them.
func open(text []byte) (opened, error) {
	switch {
	case len(text) > MaxSize:
		return opened{}, fmt.Errorf("it is larger than %d bytes", MaxSize)
	case !utf8.Valid(text):
		return opened{}, errors.New("it is not UTF-8")
	}
	if err := rtvalidator.Validate(bytes.NewReader(text)); err != nil {
		return opened{}, errors.New("it is not plain XML that every reader reads alike")
	}
	doc := etree.NewDocument()
	doc.ReadSettings.ValidateInput = true
	if err := doc.ReadFromBytes(text); err != nil {
		return opened{}, errors.New("it is not well-formed XML")
	}
	root := doc.Root()
	if root == nil || !is(root, protocolNS, "Response") {
		return opened{}, errors.New("it is not a SAML 2.0 response")
	}
	w := walker{ids: map[string]bool{}}
	if err := w.walk(&doc.Element, 0); err != nil {
		return opened{}, err
	}
	switch {
	case w.encrypted:
		return opened{}, errors.New("its assertion is encrypted, and only AWS has the key")
	case len(w.assertions) == 0:
		return opened{}, errors.New("it holds no assertion")
	case len(w.assertions) > 1:
		return opened{}, fmt.Errorf("it holds %d assertions", len(w.assertions))
	case w.assertions[0].Parent() != root:
		return opened{}, errors.New("its assertion does not stand right below the response")
	}
	return opened{root, w.assertions[0]}, nil
}

// walker collects what open judges.
type walker struct {
	ids        map[string]bool
	elements   int
	assertions []*etree.Element
	encrypted  bool
}

func (w *walker) walk(el *etree.Element, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("it nests deeper than %d levels", maxDepth)
	}
	for i, t := range el.Child {
		switch t := t.(type) {
		case *etree.Directive:
			return errors.New("it holds a DTD")
		case *etree.Comment:
			return errors.New("it holds a comment, and readers differ on where a value with one ends")
		case *etree.ProcInst:
			if depth > 0 || i > 0 || t.Target != "xml" {
				return errors.New("it holds a processing instruction")
			}
		case *etree.Element:
			if err := w.element(t); err != nil {
				return err
			}
			if err := w.walk(t, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walker) element(el *etree.Element) error {
	if w.elements++; w.elements > maxElements {
		return fmt.Errorf("it holds more than %d elements", maxElements)
	}
	for _, a := range el.Attr {
		if a.Space != "" || a.Key != "ID" {
			continue
		}
		if w.ids[a.Value] {
			return errors.New("two of its elements have the same ID")
		}
		w.ids[a.Value] = true
	}
	if is(el, assertionNS, "Assertion") {
		w.assertions = append(w.assertions, el)
	}
	w.encrypted = w.encrypted || is(el, assertionNS, "EncryptedAssertion")
	return nil
}

func is(el *etree.Element, space, tag string) bool {
	return el.Tag == tag && el.NamespaceURI() == space
}

// children returns the child elements with a name.
func children(el *etree.Element, space, tag string) []*etree.Element {
	var out []*etree.Element
	for _, c := range el.ChildElements() {
		if is(c, space, tag) {
			out = append(out, c)
		}
	}
	return out
}

// only returns the one child element with a name, nil for none or several.
func only(el *etree.Element, space, tag string) *etree.Element {
	if all := children(el, space, tag); len(all) == 1 {
		return all[0]
	}
	return nil
}

// text is the content of an element that holds nothing but text.
func text(el *etree.Element) string {
	if el == nil || len(el.ChildElements()) > 0 {
		return ""
	}
	var b bytes.Buffer
	for _, t := range el.Child {
		if c, ok := t.(*etree.CharData); ok {
			b.WriteString(c.Data)
		}
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// attr is the value of an attribute without a namespace.
func attr(el *etree.Element, key string) string {
	if el == nil {
		return ""
	}
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == key {
			return a.Value
		}
	}
	return ""
}

package assertion

import (
	"encoding/base64"
	"strings"

	"github.com/beevik/etree"
)

const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"

	// MaxEncoded bounds the base64 text (STS API Reference, AssumeRoleWithSAML,
	// SAMLAssertion).
	MaxEncoded = 100_000
	maxDepth   = 64
)

// Response is a SAML response with a sound shape. Nothing in it is trusted yet.
type Response struct {
	root, assertion *etree.Element
}

// Open decodes a base64 SAMLResponse and checks its shape: one assertion as a
// child of the response, signatures only where enveloped ones belong, unique
// IDs, no DTD, comment or processing instruction anywhere.
func Open(encoded string) (*Response, *Refusal) {
	if len(encoded) > MaxEncoded {
		return nil, junk("the response has %d characters, more than %d", len(encoded), MaxEncoded)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "").Replace(encoded))
	if err != nil {
		return nil, junk("it is not base64: %v", err)
	}
	doc := etree.NewDocument()
	doc.ReadSettings = etree.ReadSettings{ValidateInput: true, PreserveDuplicateAttrs: true, MaxDepth: maxDepth}
	if err := doc.ReadFromBytes(raw); err != nil {
		return nil, junk("it is not XML: %v", err)
	}
	root, bad := onlyRoot(doc)
	if bad != nil {
		return nil, bad
	}
	if root.Tag != "Response" || root.NamespaceURI() != nsProtocol {
		return nil, junk("the root element is no SAML 2.0 Response")
	}
	s := survey{root: root, ids: map[string]bool{}}
	if bad := s.walk(root); bad != nil {
		return nil, bad
	}
	return s.response()
}

// onlyRoot returns the one root element of a document without a DTD.
func onlyRoot(doc *etree.Document) (*etree.Element, *Refusal) {
	var root *etree.Element
	for i, t := range doc.Child {
		switch t := t.(type) {
		case *etree.Element:
			if root != nil {
				return nil, junk("it has two root elements")
			}
			root = t
		case *etree.ProcInst:
			if i != 0 || t.Target != "xml" {
				return nil, junk("it holds a processing instruction")
			}
		case *etree.CharData:
			if strings.TrimSpace(t.Data) != "" {
				return nil, junk("it has text outside its root element")
			}
		case *etree.Directive:
			return nil, junk("it holds a DTD")
		default:
			return nil, junk("it holds a comment")
		}
	}
	if root == nil {
		return nil, junk("it has no root element")
	}
	return root, nil
}

// survey collects what may occur only once.
type survey struct {
	root       *etree.Element
	ids        map[string]bool
	assertions []*etree.Element
	signatures []*etree.Element
	encrypted  bool
}

func (s *survey) walk(el *etree.Element) *Refusal {
	if bad := s.attributes(el); bad != nil {
		return bad
	}
	switch el.Tag { // by local name, so that a foreign namespace hides nothing
	case "Assertion":
		s.assertions = append(s.assertions, el)
	case "EncryptedAssertion":
		s.encrypted = true
	case "Signature":
		s.signatures = append(s.signatures, el)
	}
	for _, t := range el.Child {
		switch t := t.(type) {
		case *etree.Element:
			if bad := s.walk(t); bad != nil {
				return bad
			}
		case *etree.CharData:
		case *etree.Comment:
			return Misshapen("there is a comment inside <%s>", el.Tag)
		default:
			return Misshapen("there is a directive or processing instruction inside <%s>", el.Tag)
		}
	}
	return nil
}

func (s *survey) attributes(el *etree.Element) *Refusal {
	seen := map[string]bool{}
	for _, a := range el.Attr {
		if seen[a.FullKey()] {
			return Misshapen("<%s> has the attribute %s twice", el.Tag, a.FullKey())
		}
		seen[a.FullKey()] = true
		if strings.EqualFold(a.Key, "id") {
			if s.ids[a.Value] {
				return Misshapen("two elements have the ID %q", a.Value)
			}
			s.ids[a.Value] = true
		}
	}
	return nil
}

func (s *survey) response() (*Response, *Refusal) {
	switch {
	case s.encrypted:
		return nil, Misshapen("the assertion is encrypted; the sandbox holds no private key")
	case len(s.assertions) != 1:
		return nil, Misshapen("there are %d assertions, not one", len(s.assertions))
	}
	a := s.assertions[0]
	if a.Parent() != s.root || a.NamespaceURI() != nsAssertion {
		return nil, Misshapen("the assertion is not a child of the response")
	}
	owners := map[*etree.Element]bool{}
	for _, sig := range s.signatures {
		p := sig.Parent()
		if p != s.root && p != a || sig.NamespaceURI() != nsSignature || owners[p] {
			return nil, badSignature("a signature stands where no enveloped signature belongs")
		}
		owners[p] = true
	}
	return &Response{s.root, a}, nil
}

// Destination returns the response's Destination attribute, or "".
func (r *Response) Destination() string { return r.root.SelectAttrValue("Destination", "") }

// Claimed returns the role pairs as the response claims them, before any
// signature is checked: only to look up the providers to check against.
func (r *Response) Claimed() ([]Pair, *Refusal) {
	attrs, bad := readAttributes(r.assertion)
	if bad != nil {
		return nil, bad
	}
	return readPairs(attrs[attrRole])
}

// children returns the child elements of this name in the SAML assertion
// namespace.
func children(el *etree.Element, tag string) []*etree.Element {
	var out []*etree.Element
	for _, c := range el.ChildElements() {
		if c.Tag == tag && c.NamespaceURI() == nsAssertion {
			out = append(out, c)
		}
	}
	return out
}

// text returns the whole text of an element that has no child elements.
func text(el *etree.Element) (string, bool) {
	var b strings.Builder
	for _, t := range el.Child {
		c, ok := t.(*etree.CharData)
		if !ok {
			return "", false
		}
		b.WriteString(c.Data)
	}
	return b.String(), true
}

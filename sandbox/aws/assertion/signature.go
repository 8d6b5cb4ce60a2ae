package assertion

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

const (
	enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// methods are the accepted signature and digest algorithms; true marks SHA-1.
func methods(uri string) (sha1, ok bool) {
	switch uri {
	case "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
		"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
		"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
		"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512":
		return false, true
	case "http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
		"http://www.w3.org/2000/09/xmldsig#sha1":
		return true, true
	}
	return false, false
}

// Trust is whose signature counts and which lenience applies.
type Trust struct {
	Issuer               string
	Certificates         []*x509.Certificate
	Audiences            []string
	AcceptSHA1           bool
	AcceptSignedResponse bool
}

// signed returns the assertion as the signature covers it: re-read from the
// canonical bytes whose digest was checked.
func (r *Response) signed(t Trust, now time.Time) (*etree.Element, *Refusal) {
	outer, bad := verifyIfSigned(r.root, t, now)
	if bad != nil {
		return nil, bad
	}
	inner, bad := verifyIfSigned(r.assertion, t, now)
	switch {
	case bad != nil:
		return nil, bad
	case inner != nil:
		return inner, nil
	case outer != nil && t.AcceptSignedResponse:
		if list := children(outer, "Assertion"); len(list) == 1 {
			return list[0], nil
		}
	}
	return nil, badSignature("the assertion itself is not signed (AWS's metadata says WantAssertionsSigned)")
}

// verifyIfSigned checks the enveloped signature of el and returns what it
// covers; nil when el carries none.
func verifyIfSigned(el *etree.Element, t Trust, now time.Time) (*etree.Element, *Refusal) {
	var sig *etree.Element
	for _, c := range el.ChildElements() {
		if c.Tag == "Signature" {
			sig = c
		}
	}
	if sig == nil {
		return nil, nil
	}
	if bad := checkSignatureShape(sig, el.SelectAttrValue("ID", ""), t.AcceptSHA1); bad != nil {
		return nil, bad
	}
	alone, err := detach(el)
	if err != nil {
		return nil, badSignature("<%s>: %v", el.Tag, err)
	}
	reason := "the provider's metadata has no certificate"
	for _, cert := range t.Certificates {
		ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
		ctx.Clock = dsig.NewFakeClockAt(now)
		covered, err := ctx.Validate(alone)
		if err == nil {
			return covered, nil
		}
		reason = err.Error()
	}
	return nil, badSignature("the signature of <%s> fits none of the %d certificates of the provider's metadata: %s", el.Tag, len(t.Certificates), reason)
}

// detach copies an element with the namespaces of its ancestors.
func detach(el *etree.Element) (*etree.Element, error) {
	ctx, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, err
	}
	return etreeutils.NSDetatch(ctx, el)
}

// checkSignatureShape admits one reference to the signature's own parent, with
// the two transforms that SAML 2.0 Core section 5.4.4 allows, and nothing else
// inside the signature.
func checkSignatureShape(sig *etree.Element, id string, sha1OK bool) *Refusal {
	info := only(sig, "SignedInfo")
	if info == nil || id == "" {
		return badSignature("the signature has no single SignedInfo, or its parent has no ID")
	}
	for _, c := range sig.ChildElements() {
		if c.NamespaceURI() != nsSignature || !slices.Contains([]string{"SignedInfo", "SignatureValue", "KeyInfo"}, c.Tag) {
			return badSignature("the signature holds <%s>", c.Tag)
		}
	}
	ref, c14n, method := only(info, "Reference"), only(info, "CanonicalizationMethod"), only(info, "SignatureMethod")
	if ref == nil || c14n == nil || method == nil || len(info.ChildElements()) != 3 {
		return badSignature("the signature does not have exactly one Reference, CanonicalizationMethod and SignatureMethod")
	}
	if uri := ref.SelectAttrValue("URI", ""); uri != "#"+id {
		return badSignature("the signature refers to %q, not to its own element %q", uri, "#"+id)
	}
	digest, transforms := only(ref, "DigestMethod"), only(ref, "Transforms")
	if digest == nil || transforms == nil || only(ref, "DigestValue") == nil || len(ref.ChildElements()) != 3 {
		return badSignature("the reference does not have exactly Transforms, DigestMethod and DigestValue")
	}
	if algorithm(c14n) != exclusive || !soundTransforms(transforms) {
		return badSignature("the signature uses a transform other than enveloped-signature and exclusive canonicalization")
	}
	for _, el := range []*etree.Element{method, digest} {
		sha1, ok := methods(algorithm(el))
		if !ok || sha1 && !sha1OK {
			return badSignature("the algorithm %s is not accepted", algorithm(el))
		}
	}
	return nil
}

func soundTransforms(el *etree.Element) bool {
	list := el.ChildElements()
	if len(list) != 2 {
		return false
	}
	return algorithm(list[0]) == enveloped && algorithm(list[1]) == exclusive
}

func algorithm(el *etree.Element) string {
	return strings.TrimSpace(el.SelectAttrValue("Algorithm", ""))
}

// only returns the single child of this name in the signature namespace.
func only(el *etree.Element, tag string) *etree.Element {
	var found *etree.Element
	for _, c := range el.ChildElements() {
		if c.Tag != tag {
			continue
		}
		if found != nil || c.NamespaceURI() != nsSignature {
			return nil
		}
		found = c
	}
	return found
}

package assertion

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// errWeak says that a signature is made with what nobody should accept.
var errWeak = errors.New("signature algorithm")

// accepted are the algorithms that a signature may use (RFC 9231). SHA-1 is not
// among them.
func accepted() map[string][]string {
	return map[string][]string{
		"SignatureMethod": {dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod,
			dsig.ECDSASHA256SignatureMethod, dsig.ECDSASHA384SignatureMethod, dsig.ECDSASHA512SignatureMethod},
		"DigestMethod": {"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512"},
		"Transform":    {string(dsig.EnvelopedSignatureAltorithmId), string(dsig.CanonicalXML10ExclusiveAlgorithmId)},
		"CanonicalizationMethod": {string(dsig.CanonicalXML10ExclusiveAlgorithmId), string(dsig.CanonicalXML11AlgorithmId),
			string(dsig.CanonicalXML10RecAlgorithmId)},
	}
}

// signed holds what the signatures cover. Response is nil where only the
// assertion is signed.
type signed struct{ response, assertion *etree.Element }

// verify checks every signature of a response against the certificates and
// returns the elements as the signatures cover them: whoever reads values reads
// them there.
func (o opened) verify(certs []*x509.Certificate, now time.Time) (signed, error) {
	onResponse, onAssertion, err := o.signatures()
	if err != nil {
		return signed{}, err
	}
	var out signed
	if onAssertion != nil {
		if out.assertion, err = covered(o.assertion, onAssertion, certs, now); err != nil {
			return signed{}, fmt.Errorf("the assertion's signature: %w", err)
		}
	}
	if onResponse == nil {
		return out, nil
	}
	if out.response, err = covered(o.response, onResponse, certs, now); err != nil {
		return signed{}, fmt.Errorf("the response's signature: %w", err)
	}
	if out.assertion = only(out.response, assertionNS, "Assertion"); out.assertion == nil {
		return signed{}, errors.New("the response's signature does not cover the assertion")
	}
	return out, nil
}

// signatures finds the signature of the response and that of the assertion. One
// anywhere else is how a signed element is wrapped into a forged one.
func (o opened) signatures() (onResponse, onAssertion *etree.Element, err error) {
	all := o.response.FindElements(".//Signature")
	for _, s := range all {
		switch {
		case !is(s, signatureNS, "Signature"):
			return nil, nil, errors.New("an element is called Signature and is none")
		case s.Parent() == o.response && onResponse == nil:
			onResponse = s
		case s.Parent() == o.assertion && onAssertion == nil:
			onAssertion = s
		default:
			return nil, nil, errors.New("a signature stands where none belongs")
		}
	}
	if len(all) == 0 {
		return nil, nil, errors.New("neither the response nor the assertion is signed")
	}
	return onResponse, onAssertion, nil
}

// covered verifies one signature over its own parent with one of the
// certificates.
func covered(el, signature *etree.Element, certs []*x509.Certificate, now time.Time) (*etree.Element, error) {
	if err := sound(el, signature); err != nil {
		return nil, err
	}
	scope, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, errors.New("its namespaces cannot be resolved")
	}
	if scope, err = scope.SubContext(el); err != nil {
		return nil, errors.New("its namespaces cannot be resolved")
	}
	for _, c := range certs {
		detached, err := etreeutils.NSDetatch(scope, el)
		if err != nil {
			return nil, errors.New("its namespaces cannot be resolved")
		}
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		v.IdAttribute, v.Clock = "ID", dsig.NewFakeClockAt(now)
		if out, err := v.Validate(detached); err == nil {
			return out, nil
		}
	}
	return nil, errors.New("no certificate that IAM has for the provider verifies it")
}

// sound holds the form of a signature: one reference, to its own parent, and
// accepted algorithms only.
func sound(el, signature *etree.Element) error {
	info := only(signature, signatureNS, "SignedInfo")
	if info == nil {
		return errors.New("it has no SignedInfo")
	}
	ref := only(info, signatureNS, "Reference")
	id := attr(el, "ID")
	if ref == nil || id == "" || attr(ref, "URI") != "#"+id || len(children(signature, signatureNS, "Object")) > 0 {
		return errors.New("it does not refer to the element that it stands in, and to nothing else")
	}
	for name, good := range accepted() {
		found := info.FindElements(".//" + name)
		for _, f := range found {
			if !slices.Contains(good, attr(f, "Algorithm")) {
				return fmt.Errorf("%w: its %s is not one of RSA or ECDSA with SHA-256 or longer and exclusive canonical XML", errWeak, name)
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("it has no %s", name)
		}
	}
	return nil
}

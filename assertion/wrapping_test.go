package assertion_test

import (
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/samlfailover/samlfailover/assertion"
)

// The shapes of signature wrapping (Somorovsky et al., "On Breaking SAML: Be
// Whoever You Want to Be", USENIX Security 2012, section 4): a signed original
// for the old endpoint, and a forged assertion for the new one that a careless
// reader takes. A prover that fell for one would call a move proved that is not.
func TestSignatureWrapping(t *testing.T) {
	t.Parallel()
	forge := func(of *etree.Element) *etree.Element {
		evil := of.Copy()
		evil.CreateAttr("ID", "id-evil")
		dropSignature(evil)
		evil.FindElement("./Subject/SubjectConfirmation/SubjectConfirmationData").CreateAttr("Recipient", acs)
		return evil
	}
	within := func(tag string, what *etree.Element) *etree.Element {
		el := etree.NewElement(tag)
		el.AddChild(what)
		return el
	}
	swap := func(response, evil *etree.Element) *etree.Element {
		a := inner(response)
		response.RemoveChild(a)
		response.AddChild(evil)
		return a
	}
	now := time.Now()
	for why, wrap := range map[string]func(response *etree.Element) *etree.Element{
		"the original response inside its signature": func(r *etree.Element) *etree.Element {
			evil := r.Copy()
			evil.CreateAttr("ID", "id-evil-response")
			swap(evil, forge(inner(r)))
			dropSignature(r)
			evil.FindElement("./Signature").AddChild(r)
			return evil
		},
		"the original response beside its signature": func(r *etree.Element) *etree.Element {
			evil := r.Copy()
			evil.CreateAttr("ID", "id-evil-response")
			swap(evil, forge(inner(r)))
			dropSignature(r)
			evil.AddChild(r)
			return evil
		},
		"forged before signed": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			r.InsertChildAt(0, forge(inner(r)))
			return r
		},
		"forged behind signed": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			r.AddChild(forge(inner(r)))
			return r
		},
		"signed inside forged": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			evil := forge(inner(r))
			evil.AddChild(swap(r, evil))
			return r
		},
		"signature moved into the forged one, original in Extensions": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			evil := forge(inner(r))
			a := swap(r, evil)
			evil.AddChild(dropSignature(a))
			r.AddChild(within("samlp:Extensions", a))
			return r
		},
		"original in an Object of the forged one's signature": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			evil := forge(inner(r))
			a := swap(r, evil)
			signature := dropSignature(a)
			signature.AddChild(within("ds:Object", a))
			evil.AddChild(signature)
			return r
		},
		"original under another name": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			evil := forge(inner(r))
			a := swap(r, evil)
			evil.AddChild(dropSignature(a))
			a.Tag = "Advice"
			r.AddChild(a)
			return r
		},
		"the id taken over": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			evil := forge(inner(r))
			evil.CreateAttr("ID", inner(r).SelectAttrValue("ID", ""))
			a := swap(r, evil)
			evil.AddChild(dropSignature(a))
			r.AddChild(within("samlp:Extensions", a))
			return r
		},
		"a reference to the whole document": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			for _, ref := range r.FindElements(".//Reference") {
				ref.CreateAttr("URI", "")
			}
			return r
		},
		"a second reference": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			for _, info := range r.FindElements(".//SignedInfo") {
				info.AddChild(info.FindElement("./Reference").Copy())
			}
			return r
		},
		"two originals": func(r *etree.Element) *etree.Element {
			dropSignature(r)
			second := inner(r).Copy()
			second.CreateAttr("ID", "id-second")
			r.AddChild(second)
			return r
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			s := statement()
			s.Recipient = oldACS
			response := parse(t, issueAt(t, s, now)).Root()
			got := points(assertion.Check(write(t, wrap(response)), expect(now)))
			if got != "shape" && got != "signature" && got != "signature recipient" && got != "signature issuer" && got != "algorithm" {
				t.Errorf("failed %q: the signature was taken for the forged assertion's", got)
			}
		})
	}
}

// FuzzCheck: whatever arrives is judged without a panic, and nothing but the
// response as issued has no failed point.
func FuzzCheck(f *testing.F) {
	now := time.Now()
	honest := issueAt(f, statement(), now)
	f.Add([]byte(honest))
	f.Add([]byte(`<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/></p:Response>`))
	f.Add([]byte(`<!DOCTYPE x><x/>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e := expect(now)
		failed := assertion.Check(text, e)
		if _, err := assertion.Claimed(text); err != nil && len(failed) == 0 {
			t.Error("no shape, and nothing failed")
		}
		if len(failed) == 0 {
			// A change outside what the signature covers may pass, one of a value may not.
			got, _ := assertion.Claimed(text)
			if got.Issuer != entity || got.Recipient != acs {
				t.Errorf("passed with %+v", got)
			}
		}
	})
}

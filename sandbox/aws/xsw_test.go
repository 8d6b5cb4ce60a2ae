package aws_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/beevik/etree"
)

// forge copies the honest assertion, names another subject, and drops its
// signature: what an attacker wants to be read.
func forge(a *etree.Element) *etree.Element {
	evil := a.Copy()
	evil.CreateAttr("ID", "id-evil")
	removeSignature(evil)
	for _, el := range evil.FindElements(".//NameID") {
		el.SetText("admin@example.com")
	}
	return evil
}

// The eight signature-wrapping shapes of Somorovsky et al., "On Breaking SAML:
// Be Whoever You Want to Be" (USENIX Security 2012), section 4, as numbered by
// the SAML Raider tool.
func wrappings() map[string]func(resp *etree.Element) *etree.Element {
	inner := func(resp *etree.Element) *etree.Element { return child(resp, "Assertion") }
	evilResponse := func(resp *etree.Element) (evil, sig *etree.Element) {
		evil = resp.Copy()
		evil.CreateAttr("ID", "id-evil-response")
		sig = removeSignature(evil)
		a := inner(evil)
		evil.RemoveChild(a)
		evil.AddChild(forge(a))
		return evil, sig
	}
	object := func(what *etree.Element) *etree.Element {
		o := etree.NewElement("ds:Object")
		o.AddChild(what)
		return o
	}
	extensions := func(what *etree.Element) *etree.Element {
		e := etree.NewElement("samlp:Extensions")
		e.AddChild(what)
		return e
	}
	return map[string]func(*etree.Element) *etree.Element{
		"XSW1 response wrapped in its signature": func(resp *etree.Element) *etree.Element {
			evil, sig := evilResponse(resp)
			original := resp.Copy()
			removeSignature(original)
			sig.AddChild(original)
			evil.AddChild(sig)
			return evil
		},
		"XSW2 response beside its signature": func(resp *etree.Element) *etree.Element {
			evil, sig := evilResponse(resp)
			original := resp.Copy()
			removeSignature(original)
			evil.AddChild(original)
			evil.AddChild(sig)
			return evil
		},
		"XSW3 forged assertion before the signed one": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			resp.InsertChildAt(0, forge(inner(resp)))
			return resp
		},
		"XSW4 signed assertion inside the forged one": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			a := inner(resp)
			evil := forge(a)
			resp.RemoveChild(a)
			evil.AddChild(a)
			resp.AddChild(evil)
			return resp
		},
		"XSW5 signature in the forged assertion, original behind": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			a := inner(resp)
			evil := forge(a)
			evil.AddChild(removeSignature(a))
			resp.RemoveChild(a)
			resp.AddChild(evil)
			resp.AddChild(a)
			return resp
		},
		"XSW6 original inside the forged assertion's signature": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			a := inner(resp)
			evil := forge(a)
			sig := removeSignature(a)
			resp.RemoveChild(a)
			sig.AddChild(a)
			evil.AddChild(sig)
			resp.AddChild(evil)
			return resp
		},
		"XSW7 forged assertion in Extensions": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			resp.InsertChildAt(0, extensions(forge(inner(resp))))
			return resp
		},
		"XSW8 original in an Object of the forged one's signature": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			a := inner(resp)
			evil := forge(a)
			sig := removeSignature(a)
			resp.RemoveChild(a)
			sig.AddChild(object(a))
			evil.AddChild(sig)
			resp.AddChild(evil)
			return resp
		},
		"signature kept, ID reused by a forged assertion": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			evil := forge(inner(resp))
			evil.CreateAttr("ID", "id-assertion")
			resp.InsertChildAt(0, evil)
			return resp
		},
		"two assertions": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			second := inner(resp).Copy()
			second.CreateAttr("ID", "id-second")
			resp.AddChild(second)
			return resp
		},
		"forged assertion under a foreign namespace, original in Extensions": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			a := inner(resp)
			evil := forge(a)
			evil.Space = ""
			evil.CreateAttr("xmlns", "urn:foreign")
			resp.RemoveChild(a)
			resp.AddChild(extensions(a))
			resp.AddChild(evil)
			return resp
		},
		"value changed after signing": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			for _, el := range resp.FindElements(".//NameID") {
				el.SetText("admin@example.com")
			}
			return resp
		},
		"value changed after signing, both signatures kept": func(resp *etree.Element) *etree.Element {
			for _, el := range resp.FindElements(".//NameID") {
				el.SetText("admin@example.com")
			}
			return resp
		},
		"reference to the whole document": func(resp *etree.Element) *etree.Element {
			removeSignature(resp)
			for _, el := range resp.FindElements(".//Reference") {
				el.CreateAttr("URI", "")
			}
			return resp
		},
	}
}

func TestSignatureWrappingIsRefused(t *testing.T) {
	t.Parallel()
	for name, wrap := range wrappings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			encoded := encode(text(t, wrap(honest().response(t))))
			got := w.signIn(t, west, encoded, "")
			if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, junkText) && !strings.Contains(got.text, sigText) {
				t.Errorf("sign-in: %d\n%s", got.StatusCode, body(got.text))
			}
			w.SetStrictness(lenient)
			if got := w.signIn(t, west, encoded, ""); got.StatusCode != http.StatusBadRequest {
				t.Errorf("sign-in with every switch lenient: %d\n%s", got.StatusCode, body(got.text))
			}
			if e := readError(t, w.assume(t, encoded, nil)); e.Error.Code != "InvalidIdentityToken" {
				t.Errorf("STS: %+v", e.Error)
			}
		})
	}
}

// Rows edit the serialized response.
func TestHostileXMLIsRefused(t *testing.T) {
	t.Parallel()
	insert := func(before, what string) func(string) string {
		return func(s string) string {
			out := strings.Replace(s, before, what+before, 1)
			if out == s {
				panic("the fixture does not hold " + before)
			}
			return out
		}
	}
	for _, c := range []struct {
		name string
		edit func(string) string
	}{
		{"comment in the NameID", insert("@example.com</saml:NameID>", "<!---->")},
		{"comment in the role", insert(":role/Admin", "<!-- x -->")},
		{"processing instruction in the NameID", insert("@example.com</saml:NameID>", "<?x y?>")},
		{"DTD", func(s string) string { return `<!DOCTYPE Response [<!ENTITY a "b">]>` + s }},
		{"DTD with an external entity", func(s string) string {
			return `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + strings.Replace(s, "alice@", "&x;@", 1)
		}},
		{"undeclared entity", func(s string) string { return strings.Replace(s, "alice@", "&x;@", 1) }},
		{"comment before the root", func(s string) string { return "<!-- x -->" + s }},
		{"second root", func(s string) string { return s + "<x/>" }},
		{"text behind the root", func(s string) string { return s + "x" }},
		{"attribute twice", insert(` Version="2.0"`, ` Version="2.0"`)},
		{"cut off", func(s string) string { return s[:len(s)-20] }},
		{"very deep", func(s string) string { return strings.Repeat("<a>", 200) + s + strings.Repeat("</a>", 200) }},
		{"not XML", func(string) string { return "hello" }},
		{"another root", func(string) string { return "<a/>" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got := w.signIn(t, west, encode(c.edit(text(t, honest().response(t)))), "")
			if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, junkText) {
				t.Errorf("%d\n%s", got.StatusCode, body(got.text))
			}
		})
	}
}

// Canonicalization drops comments, so a comment that is slipped into a value
// does not disturb the signature; only the check for comments refuses it.
func TestCommentInsideASignedValueIsWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	honest := text(t, honest().response(t))
	if got := w.signIn(t, west, encode(honest), ""); got.StatusCode != http.StatusFound {
		t.Fatalf("honest: %d", got.StatusCode)
	}
	got := w.signIn(t, west, encode(strings.Replace(honest, "@example.com</saml:NameID>", "<!---->@example.com</saml:NameID>", 1)), "")
	if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.text, "there is a comment inside") {
		t.Errorf("%d\n%s", got.StatusCode, body(got.text))
	}
}

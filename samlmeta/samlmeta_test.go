package samlmeta

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"
)

// certs are three certificates for all tests.
var certs = sync.OnceValue(func() [3][]byte {
	var out [3][]byte
	for i := range out {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: "idp"},
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
		if out[i], err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
			panic(err)
		}
	}
	return out
})

// wrapped is base64 in lines of 60 characters, as Okta writes it.
func wrapped(der []byte) string {
	text, out := base64.StdEncoding.EncodeToString(der), ""
	for len(text) > 60 {
		out, text = out+text[:60]+"\n            ", text[60:]
	}
	return out + text
}

func key(use string, ders ...[]byte) string {
	if use != "" {
		use = ` use="` + use + `"`
	}
	out := `<md:KeyDescriptor` + use + `><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>`
	for _, der := range ders {
		out += `<ds:X509Certificate>` + wrapped(der) + `</ds:X509Certificate>`
	}
	return out + `</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

const (
	namespace = ` xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"`
	services  = `<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://acme.okta.com/sso"/>`
	protocol  = ` protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"`
)

func descriptor(keys ...string) string {
	return `<md:IDPSSODescriptor` + protocol + `>` + strings.Join(keys, "") + services + `</md:IDPSSODescriptor>`
}

func entity(id, attributes string, inside ...string) string {
	return `<md:EntityDescriptor` + namespace + ` entityID="` + id + `"` + attributes + `>` + strings.Join(inside, "") + `</md:EntityDescriptor>`
}

func TestParse(t *testing.T) {
	t.Parallel()
	one, two, three := certs()[0], certs()[1], certs()[2]
	sp := `<md:SPSSODescriptor` + protocol + `>` + key("signing", three) + `</md:SPSSODescriptor>`
	for _, c := range []struct {
		why, doc string
		want     [][]byte
	}{
		{"the form of Okta, certificate in lines", `<?xml version="1.0" encoding="UTF-8"?>` + entity("urn:a", "", descriptor(key("signing", one))), [][]byte{one}},
		{"two keys during a rotation", entity("urn:a", "", descriptor(key("signing", one), key("signing", two))), [][]byte{one, two}},
		{"a chain in one key", entity("urn:a", "", descriptor(key("signing", one, two))), [][]byte{one, two}},
		{"a key without use may sign", entity("urn:a", "", descriptor(key("", one))), [][]byte{one}},
		{"a key for encryption does not sign", entity("urn:a", "", descriptor(key("encryption", two), key("signing", one))), [][]byte{one}},
		{"the same certificate twice", entity("urn:a", "", descriptor(key("signing", one), key("", one))), [][]byte{one}},
		{"what the entity is as a service provider does not count", entity("urn:a", "", sp, descriptor(key("signing", one))), [][]byte{one}},
		{"an aggregate of one identity provider", `<md:EntitiesDescriptor` + namespace + `>` + entity("urn:sp", "", sp) +
			entity("urn:a", "", descriptor(key("signing", one))) + `</md:EntitiesDescriptor>`, [][]byte{one}},
	} {
		got, err := Parse([]byte(c.doc))
		if err != nil || got.EntityID != "urn:a" || len(got.Signing) != len(c.want) {
			t.Errorf("%s: %+v, %v", c.why, got, err)
			continue
		}
		for i := range c.want {
			if !bytes.Equal(got.Signing[i], c.want[i]) {
				t.Errorf("%s: certificate %d is another one", c.why, i)
			}
		}
	}
	got, err := Parse([]byte(entity("urn:a", ` validUntil="2027-01-02T03:04:05Z"`, descriptor(key("signing", one)))))
	if want := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC); err != nil || !got.ValidUntil.Equal(want) {
		t.Errorf("valid until %v, want %v (%v)", got.ValidUntil, want, err)
	}
}

// Each row is a saboteur: a document that must not be believed.
//
// spec 2.7
func TestRefusals(t *testing.T) {
	t.Parallel()
	one, two := certs()[0], certs()[1]
	good := entity("urn:a", "", descriptor(key("signing", one)))
	for _, c := range []struct{ why, doc, says string }{
		{"empty", "", "no identity provider"},
		{"an HTML page", "<html><body>Sign in</body></html>", "no identity provider"},
		{"JSON", `{"errorCode":"E0000007"}`, "no identity provider"},
		{"cut off", good[:len(good)-40], "metadata"},
		{"a DTD", `<!DOCTYPE x [<!ENTITY a "b">]>` + good, "DTD"},
		{"one byte too large", good + "<!--" + strings.Repeat("x", MaxBytes-len(good)) + "-->", "larger than"},
		{"too deep", entity("urn:a", "", strings.Repeat("<x>", 80)+strings.Repeat("</x>", 80), descriptor(key("signing", one))), "deeper"},
		{"a service provider only", entity("urn:a", "", `<md:SPSSODescriptor`+protocol+`></md:SPSSODescriptor>`), "no identity provider"},
		{"two identity providers", `<md:EntitiesDescriptor` + namespace + `>` + good + entity("urn:b", "", descriptor(key("signing", two))) + `</md:EntitiesDescriptor>`, "2 identity providers"},
		{"no entityID", strings.Replace(good, ` entityID="urn:a"`, "", 1), "no entityID"},
		{"no key", entity("urn:a", "", descriptor()), "no signing certificate"},
		{"a key for encryption only", entity("urn:a", "", descriptor(key("encryption", one))), "no signing certificate"},
		{"a certificate that is not base64", strings.Replace(good, "<ds:X509Certificate>", "<ds:X509Certificate>*", 1), "not base64"},
		{"a certificate that is none", entity("urn:a", "", descriptor(key("signing", []byte("nothing")))), "no X.509"},
		{"another namespace", strings.ReplaceAll(good, "SAML:2.0:metadata", "SAML:2.1:metadata"), "metadata"},
		{"another encoding", `<?xml version="1.0" encoding="UTF-16"?>` + good, "metadata"},
	} {
		got, err := Parse([]byte(c.doc))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v, error %v, want one that says %q", c.why, got, err, c.says)
		}
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	der := certs()[0]
	block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for why, text := range map[string]string{"PEM": block, "PEM with CRLF": strings.ReplaceAll(block, "\n", "\r\n"), "bare": wrapped(der)} {
		if got, err := Certificate(text); err != nil || !bytes.Equal(got, der) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if _, err := Certificate(block + block); err == nil {
		t.Error("two certificates were taken for one")
	}
}

// What Parse accepts has an issuer and certificates that can be read, and reads
// the same again.
func FuzzParse(f *testing.F) {
	one := certs()[0]
	f.Add([]byte(entity("urn:a", ` validUntil="2027-01-02T03:04:05Z"`, descriptor(key("signing", one), key("encryption", one)))))
	f.Add([]byte(`<md:EntitiesDescriptor` + namespace + `>` + entity("urn:a", "", descriptor(key("", one))) + `</md:EntitiesDescriptor>`))
	f.Add([]byte(`<!DOCTYPE a>`))
	f.Add([]byte(`<a:EntityDescriptor><IDPSSODescriptor/>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := Parse(doc)
		if err != nil {
			return
		}
		if got.EntityID == "" || len(got.Signing) == 0 || len(doc) > MaxBytes || bytes.Contains(doc, []byte("<!DOCTYPE")) && !bytes.Contains(doc, []byte("<!--")) && !bytes.Contains(doc, []byte("CDATA")) {
			t.Fatalf("accepted %q as %+v", doc, got)
		}
		for _, der := range got.Signing {
			if _, err := x509.ParseCertificate(der); err != nil {
				t.Fatal(err)
			}
		}
		if again, err := Parse(doc); err != nil || again.EntityID != got.EntityID || len(again.Signing) != len(got.Signing) {
			t.Fatalf("read again: %+v, %v", again, err)
		}
	})
}

package signin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	catalogue "github.com/samlfailover/samlfailover/signin"
)

// Metadata is the service-provider metadata of one partition. All Regions serve
// the same document; its certificate is made at the first request.
type Metadata struct {
	partition catalogue.Partition
	entityID  string
	cert      func() (certificate, error)
}

type certificate struct {
	der   []byte
	until time.Time
}

// NewMetadata describes a partition. Where AWS documents no entity ID the
// sandbox makes one up from the partition's name.
func NewMetadata(p catalogue.Partition) *Metadata {
	m := &Metadata{partition: p, entityID: p.EntityID()}
	if m.entityID == "" {
		m.entityID = "urn:amazon:webservices:" + string(p)
	}
	m.cert = sync.OnceValues(m.selfSigned)
	return m
}

// selfSigned makes a signing certificate that lives for a year and is named
// like the entity ID. Nothing is ever signed with its key.
func (m *Metadata) selfSigned() (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, fmt.Errorf("make the key of the sign-in metadata: %w", err)
	}
	from := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	t := &x509.Certificate{SerialNumber: big.NewInt(from.Unix()), Subject: pkix.Name{CommonName: m.entityID},
		NotBefore: from, NotAfter: from.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return certificate{}, fmt.Errorf("make the certificate of the sign-in metadata: %w", err)
	}
	return certificate{der, t.NotAfter}, nil
}

// serve answers the two metadata paths.
func (m *Metadata) serve(w http.ResponseWriter, r *http.Request, c *world.Cloud) {
	suffix := ""
	if r.URL.Path != "/static/saml-metadata.xml" {
		middle, ok := strings.CutPrefix(r.URL.Path, "/static/saml/")
		id, tail := strings.CutSuffix(middle, "/saml-metadata.xml")
		if _, known := c.ProviderByID(m.partition, id); !ok || !tail || !known {
			http.Error(w, "Not Found", http.StatusNotFound)
			return
		}
		suffix = id
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	doc, err := m.document(suffix)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", fmt.Sprint(len(doc)))
	_, _ = w.Write(doc)
}

type entityXML struct {
	XMLName    xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	EntityID   string   `xml:"entityID,attr"`
	ValidUntil string   `xml:"validUntil,attr"`
	SP         spXML    `xml:"SPSSODescriptor"`
}

type spXML struct {
	Protocols    string        `xml:"protocolSupportEnumeration,attr"`
	WantSigned   bool          `xml:"WantAssertionsSigned,attr"`
	Key          keyXML        `xml:"KeyDescriptor"`
	NameIDFormat string        `xml:"NameIDFormat"`
	ACS          []acsXML      `xml:"AssertionConsumerService"`
	Attributes   attributesXML `xml:"AttributeConsumingService"`
}

type keyXML struct {
	Use  string `xml:"use,attr"`
	Info struct {
		Cert string `xml:"X509Data>X509Certificate"`
	} `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo"`
}

type acsXML struct {
	Default  bool   `xml:"isDefault,attr,omitempty"`
	Index    int    `xml:"index,attr"`
	Binding  string `xml:"Binding,attr"`
	Location string `xml:"Location,attr"`
}

type attributesXML struct {
	Index int `xml:"index,attr"`
	Name  struct {
		Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Text string `xml:",chardata"`
	} `xml:"ServiceName"`
	Requested []requestedXML `xml:"RequestedAttribute"`
}

type requestedXML struct {
	Required     bool   `xml:"isRequired,attr"`
	Name         string `xml:"Name,attr"`
	FriendlyName string `xml:"FriendlyName,attr"`
}

// document renders the metadata: every endpoint of the partition, the bare host
// first and default, the rest in an order that nobody should rely on.
func (m *Metadata) document(suffix string) ([]byte, error) {
	cert, err := m.cert()
	if err != nil {
		return nil, err
	}
	e := entityXML{EntityID: m.entityID, ValidUntil: cert.until.Format(time.RFC3339)}
	e.SP.Protocols, e.SP.WantSigned = "urn:oasis:names:tc:SAML:2.0:protocol", true
	e.SP.Key.Use = "signing"
	e.SP.Key.Info.Cert = base64.StdEncoding.EncodeToString(cert.der)
	e.SP.NameIDFormat = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	if e.SP.ACS, err = m.endpoints(suffix); err != nil {
		return nil, err
	}
	e.SP.Attributes.Index, e.SP.Attributes.Name.Lang, e.SP.Attributes.Name.Text = 1, "en", "AWS Management Console Single Sign-On"
	const prefix = "https://aws.amazon.com/SAML/Attributes/"
	e.SP.Attributes.Requested = []requestedXML{{true, prefix + "Role", "RoleEntitlement"}, {true, prefix + "RoleSessionName", "RoleSessionName"}}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("write the sign-in metadata of %s: %w", m.partition, err)
	}
	return append(b.Bytes(), '\n'), nil
}

func (m *Metadata) endpoints(suffix string) ([]acsXML, error) {
	var urls []string
	for _, r := range catalogue.Regions(m.partition, true) {
		acs, err := r.ACS(suffix)
		if err != nil {
			return nil, fmt.Errorf("list the endpoints of %s: %w", m.partition, err)
		}
		urls = append(urls, acs.String())
	}
	slices.Reverse(urls)
	bare := slices.IndexFunc(urls, func(u string) bool { return strings.HasPrefix(u, "https://signin.") })
	if bare > 0 {
		first := urls[bare]
		urls = slices.Insert(slices.Delete(urls, bare, bare+1), 0, first)
	}
	var out []acsXML
	for i, u := range urls {
		out = append(out, acsXML{i == 0, i + 1, "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", u})
	}
	return out, nil
}

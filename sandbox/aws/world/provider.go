package world

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Provider is an IAM SAML provider. Issuer and Certificates come from its
// metadata.
type Provider struct {
	ARN, Account, Name, UUID string
	Metadata                 string
	Issuer                   string
	Certificates             []*x509.Certificate
	Created, ValidUntil      time.Time
	EncryptionRequired       bool // AssertionEncryptionMode Required
}

// providerName is the pattern of CreateSAMLProvider's Name (IAM API Reference).
var providerName = regexp.MustCompile(`^[\w._-]{1,128}$`)

// PutProvider adds a SAML provider from IdP metadata, or replaces the metadata
// of the one with this name; ARN and SAMLProviderUUID stay.
func (a *Account) PutProvider(name string, metadataXML []byte) (arn string, err error) {
	p, err := readMetadata(metadataXML)
	if err != nil {
		return "", fmt.Errorf("put SAML provider %q into account %s: %w", name, a.id, err)
	}
	if !providerName.MatchString(name) {
		return "", fmt.Errorf("put SAML provider into account %s: the name %q is not 1 to 128 letters, digits, dots, dashes and underscores", a.id, name)
	}
	p.ARN = "arn:" + string(a.partition) + ":iam::" + a.id + ":saml-provider/" + name
	p.Account, p.Name = a.id, name
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	if old := a.providers[name]; old != nil {
		p.UUID, p.Created, p.EncryptionRequired = old.UUID, old.Created, old.EncryptionRequired
	} else {
		p.UUID, p.Created = newID("SAMLSP", 17), now().Truncate(time.Second)
	}
	if p.ValidUntil.IsZero() {
		p.ValidUntil = p.Created.AddDate(100, 0, 0)
	}
	a.providers[name] = &p
	return p.ARN, nil
}

// RequireEncryption sets a provider's AssertionEncryptionMode to Required; ok
// is false when there is no such provider.
func (a *Account) RequireEncryption(name string) (ok bool) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	p := a.providers[name]
	if p != nil {
		p.EncryptionRequired = true
	}
	return p != nil
}

// Provider finds a SAML provider by name.
func (a *Account) Provider(name string) (Provider, bool) {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	p := a.providers[name]
	if p == nil {
		return Provider{}, false
	}
	return *p, true
}

// Providers returns all SAML providers by name.
func (a *Account) Providers() []Provider {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	var out []Provider
	for _, p := range a.providers {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(x, y Provider) int { return strings.Compare(x.Name, y.Name) })
	return out
}

type metadataXMLDoc struct {
	XMLName    xml.Name   `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	EntityID   string     `xml:"entityID,attr"`
	ValidUntil *time.Time `xml:"validUntil,attr"`
	IDP        []struct {
		Keys []struct {
			Use   string   `xml:"use,attr"`
			Certs []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
		} `xml:"KeyDescriptor"`
	} `xml:"IDPSSODescriptor"`
}

// readMetadata reads what sign-in needs from an IdP's metadata.
func readMetadata(doc []byte) (Provider, error) {
	if len(doc) > 10_000_000 {
		return Provider{}, fmt.Errorf("the metadata has more than 10,000,000 characters")
	}
	if strings.Contains(string(doc), "<!DOCTYPE") {
		return Provider{}, fmt.Errorf("the metadata has a DTD")
	}
	var m metadataXMLDoc
	if err := xml.Unmarshal(doc, &m); err != nil {
		return Provider{}, fmt.Errorf("the metadata is not an EntityDescriptor: %w", err)
	}
	if m.EntityID == "" || len(m.IDP) == 0 {
		return Provider{}, fmt.Errorf("the metadata describes no identity provider (entityID and IDPSSODescriptor)")
	}
	p := Provider{Metadata: string(doc), Issuer: m.EntityID}
	if m.ValidUntil != nil {
		p.ValidUntil = m.ValidUntil.UTC()
	}
	for _, d := range m.IDP {
		for _, k := range d.Keys {
			if k.Use == "encryption" {
				continue
			}
			for _, text := range k.Certs {
				cert, err := readCertificate(text)
				if err != nil {
					return Provider{}, err
				}
				p.Certificates = append(p.Certificates, cert)
			}
		}
	}
	if len(p.Certificates) == 0 {
		return Provider{}, fmt.Errorf("the metadata has no signing certificate")
	}
	return p, nil
}

func readCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("a certificate of the metadata is not base64: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("a certificate of the metadata cannot be read: %w", err)
	}
	return cert, nil
}

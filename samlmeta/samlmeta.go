package samlmeta

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlsp"
)

// The limits of a document, checked before it is decoded (spec 2.7).
const (
	MaxBytes = 1 << 20
	maxDepth = 64
)

// IdP is one identity provider as its metadata describes it.
type IdP struct {
	EntityID string // the Issuer of its assertions
	// Signing are the certificates of the keys that may sign, DER, each once, in
	// the order of the document; there is at least one.
	Signing    [][]byte
	ValidUntil time.Time // zero = the document does not end
}

// Parse reads a metadata document (SAML 2.0 Metadata, sections 2.3.2 and 2.4.3):
// an EntityDescriptor, or an EntitiesDescriptor that holds exactly one identity
// provider. A key whose use is not said may sign (section 2.4.1.1). The error
// says what is wrong with the document, never what it holds.
func Parse(doc []byte) (IdP, error) {
	if err := within(doc); err != nil {
		return IdP{}, fmt.Errorf("read SAML metadata: %w", err)
	}
	entity, err := samlsp.ParseMetadata(doc)
	if err != nil {
		return IdP{}, fmt.Errorf("read SAML metadata: %w", err)
	}
	out := IdP{EntityID: entity.EntityID, ValidUntil: entity.ValidUntil.UTC()}
	if out.EntityID == "" {
		return IdP{}, errors.New("read SAML metadata: it has no entityID")
	}
	for _, d := range entity.IDPSSODescriptors {
		if err := out.add(d.KeyDescriptors); err != nil {
			return IdP{}, fmt.Errorf("read SAML metadata: %w", err)
		}
	}
	if len(out.Signing) == 0 {
		return IdP{}, errors.New("read SAML metadata: it names no signing certificate")
	}
	return out, nil
}

// within refuses what must not reach a decoder: too large, too deep, a DTD, or
// more than one identity provider, of which one would be chosen by chance.
func within(doc []byte) error {
	if len(doc) > MaxBytes {
		return fmt.Errorf("it is larger than %d bytes", MaxBytes)
	}
	providers, entities, depth := 0, 0, 0
	within := false // inside an entity that was counted as a provider
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("it has a DTD or another directive")
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fmt.Errorf("it is nested deeper than %d levels", maxDepth)
			}
			switch t.Name.Local {
			case "EntityDescriptor":
				entities, within = entities+1, false
			case "IDPSSODescriptor":
				if !within {
					providers, within = providers+1, true
				}
			}
		case xml.EndElement:
			depth--
		}
	}
	switch {
	case entities == 0 || providers == 0:
		return errors.New("it describes no identity provider")
	case providers > 1:
		return fmt.Errorf("it describes %d identity providers, and it is not said which one is meant", providers)
	}
	return nil
}

// add takes the certificates of the keys that may sign.
func (i *IdP) add(keys []saml.KeyDescriptor) error {
	for _, k := range keys {
		if k.Use != "" && k.Use != "signing" {
			continue
		}
		for _, c := range k.KeyInfo.X509Data.X509Certificates {
			der, err := Certificate(c.Data)
			if err != nil {
				return err
			}
			if !contains(i.Signing, der) {
				i.Signing = append(i.Signing, der)
			}
		}
	}
	return nil
}

// Certificate reads one X.509 certificate as metadata and vendors' APIs write it:
// base64 with any white space, with or without PEM's first and last line. It
// returns the DER.
func Certificate(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	text = strings.TrimPrefix(text, "-----BEGIN CERTIFICATE-----")
	text = strings.TrimSuffix(text, "-----END CERTIFICATE-----")
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("a certificate is not base64")
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return nil, errors.New("a certificate is no X.509 certificate")
	}
	return der, nil
}

func contains(list [][]byte, der []byte) bool {
	for _, have := range list {
		if bytes.Equal(have, der) {
			return true
		}
	}
	return false
}

package signin

import (
	"encoding/json"
	"fmt"
	"strings"
)

// ACS is a SAML sign-in endpoint (assertion consumer service) of the
// catalogue: a Region and, for a provider with its own endpoint, that
// provider's suffix. The zero value is invalid: String returns "" and nothing
// may write it. Values compare with ==.
//
// The suffix is the SAMLProviderUUID of an IAM SAML provider that requires
// encrypted assertions; the sign-in URL is then /saml/acs/<suffix> (IAM User
// Guide, "Configure SAML assertions for the authentication response"). It is
// carried through a move unchanged.
type ACS struct {
	region Region
	suffix string
}

const (
	plainPath  = "/saml"
	suffixPath = "/saml/acs/"
)

// ACS returns the sign-in endpoint of r, with a provider suffix or "" for none.
func (r Region) ACS(suffix string) (ACS, error) {
	if r.IsZero() {
		return ACS{}, fmt.Errorf("a sign-in endpoint needs a Region")
	}
	if suffix != "" && !validSuffix(suffix) {
		return ACS{}, fmt.Errorf("%q is not a SAML provider ID: 22 to 64 characters A-Z and 0-9 (iam get-saml-provider shows it as SAMLProviderUUID)", clip(suffix))
	}
	return ACS{r, suffix}, nil
}

// validSuffix holds [A-Z0-9]{22,64}.
func validSuffix(s string) bool {
	if len(s) < 22 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// ParseACS reads a sign-in URL as an IdP or a trust policy holds it. The text
// must be, byte for byte, one that the catalogue makes (or the us-east-1 alias
// host of spec 1.2): no port, no trailing dot or slash, no upper case, no
// escapes. Compare String with the input to see whether it was the alias.
func ParseACS(url string) (ACS, error) {
	fail := func(why string) (ACS, error) {
		return ACS{}, fmt.Errorf("%q is not an AWS SAML sign-in endpoint: %s", clip(url), why)
	}
	rest, ok := strings.CutPrefix(url, "https://")
	if !ok {
		return fail("it does not start with https://")
	}
	host, path, ok := strings.Cut(rest, "/")
	if !ok {
		return fail("it has no path (expected /saml)")
	}
	row := lookup().signin[host]
	if row == nil {
		return fail(fmt.Sprintf("host %q is not in the catalogue", clip(host)))
	}
	path = "/" + path
	if path == plainPath {
		return ACS{Region{row.region}, ""}, nil
	}
	suffix, ok := strings.CutPrefix(path, suffixPath)
	if !ok || !validSuffix(suffix) {
		return fail("the path is neither /saml nor /saml/acs/<provider ID>")
	}
	return ACS{Region{row.region}, suffix}, nil
}

// Region returns the Region that serves this endpoint.
func (a ACS) Region() Region { return a.region }

// Suffix returns the provider suffix, or "".
func (a ACS) Suffix() string { return a.suffix }

// IsZero reports whether a is the invalid zero value.
func (a ACS) IsZero() bool { return a.region.IsZero() }

// In returns the same endpoint in another Region, suffix kept.
func (a ACS) In(r Region) (ACS, error) { return r.ACS(a.suffix) }

// String returns the URL, always in the canonical form, or "" for the zero
// value.
func (a ACS) String() string {
	e, ok := a.region.Endpoint()
	if !ok {
		return ""
	}
	if a.suffix != "" {
		return "https://" + e.SignInHost + suffixPath + a.suffix
	}
	return "https://" + e.SignInHost + plainPath
}

// MetadataURL returns where AWS publishes its service-provider metadata in the
// Region of a (IAM User Guide, "Configure your SAML 2.0 IdP with relying party
// trust").
func (a ACS) MetadataURL() string {
	e, ok := a.region.Endpoint()
	if !ok {
		return ""
	}
	if a.suffix != "" {
		return "https://" + e.SignInHost + "/static/saml/" + a.suffix + "/saml-metadata.xml"
	}
	return "https://" + e.SignInHost + "/static/saml-metadata.xml"
}

// EntityID returns the entity ID of AWS's service-provider metadata in a
// partition, or "" where none is documented.
func (p Partition) EntityID() string {
	switch p {
	case AWS:
		return "urn:amazon:webservices"
	case GovCloud:
		return "urn:amazon:webservices:govcloud"
	case China:
		return "urn:amazon:webservices:cn-north-1"
	}
	return ""
}

// acsJSON is the stored form: never a URL (spec 1.1).
type acsJSON struct {
	Region Region `json:"region"`
	Suffix string `json:"suffix,omitempty"`
}

// MarshalJSON writes Region and suffix; the zero value writes null.
func (a ACS) MarshalJSON() ([]byte, error) {
	if a.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(acsJSON{a.region, a.suffix})
}

// UnmarshalJSON goes through the catalogue; null is the zero value.
func (a *ACS) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*a = ACS{}
		return nil
	}
	var v acsJSON
	if err := json.Unmarshal(b, &v); err != nil {
		return fmt.Errorf("decode sign-in endpoint: %w", err)
	}
	acs, err := v.Region.ACS(v.Suffix)
	if err != nil {
		return fmt.Errorf("decode sign-in endpoint: %w", err)
	}
	*a = acs
	return nil
}

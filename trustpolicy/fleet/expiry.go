package fleet

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

// expiresSoon is how long before its end a provider's certificate is named.
const expiresSoon = 30 * 24 * time.Hour

// Expiring names the SAML providers of a snapshot whose last certificate, or
// whose metadata as IAM dates it, ends within 30 days or has ended. One whose
// document was not read has no certificates here and is judged by IAM's date.
func Expiring(snap inventory.Snapshot, now time.Time) []finding.Finding {
	var out []finding.Finding
	for _, a := range snap.Accounts {
		for _, p := range a.Providers {
			if p.Issuer == "" {
				continue // none of the federation's
			}
			for _, e := range []struct {
				what string
				end  time.Time
			}{{"its last signing certificate", lastEnd(p.Certificates)}, {"its metadata", p.ValidUntil}} {
				what, end := e.what, e.end
				if end.IsZero() || end.Sub(now) > expiresSoon {
					continue
				}
				tense := "ends"
				if !now.Before(end) {
					tense = "has ended"
				}
				out = append(out, finding.Finding{Code: finding.ProviderExpiring, Subject: p.ARN, What: "the SAML provider runs out, and sign-ins through it fail in every Region then",
					Why: fmt.Sprintf("%s %s at %s", what, tense, end.UTC().Format(time.RFC3339)), Remedy: "renew the signing certificate in the IdP and update the provider with the new metadata"})
			}
		}
	}
	return out
}

// Ends is when a SAML provider stops letting people in: the end of its last
// signing certificate or of its metadata, whichever comes first; zero when neither
// is known.
func Ends(p inventory.Provider) time.Time {
	end := lastEnd(p.Certificates)
	if end.IsZero() || !p.ValidUntil.IsZero() && p.ValidUntil.Before(end) {
		return p.ValidUntil
	}
	return end
}

// lastEnd is when the last of the certificates ends; zero when none can be read.
func lastEnd(ders [][]byte) time.Time {
	var out time.Time
	for _, der := range ders {
		if c, err := x509.ParseCertificate(der); err == nil && c.NotAfter.After(out) {
			out = c.NotAfter
		}
	}
	return out
}

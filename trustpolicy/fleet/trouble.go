package fleet

import (
	"fmt"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// barrier says why nobody gets in through a provider, whatever the roles say, as
// far as its document and the apps tell (spec 6.3); nil if nothing does. It is so
// in every Region.
func (j *joined) barrier(arn string, now time.Time) *finding.Finding {
	p := j.known[arn]
	if p.Issuer == "" {
		return nil // none of ours, or not read: said elsewhere
	}
	out := &finding.Finding{Code: finding.ProviderExpiring, Subject: arn, Remedy: "renew the signing certificate in the IdP and update the provider with the new metadata"}
	end := lastEnd(p.Certificates)
	switch {
	case !p.ValidUntil.IsZero() && !now.Before(p.ValidUntil):
		out.What, out.Why = "the SAML provider has ended", "its metadata ended at "+p.ValidUntil.UTC().Format(time.RFC3339)
		return out
	case !end.IsZero() && !now.Before(end):
		out.What, out.Why = "the SAML provider's last signing certificate has ended", "it ended at "+end.UTC().Format(time.RFC3339)
		return out
	}
	meant := j.whose(func(a inventory.AppRead) bool { return a.Issuer == p.Issuer && len(a.Certificates) > 0 })
	if len(meant) == 0 || len(p.Certificates) == 0 || slices.ContainsFunc(meant, func(a inventory.AppRead) bool { return trusts(p, a) }) {
		return nil
	}
	return &finding.Finding{Code: finding.ProviderStale, Subject: arn, What: "the SAML provider does not know the certificate that the app signs with",
		Why:    fmt.Sprintf("none of its %d certificates is one of app %s, whose issuer it trusts: the app's signing key was changed", len(p.Certificates), meant[0].Ref.Name),
		Remedy: "download the app's metadata and update the provider with it"}
}

// encryptionOnly says why sign-ins at an endpoint fail: a provider that requires
// encrypted assertions takes them at its own endpoint only (IAM User Guide,
// "Configure SAML assertions for the authentication response").
func (e endpoints) encryptionOnly(arn string, acs signin.ACS) *finding.Finding {
	if !e.encrypted[arn] || acs.Suffix() != "" {
		return nil
	}
	return &finding.Finding{Code: finding.EncryptionRequired, Subject: arn, What: "the SAML provider requires encrypted assertions, and sign-ins arrive at an endpoint that takes none",
		Why:    "encrypted assertions arrive at the provider's own endpoint, which ends in /saml/acs/ and its id; the app's is " + acs.String(),
		Remedy: "set the app's endpoint to the provider's own and have it encrypt, or set the provider's AssertionEncryptionMode to Allowed"}
}

// beyond are the codes of what keeps people out whatever a trust policy says: it
// is one thing per provider or account, and no edit of a role helps.
func beyond() []finding.Code {
	return []finding.Code{finding.ProviderExpiring, finding.ProviderStale, finding.EncryptionRequired, finding.RegionNotEnabled, finding.RegionsUnreadable}
}

// because is a reason of a provider or an account as one of a role.
func because(role inventory.Role, region signin.Region, state inventory.Readiness, why finding.Finding, provider string) inventory.RegionReadiness {
	why.Why = why.Subject + ": " + why.Why
	why.Subject, why.Evidence = role.ARN, map[string]string{"region": region.String()}
	if provider != "" {
		why.Evidence["provider"] = provider
	}
	return inventory.RegionReadiness{Region: region, State: state, Finding: &why}
}

// uncompared says which apps' certificates could not be compared with those of the
// providers.
func (j *joined) uncompared() []finding.Finding {
	var out []finding.Finding
	for _, ref := range j.f.Federation.Apps {
		a := j.read(ref)
		if a.ReadAt.IsZero() || a.Issuer != "" || len(j.f.Federation.StandbysOf(ref)) > 0 {
			continue
		}
		out = append(out, unidentified(ref))
	}
	return out
}

func unidentified(ref federation.AppRef) finding.Finding {
	return finding.Finding{Code: finding.AppIdentityUnknown, Subject: "app " + ref.Name, What: "the app's issuer and certificate could not be read",
		Why:    "so it is not known whether the SAML providers know the key that it signs with",
		Remedy: "compare the app's certificate with the provider's by hand, or see whether the IdP lets us read the app's metadata"}
}

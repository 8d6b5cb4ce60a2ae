package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/samlmeta"
)

// ProviderReader is what fleet calls of one account's IAM about SAML providers;
// *iam.Client is one.
type ProviderReader interface {
	ListSAMLProviders(context.Context, *iam.ListSAMLProvidersInput, ...func(*iam.Options)) (*iam.ListSAMLProvidersOutput, error)
	GetSAMLProvider(context.Context, *iam.GetSAMLProviderInput, ...func(*iam.Options)) (*iam.GetSAMLProviderOutput, error)
}

// providers adds the account's SAML providers to its scan: all by name, and what
// the documents of the federation's own say (of every one, in a survey). What cannot be read is a finding; it hides no other provider
// and spoils no scan.
func (f *Fleet) providers(ctx context.Context, api ProviderReader, a federation.Account, last inventory.Snapshot, scan *inventory.AccountScan) {
	scan.ProviderCalls++
	list, err := api.ListSAMLProviders(ctx, &iam.ListSAMLProvidersInput{})
	if err != nil {
		scan.Notes = append(scan.Notes, finding.Finding{Code: finding.ProviderUnreadable, Subject: "account " + a.String(),
			What: "the account's SAML providers could not be listed", Why: err.Error(),
			Remedy: "give the account's scan_role iam:ListSAMLProviders, then run: samlfailover trust scan"})
		list = &iam.ListSAMLProvidersOutput{}
	}
	for _, p := range list.SAMLProviderList {
		scan.Providers = append(scan.Providers, inventory.Provider{ARN: aws.ToString(p.Arn), ValidUntil: aws.ToTime(p.ValidUntil)})
	}
	for _, arn := range a.Providers {
		if a.Found && err == nil {
			break // an account of the organization has those that there are
		}
		if !slices.ContainsFunc(scan.Providers, func(p inventory.Provider) bool { return p.ARN == arn }) {
			scan.Providers = append(scan.Providers, inventory.Provider{ARN: arn})
		}
	}
	for i := range scan.Providers {
		p := &scan.Providers[i]
		if !f.everything && !slices.Contains(a.Providers, p.ARN) {
			continue
		}
		scan.ProviderCalls++
		if bad := readProvider(ctx, api, p); bad != nil {
			*p = asBefore(last, *p, bad)
		}
	}
}

// readProvider fills in what IAM and the metadata document say of a provider.
func readProvider(ctx context.Context, api ProviderReader, p *inventory.Provider) *finding.Finding {
	out, err := api.GetSAMLProvider(ctx, &iam.GetSAMLProviderInput{SAMLProviderArn: aws.String(p.ARN)})
	switch {
	case errorCode(err) == "NoSuchEntity":
		return &finding.Finding{Code: finding.ProviderMissing, Subject: p.ARN, What: "the account has no such SAML provider",
			Why: "it was deleted, or its name in the config is wrong", Remedy: "correct providers: in the config; samlfailover idp apps shows what the account has"}
	case err != nil:
		return &finding.Finding{Code: finding.ProviderUnreadable, Subject: p.ARN, What: "the SAML provider could not be read", Why: err.Error(),
			Remedy: "give the account's scan_role iam:GetSAMLProvider, then run: samlfailover trust scan"}
	}
	p.UUID, p.Encryption = aws.ToString(out.SAMLProviderUUID), string(out.AssertionEncryptionMode)
	if out.ValidUntil != nil {
		p.ValidUntil = *out.ValidUntil
	}
	idp, err := samlmeta.Parse([]byte(aws.ToString(out.SAMLMetadataDocument)))
	if err != nil {
		return &finding.Finding{Code: finding.ProviderUnreadable, Subject: p.ARN, What: "the SAML provider's metadata cannot be understood", Why: err.Error(),
			Remedy: "download the metadata from the IdP again and update the provider with it"}
	}
	p.Issuer, p.Certificates = idp.EntityID, idp.Signing
	return nil
}

// asBefore is a provider that could not be read now: as the last scan saw it, with
// the reason. One that is gone is not remembered.
func asBefore(last inventory.Snapshot, p inventory.Provider, bad *finding.Finding) inventory.Provider {
	if bad.Code == finding.ProviderUnreadable && p.UUID == "" {
		for _, a := range last.Accounts {
			for _, old := range a.Providers {
				if old.ARN == p.ARN {
					p = old
				}
			}
		}
	}
	p.Error = bad
	return p
}

// federated returns the SAML providers among the principals of a trust policy.
func federated(principals []string) []string {
	var out []string
	for _, arn := range principals {
		if strings.Contains(arn, ":saml-provider/") {
			out = append(out, arn)
		}
	}
	return out
}

// counted says how many SAML providers of an account were read.
func counted(s inventory.AccountScan) string {
	read := 0
	for _, p := range s.Providers {
		if p.Issuer != "" {
			read++
		}
	}
	return fmt.Sprintf("%d of %d SAML providers read", read, len(s.Providers))
}

package fleet

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// endpoints say where the sign-ins of each SAML provider arrive: what the roles
// that trust it have to admit.
type endpoints struct {
	of      map[string][]signin.ACS     // by provider ARN
	unknown map[string]*finding.Finding // why those of a provider are not known, nil where they are
	groups  []group                     // apps that others stand in for
	notes   []finding.Finding           // about apps and providers
	// barriers are why nobody gets in through a provider, and encrypted those that
	// require encrypted assertions.
	barriers  map[string]*finding.Finding
	encrypted map[string]bool
}

// at returns a provider's endpoints in a Region.
func (e endpoints) at(provider string, r signin.Region) []signin.ACS {
	return slices.DeleteFunc(slices.Clone(e.of[provider]), func(a signin.ACS) bool { return a.Region() != r })
}

// apps are the federation's apps as last read.
func (f *Fleet) apps(ctx context.Context) []inventory.AppRead {
	if f.Apps == nil {
		return nil
	}
	return f.Apps(ctx)
}

// endpoints joins the apps to the providers as read. A provider whose id an
// app's endpoint ends with has that endpoint, in every Region; any other has the
// plain one. An app without a suffix goes to a provider of the first kind too
// where there is no other: AWS takes both forms unless encryption is required
// (IAM User Guide, "Configure SAML assertions for the authentication response").
// An app that stays where it is, because others stand in for it or it is one of
// those, has one endpoint, and so has its provider.
//
// An id that no provider has is a finding (spec 1.1). While some provider's id
// is not known it may be that one's, and where its sign-ins arrive is not known
// then.
func (f *Fleet) endpoints(apps []inventory.AppRead, known []inventory.Provider) (endpoints, error) {
	j := f.join(apps, known)
	now := time.Now()
	out := endpoints{of: map[string][]signin.ACS{}, unknown: map[string]*finding.Finding{}, groups: j.groups(now), notes: j.notes(),
		barriers: map[string]*finding.Finding{}, encrypted: map[string]bool{}}
	shared := slices.ContainsFunc(j.providers, func(arn string) bool { return j.own[arn] == "" && !j.staysPut(arn) })
	for _, arn := range j.providers {
		if !j.staysPut(arn) {
			forms := []string{j.own[arn]}
			if j.own[arn] != "" && j.plain && !shared {
				forms = append(forms, "")
			}
			var err error
			if out.of[arn], err = everywhere(f.Federation.Regions, forms); err != nil {
				return out, err
			}
		}
		for _, a := range j.apps[arn] {
			if f.fixed(a.Ref) && !slices.Contains(out.of[arn], a.ACS) && !a.ACS.IsZero() {
				out.of[arn] = append(out.of[arn], a.ACS)
			}
		}
		out.unknown[arn] = j.doubt(arn)
		out.barriers[arn], out.encrypted[arn] = j.barrier(arn, now), j.known[arn].Encryption == encryptionRequired
		if why := out.barriers[arn]; why != nil && why.Code == finding.ProviderStale && !out.noted(arn) {
			out.notes = append(out.notes, *why)
		}
		for _, acs := range out.of[arn] {
			if why := out.encryptionOnly(arn, acs); why != nil {
				out.notes = append(out.notes, *why)
				break
			}
		}
	}
	return out, nil
}

// noted reports whether a provider's wrong certificate is noted already, with the
// app that stands in by it.
func (e endpoints) noted(arn string) bool {
	return slices.ContainsFunc(e.notes, func(f finding.Finding) bool { return f.Code == finding.ProviderStale && f.Evidence["provider"] == arn })
}

// encryptionRequired is the AssertionEncryptionMode in which a provider takes
// encrypted assertions only (IAM API Reference, GetSAMLProvider).
const encryptionRequired = string(types.AssertionEncryptionModeTypeRequired)

// everywhere returns the endpoints of the Regions with each of the suffixes.
func everywhere(regions []signin.Region, suffixes []string) ([]signin.ACS, error) {
	var out []signin.ACS
	for _, r := range regions {
		for _, s := range suffixes {
			acs, err := r.ACS(s)
			if err != nil {
				return nil, err
			}
			out = append(out, acs)
		}
	}
	return out, nil
}

// request is what a federation wants of the trust policies of an account, in
// some of its Regions. Providers of which it is not known are left out.
func (e endpoints) request(account federation.Account, regions []signin.Region) trustpolicy.EditRequest {
	out := trustpolicy.EditRequest{Own: map[string][]string{}}
	for _, arn := range account.Providers {
		if e.unknown[arn] != nil {
			continue
		}
		out.Providers, out.Own[arn] = append(out.Providers, arn), []string{}
		for _, r := range regions {
			for _, acs := range e.at(arn, r) {
				out.Own[arn] = append(out.Own[arn], acs.String())
				if !slices.Contains(out.Audiences, acs.String()) {
					out.Audiences = append(out.Audiences, acs.String())
				}
			}
		}
	}
	return out
}

// unsure is the reason against an edit of a role that names a provider whose
// endpoints are not known.
func (e endpoints) unsure(a federation.Account, c candidate) *finding.Finding {
	for _, arn := range a.Providers {
		if why := e.unknown[arn]; why != nil && strings.Contains(c.text, arn) {
			return &finding.Finding{Code: finding.TrustRefused, Subject: c.arn, What: "which audiences the trust policy lacks is not known", Why: why.Why,
				Remedy: why.Remedy, Evidence: map[string]string{"provider": arn}}
		}
	}
	return nil
}

// current returns the endpoints under what the providers are now. They are read
// only if that makes a difference; one that cannot be read stays unknown.
func (f *Fleet) current(ctx context.Context) (endpoints, error) {
	apps := f.apps(ctx)
	if len(f.Federation.Standbys) == 0 && !slices.ContainsFunc(apps, func(a inventory.AppRead) bool { return a.ACS.Suffix() != "" }) {
		return f.endpoints(apps, nil)
	}
	read := make([][]inventory.Provider, len(f.Federation.Accounts))
	f.eachAccount(func(i int, a federation.Account) {
		api, err := f.dial(ctx, a, ToRead)
		if err != nil {
			f.Log.Warn("an account's SAML providers could not be read", "account", a.ID, "err", err)
			for _, arn := range a.Providers {
				read[i] = append(read[i], inventory.Provider{ARN: arn})
			}
			return
		}
		for _, arn := range a.Providers {
			p := inventory.Provider{ARN: arn}
			if bad := readProvider(ctx, api, &p); bad != nil {
				f.Log.Warn("a SAML provider could not be read", "provider", arn, "err", bad)
			}
			read[i] = append(read[i], p)
		}
	})
	return f.endpoints(apps, slices.Concat(read...))
}

// scanned returns the providers of a snapshot.
func scanned(accounts []inventory.AccountScan) []inventory.Provider {
	var out []inventory.Provider
	for _, a := range accounts {
		out = append(out, a.Providers...)
	}
	return out
}

package discover

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// Join makes the report.
func Join(in Input) Report {
	j := &joiner{in: in, trusts: map[string][]string{}, fed: map[string]bool{}, stale: map[string]bool{},
		out: Report{Apps: []FoundApp{}, Accounts: []FoundAccount{}, Topologies: []Group{}, Federations: []Draft{}, Orphans: []finding.Finding{}, Problems: []finding.Finding{}}}
	j.accounts()
	j.apps()
	j.topologies()
	j.orphans()
	j.drafts()
	return j.out
}

// joiner gathers the report. Use once.
type joiner struct {
	in     Input
	out    Report
	trusts map[string][]string // provider ARN -> ARNs of the roles that trust it
	fed    map[string]bool     // provider ARNs that an app signs in through
	stale  map[string]bool     // provider ARNs that know an app's issuer and do not fit it
	unfit  []mismatch
}

// mismatch is an app whose issuer a provider knows without fitting it.
type mismatch struct {
	app      int // in the report
	provider string
	finding  finding.Finding
}

// accounts counts what was read and learns which roles trust which provider.
func (j *joiner) accounts() {
	for _, s := range j.in.Scans {
		j.out.Accounts = append(j.out.Accounts, FoundAccount{ID: s.ID, Name: s.Name, Providers: len(s.Providers), Roles: len(s.Roles)})
		if s.Error != nil {
			j.out.Problems = append(j.out.Problems, *s.Error)
		}
		j.out.Problems = append(j.out.Problems, s.Notes...)
		for _, p := range s.Providers {
			if p.Error != nil {
				j.out.Problems = append(j.out.Problems, *p.Error)
			}
		}
		for _, r := range s.Roles {
			for _, arn := range trusted(r) {
				j.trusts[arn] = append(j.trusts[arn], r.ARN)
			}
		}
	}
}

// trusted returns the SAML providers that a role's policy lets in. One that
// cannot be parsed lets in nobody that we could name.
func trusted(r inventory.Role) []string {
	p, err := trustpolicy.Parse(r.Trust)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(p.Providers(), func(arn string) bool { return !strings.Contains(arn, ":saml-provider/") })
}

// apps links every app to the providers that trust it.
func (j *joiner) apps() {
	for _, t := range j.in.Tenants {
		if t.Trouble != nil {
			j.out.Problems = append(j.out.Problems, *t.Trouble)
		}
		for _, a := range t.Apps {
			found := FoundApp{Tenant: t.Name, App: a.App, Region: a.Region(), Issuer: a.Identity.Issuer, Certificates: fingerprints(a.Identity.Certificates),
				Federation: j.configured(t.Name, string(a.ID)), Providers: []Link{}}
			found.Findings = slices.Clone(found.Findings)
			if a.Trouble != nil {
				j.out.Problems = append(j.out.Problems, *a.Trouble)
			}
			j.link(a, &found)
			j.out.Apps = append(j.out.Apps, found)
		}
	}
	j.mismatches()
}

// configured returns the federation of the config that has the app, or "".
func (j *joiner) configured(tenant, id string) string {
	for _, f := range j.in.Federations {
		for _, a := range f.Members() {
			if a.Tenant == tenant && a.ID == id {
				return f.Name
			}
		}
	}
	return ""
}

// link finds the providers with the app's issuer. One trusts the app if it knows
// a certificate that the app signs with: AWS compares both (IAM User Guide,
// "Troubleshoot SAML federation").
func (j *joiner) link(a App, found *FoundApp) {
	if a.Identity.Issuer == "" {
		return
	}
	for _, s := range j.in.Scans {
		for _, p := range s.Providers {
			switch {
			case p.Issuer != a.Identity.Issuer:
			case !shareOne(p.Certificates, a.Identity.Certificates):
				j.unfit = append(j.unfit, mismatch{len(j.out.Apps), p.ARN, certificateDiffers(a, p)})
			case !found.Region.IsZero() && partitionOf(p.ARN) != found.Region.Partition():
				j.unfit = append(j.unfit, mismatch{len(j.out.Apps), p.ARN, finding.Finding{Code: finding.OtherPartition, What: "a SAML provider of another partition trusts the app",
					Why:    fmt.Sprintf("the app signs in to %s, the provider is in %s; nobody gets in through it", found.Region.Partition(), partitionOf(p.ARN)),
					Remedy: "make an app of its own for that partition, or remove the provider", Evidence: map[string]string{"provider": p.ARN}}})
			default:
				j.fed[p.ARN] = true
				found.Providers = append(found.Providers, Link{Account: s.ID, Provider: p.ARN, UUID: p.UUID, Roles: append([]string{}, j.trusts[p.ARN]...)})
			}
		}
	}
}

// mismatches notes what does not fit. A provider that another app signs in
// through is that app's: the apps of one PingOne environment share an issuer.
// Of several apps that a provider could be meant for, those count that no
// provider trusts, if there are any.
func (j *joiner) mismatches() {
	lonely := map[string]bool{}
	for _, m := range j.unfit {
		if len(j.out.Apps[m.app].Providers) == 0 {
			lonely[m.provider] = true
		}
	}
	for _, m := range j.unfit {
		a := &j.out.Apps[m.app]
		if j.fed[m.provider] || lonely[m.provider] && len(a.Providers) > 0 {
			continue
		}
		j.stale[m.provider] = true
		a.Note(m.finding)
		j.out.Orphans = append(j.out.Orphans, a.Findings[len(a.Findings)-1])
	}
}

func certificateDiffers(a App, p inventory.Provider) finding.Finding {
	return finding.Finding{Code: finding.ProviderStale, What: "a SAML provider knows the app's issuer and not its certificate, so AWS refuses sign-ins through it",
		Why:    "the app's signing key was changed, or the provider has the metadata of another app",
		Remedy: "download the app's metadata and update the provider with it",
		Evidence: map[string]string{"provider": p.ARN, "app signs with": strings.Join(fingerprints(a.Identity.Certificates), " "),
			"provider knows": strings.Join(fingerprints(p.Certificates), " ")}}
}

func shareOne(a, b [][]byte) bool {
	return slices.ContainsFunc(a, func(x []byte) bool {
		return slices.ContainsFunc(b, func(y []byte) bool { return bytes.Equal(x, y) })
	})
}

// partitionOf returns the partition of an ARN, "" if it has none.
func partitionOf(arn string) signin.Partition {
	if parts := strings.SplitN(arn, ":", 3); len(parts) == 3 {
		return signin.Partition(parts[1])
	}
	return ""
}

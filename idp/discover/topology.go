package discover

import (
	"fmt"
	"slices"

	"github.com/samlfailover/samlfailover/finding"
)

// topologies gives every linked app its topology and names each case once.
func (j *joiner) topologies() {
	sisters := j.sisters()
	for i := range j.out.Apps {
		a := &j.out.Apps[i]
		if len(a.Providers) == 0 {
			continue
		}
		switch accounts := a.accounts(); {
		case len(sisters[i]) > 1:
			a.Topology = AppPerRegion
		case a.ACS.Suffix() != "":
			a.Topology = PerProviderACS
		case len(accounts) > 1:
			a.Topology = ManyAccounts
		default:
			a.Topology = AppPerAccount
		}
		j.suffix(a)
		switch {
		case a.Topology != AppPerRegion:
			j.out.Topologies = append(j.out.Topologies, j.alone(*a))
		case sisters[i][0] == i: // each set once
			j.out.Topologies = append(j.out.Topologies, j.together(sisters[i]))
		}
	}
}

// accounts returns the accounts that the app leads to, each once.
func (a FoundApp) accounts() []string {
	var out []string
	for _, l := range a.Providers {
		if !slices.Contains(out, l.Account) {
			out = append(out, l.Account)
		}
	}
	return out
}

// sisters returns, for every app, the apps of which each leads to an account of
// another one at another Region, itself among them. Two are such if one tenant
// holds both, or a role trusts the providers of both: two apps that merely lead
// to the same account say nothing about each other.
func (j *joiner) sisters() [][]int {
	set := make([][]int, len(j.out.Apps))
	for i := range set {
		set[i] = []int{i}
	}
	for i, a := range j.out.Apps {
		for k, b := range j.out.Apps[:i] {
			if a.Region.IsZero() || b.Region.IsZero() || a.Region == b.Region || slices.Contains(set[i], k) || !meet(a, b) ||
				a.Tenant != b.Tenant && len(bothTrust(a, b)) == 0 {
				continue
			}
			joined := slices.Sorted(slices.Values(append(slices.Clone(set[i]), set[k]...)))
			for _, m := range joined {
				set[m] = joined
			}
		}
	}
	return set
}

// meet reports whether two apps lead to the same account.
func meet(a, b FoundApp) bool {
	others := b.accounts()
	return slices.ContainsFunc(a.accounts(), func(id string) bool { return slices.Contains(others, id) })
}

// bothTrust returns the roles that let in people of both apps.
func bothTrust(a, b FoundApp) []string {
	theirs := map[string]bool{}
	for _, l := range b.Providers {
		for _, r := range l.Roles {
			theirs[r] = true
		}
	}
	var out []string
	for _, l := range a.Providers {
		for _, r := range l.Roles {
			if theirs[r] {
				out = append(out, r)
				delete(theirs, r) // a role may trust two providers of a
			}
		}
	}
	return out
}

// alone is the case of an app without sisters.
func (j *joiner) alone(a FoundApp) Group {
	g := Group{Topology: a.Topology, Apps: []string{a.Ref().String()}, Accounts: a.accounts()}
	g.Evidence = append(g.Evidence, links(a)...)
	if a.ACS.Suffix() != "" {
		g.Evidence = append(g.Evidence, "its endpoint ends in the provider id "+a.ACS.Suffix())
	}
	return g
}

// together is the case of apps that stand for Regions.
func (j *joiner) together(members []int) Group {
	g := Group{Topology: AppPerRegion}
	for n, i := range members {
		a := j.out.Apps[i]
		g.Apps = append(g.Apps, a.Ref().String())
		for _, id := range a.accounts() {
			if !slices.Contains(g.Accounts, id) {
				g.Accounts = append(g.Accounts, id)
			}
		}
		g.Evidence = append(g.Evidence, fmt.Sprintf("%s is at %s", a.Ref(), a.Region))
		g.Evidence = append(g.Evidence, links(a)...)
		for _, k := range members[:n] {
			if b := j.out.Apps[k]; meet(a, b) {
				g.Evidence = append(g.Evidence, fmt.Sprintf("%d roles trust both %s and %s", len(bothTrust(a, b)), b.Ref(), a.Ref()))
			}
		}
	}
	return g
}

func links(a FoundApp) []string {
	var out []string
	for _, l := range a.Providers {
		out = append(out, fmt.Sprintf("%s has the issuer and a certificate of %s; %d roles trust it", l.Provider, a.Ref(), len(l.Roles)))
	}
	return out
}

// suffix notes an endpoint that names a provider which does not trust the app:
// AWS has one such endpoint per provider (IAM User Guide, "Configure SAML
// assertions for the authentication response").
func (j *joiner) suffix(a *FoundApp) {
	id := a.ACS.Suffix()
	if id == "" || slices.ContainsFunc(a.Providers, func(l Link) bool { return l.UUID == id }) {
		return
	}
	a.Note(finding.Finding{Code: finding.ProviderIDUnknown, What: "the app's endpoint names another SAML provider than those that trust it",
		Why: "a provider that was deleted and made again has another id", Remedy: "take the sign-in URL from the SAML provider's page in IAM",
		Evidence: map[string]string{"endpoint": a.ACSText}})
	j.out.Orphans = append(j.out.Orphans, a.Findings[len(a.Findings)-1])
}

package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
)

// orphans names what has no counterpart: apps, providers, roles, and entries of
// the config.
func (j *joiner) orphans() {
	j.untrusted()
	for _, s := range j.in.Scans {
		for _, p := range s.Providers {
			j.unfed(p)
		}
		for _, r := range s.Roles {
			j.stranded(s, r)
		}
	}
	j.absent()
}

// untrusted names the apps that lead to AWS and that no provider trusts. Without
// any account to look at there is nothing to say.
func (j *joiner) untrusted() {
	if len(j.in.Scans) == 0 {
		return
	}
	for i := range j.out.Apps {
		a := &j.out.Apps[i]
		noted := slices.ContainsFunc(a.Findings, func(f finding.Finding) bool {
			return f.Code == finding.ProviderStale || f.Code == finding.OtherPartition
		})
		if len(a.Providers) > 0 || a.Issuer == "" || a.ACS.IsZero() || noted {
			continue
		}
		a.Note(finding.Finding{Code: finding.AppWithoutProvider, What: "no SAML provider of the accounts that were looked at trusts the app",
			Why:      fmt.Sprintf("none of %d accounts has a provider with its issuer%s", len(j.in.Scans), j.unsure(j.accountsUnread())),
			Remedy:   "name the account it leads to with --account, or upload its metadata to a SAML provider there",
			Evidence: map[string]string{"issuer": a.Issuer}})
		j.out.Orphans = append(j.out.Orphans, a.Findings[len(a.Findings)-1])
	}
}

// unfed names a provider that no app signs in through. That of IAM Identity
// Center is AWS's own, and one that could not be read is a problem already.
func (j *joiner) unfed(p inventory.Provider) {
	if j.fed[p.ARN] || j.stale[p.ARN] || p.Issuer == "" || identityCenter(p.ARN) {
		return
	}
	j.out.Orphans = append(j.out.Orphans, finding.Finding{Code: finding.ProviderWithoutApp, Subject: p.ARN, What: "no app of the tenants signs in through the SAML provider",
		Why:    "no app has its issuer" + j.unsure(j.tenantsUnread()),
		Remedy: "add the tenant it belongs to to the config; if nobody uses it any more, delete the provider: whoever holds its old key can still sign in",
		Evidence: map[string]string{"issuer": p.Issuer, "certificates": strings.Join(fingerprints(p.Certificates), " "),
			"roles that trust it": fmt.Sprint(len(j.trusts[p.ARN]))}})
}

// identityCenter recognises the providers that IAM Identity Center makes and
// looks after itself.
func identityCenter(arn string) bool {
	_, name, _ := strings.Cut(arn, ":saml-provider/")
	return strings.HasPrefix(name, "AWSSSO_") && strings.HasSuffix(name, "_DO_NOT_DELETE")
}

// stranded names a role's providers without an app.
func (j *joiner) stranded(s inventory.AccountScan, r inventory.Role) {
	if r.Protected != "" {
		return
	}
	providers := trusted(r)
	works := slices.ContainsFunc(providers, func(arn string) bool { return j.fed[arn] })
	for _, arn := range providers {
		at := slices.IndexFunc(s.Providers, func(p inventory.Provider) bool { return p.ARN == arn })
		why := "no app signs in through the provider" + j.unsure(j.tenantsUnread())
		switch {
		case j.fed[arn] || j.stale[arn] || identityCenter(arn):
			continue
		case at >= 0 && s.Providers[at].Issuer == "":
			continue // not read: nothing is known
		case at < 0 && len(s.Notes) > 0:
			continue // the providers could not be listed
		case at < 0:
			why = "the account has no such provider"
		}
		f := finding.Finding{Code: finding.RoleWithoutApp, Subject: r.ARN, What: "nobody can sign in to the role", Why: why,
			Remedy: "correct the role's trust policy, or delete the role", Evidence: map[string]string{"provider": arn}}
		if works {
			f.What = "one of the SAML providers that the role trusts leads nowhere"
		}
		j.out.Orphans = append(j.out.Orphans, f)
	}
}

// absent names the apps of the config that their tenant does not have.
func (j *joiner) absent() {
	for _, f := range j.in.Federations {
		for _, ref := range f.Members() {
			at := slices.IndexFunc(j.in.Tenants, func(t Tenant) bool { return t.Name == ref.Tenant })
			if at < 0 || j.in.Tenants[at].Trouble != nil ||
				slices.ContainsFunc(j.in.Tenants[at].Apps, func(a App) bool { return string(a.ID) == ref.ID }) {
				continue
			}
			j.out.Orphans = append(j.out.Orphans, finding.Finding{Code: finding.AppNotFound, Subject: "app " + ref.Name + " (" + ref.String() + ")",
				What: "the config names an app that is not among the AWS apps of its tenant", Why: "federation " + f.Name + " lists it",
				Remedy: "compare the id with the list; if the app was deleted, take it out of the config"})
		}
	}
}

// unsure adds to a sentence what might change it.
func (j *joiner) unsure(unread []string) string {
	if len(unread) == 0 {
		return ""
	}
	return "; not everything could be read: " + strings.Join(unread, ", ")
}

func (j *joiner) accountsUnread() []string {
	var out []string
	for _, s := range j.in.Scans {
		if s.Error != nil || len(s.Notes) > 0 || slices.ContainsFunc(s.Providers, func(p inventory.Provider) bool { return p.Error != nil }) {
			out = append(out, "account "+s.ID)
		}
	}
	return out
}

func (j *joiner) tenantsUnread() []string {
	var out []string
	for _, t := range j.in.Tenants {
		if t.Trouble != nil || slices.ContainsFunc(t.Apps, func(a App) bool { return a.Trouble != nil }) {
			out = append(out, "tenant "+t.Name)
		}
	}
	return out
}

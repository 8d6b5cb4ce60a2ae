package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	one, two, gov = "111111111111", "222222222222", "333333333333"
	idOne         = "SAMLSPAAAAAAAAAAAAAAAA"
)

// app is one at a Region, with an issuer and the names of its certificates.
func app(id, region, issuer string, certs ...string) App {
	return at(id, region, "", issuer, certs...)
}

func at(id, region, suffix, issuer string, certs ...string) App {
	a := App{App: idp.App{ID: idp.AppID(id), Label: "App " + id, Kind: "okta:custom-saml", Status: "ACTIVE", Movable: true}, Identity: idp.Identity{Issuer: issuer}}
	for _, c := range certs {
		a.Identity.Certificates = append(a.Identity.Certificates, []byte(c))
	}
	if region != "" {
		var err error
		if a.ACS, err = signin.MustRegion(region).ACS(suffix); err != nil {
			panic(err)
		}
		a.ACSText = a.ACS.String()
	}
	return a
}

func arn(account, name string) string {
	partition := "aws"
	if account == gov {
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":iam::" + account + ":saml-provider/" + name
}

func provider(account, name, issuer string, certs ...string) inventory.Provider {
	p := inventory.Provider{ARN: arn(account, name), Issuer: issuer, UUID: idOne}
	for _, c := range certs {
		p.Certificates = append(p.Certificates, []byte(c))
	}
	return p
}

// role trusts providers at the sign-in endpoints of some Regions.
func role(account, name string, regions []string, providers ...string) inventory.Role {
	var urls []string
	for _, r := range regions {
		acs, err := signin.MustRegion(r).ACS("")
		if err != nil {
			panic(err)
		}
		urls = append(urls, acs.String())
	}
	return inventory.Role{Account: account, Name: name, Path: "/", ARN: "arn:aws:iam::" + account + ":role/" + name,
		Trust: fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":["%s"]},"Action":"sts:AssumeRoleWithSAML","Condition":{"StringEquals":{"SAML:aud":["%s"]}}}]}`,
			strings.Join(providers, `","`), strings.Join(urls, `","`))}
}

func scan(id string, providers []inventory.Provider, roles ...inventory.Role) inventory.AccountScan {
	return inventory.AccountScan{ID: id, Name: "account " + id[:1], Providers: providers, Roles: roles}
}

func tenant(name string, apps ...App) Tenant { return Tenant{Name: name, Apps: apps} }

// home is a list of Regions with us-east-1 alone.
func home() []string { return []string{"us-east-1"} }

// lines renders what a test compares: apps with topology and providers, orphans
// by code and subject, drafts with Regions, apps and providers.
func lines(r Report) []string {
	var out []string
	for _, a := range r.Apps {
		l := fmt.Sprintf("app %s: %s", a.ID, a.Topology)
		for _, p := range a.Providers {
			l += fmt.Sprintf(" %s(%d)", short(p.Provider), len(p.Roles))
		}
		out = append(out, l)
	}
	for _, f := range r.Orphans {
		out = append(out, fmt.Sprintf("%s: %s", f.Code, short(f.Subject)))
	}
	for _, d := range r.Federations {
		l := fmt.Sprintf("draft %s %v:", d.Federation.Name, d.Federation.Regions)
		for _, a := range d.Federation.Apps {
			l += " " + a.ID
		}
		l += ";"
		for _, a := range d.Federation.Accounts {
			for _, p := range a.Providers {
				l += " " + short(p)
			}
		}
		out = append(out, l)
	}
	return out
}

// short names an ARN by account digit and name.
func short(s string) string {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) < 6 {
		return s
	}
	_, name, _ := strings.Cut(parts[5], "/")
	return parts[4][:1] + "/" + name
}

// flaws are violations of what must hold of every report.
func flaws(in Input, r Report) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	providers := map[string]inventory.Provider{}
	for _, s := range in.Scans {
		for _, p := range s.Providers {
			providers[p.ARN] = p
		}
	}
	linked := map[string]bool{}
	for _, a := range r.Apps {
		for _, l := range a.Providers {
			p := providers[l.Provider]
			linked[l.Provider] = true
			if p.Issuer != a.Issuer || !slices.ContainsFunc(fingerprints(p.Certificates), func(f string) bool { return slices.Contains(a.Certificates, f) }) {
				say("app %s is linked to %s, which does not trust it", a.ID, l.Provider)
			}
			if !a.Region.IsZero() && partitionOf(l.Provider) != a.Region.Partition() {
				say("app %s is linked to another partition", a.ID)
			}
		}
		if (len(a.Providers) > 0) != (a.Topology != "") {
			say("app %s has %d providers and topology %q", a.ID, len(a.Providers), a.Topology)
		}
		if a.Topology != "" && !slices.ContainsFunc(r.Topologies, func(g Group) bool {
			return g.Topology == a.Topology && slices.Contains(g.Apps, a.Ref().String()) && len(g.Evidence) > 0 && len(g.Accounts) > 0
		}) {
			say("no topology names app %s with evidence", a.ID)
		}
	}
	for _, f := range r.Orphans {
		if f.Code == finding.ProviderWithoutApp && linked[f.Subject] {
			say("%s is linked and an orphan", f.Subject)
		}
		if f.What == "" || f.Why == "" || f.Remedy == "" || f.Subject == "" {
			say("an incomplete finding: %+v", f)
		}
	}
	return append(out, draftFlaws(r)...)
}

// draftFlaws are violations of spec 2.11 and of what a draft must be.
func draftFlaws(r Report) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	owner := map[string]string{}
	own := func(thing, draft string) {
		if other, taken := owner[thing]; taken {
			say("%s is in %s and in %s", thing, other, draft)
		}
		owner[thing] = draft
	}
	for _, d := range r.Federations {
		f := d.Federation
		if f.Policy.Mode != federation.Observe {
			say("%s would do more than observe", f.Name)
		}
		for _, a := range f.Apps {
			own(a.String(), f.Name)
		}
		for _, a := range f.Accounts {
			for _, p := range a.Providers {
				own(p, f.Name)
				if partitionOf(p) != f.Partition {
					say("%s holds %s of another partition", f.Name, p)
				}
			}
		}
		for _, region := range f.Regions {
			if region.Partition() != f.Partition {
				say("%s holds %s of another partition", f.Name, region)
			}
		}
	}
	return out
}

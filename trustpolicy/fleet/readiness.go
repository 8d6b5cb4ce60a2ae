package fleet

import (
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// judge says for every Region of the federation whether the role admits
// sign-ins of the providers there, at each of their endpoints.
func (f *Fleet) judge(role inventory.Role, p trustpolicy.Policy, providers []string, ends endpoints) []inventory.RegionReadiness {
	var out []inventory.RegionReadiness
	for _, region := range f.Federation.Regions {
		worst := inventory.RegionReadiness{Region: region, State: inventory.Ready}
		for _, provider := range providers {
			for _, got := range f.judgeProvider(role, p, provider, region, ends) {
				if worse(got.State, worst.State) {
					worst = got
				}
			}
		}
		out = append(out, worst)
	}
	return out
}

// judgeProvider judges each of a provider's endpoints in a Region.
func (f *Fleet) judgeProvider(role inventory.Role, p trustpolicy.Policy, provider string, region signin.Region, ends endpoints) []inventory.RegionReadiness {
	if why := ends.unknown[provider]; why != nil {
		found := *why
		found.Subject, found.Evidence = role.ARN, map[string]string{"provider": provider}
		return []inventory.RegionReadiness{{Region: region, State: inventory.Unknown, Finding: &found}}
	}
	var out []inventory.RegionReadiness
	for _, acs := range ends.at(provider, region) {
		out = append(out, f.judgeOne(role, p, provider, acs))
	}
	return out
}

// worse orders the states: ready, conditional, not ready.
func worse(a, b inventory.Readiness) bool {
	rank := map[inventory.Readiness]int{inventory.Ready: 0, inventory.Conditional: 1, inventory.Unknown: 2, inventory.NotReady: 3}
	return rank[a] > rank[b]
}

// login is a sign-in of somebody at an endpoint: what the assertion says besides
// its Recipient is not known. The Region's own STS serves it (AWS Security Blog,
// "How to use Regional SAML endpoints for failover").
func login(provider string, acs signin.ACS) trustpolicy.Login {
	context := map[string][]string{"aws:RequestedRegion": {acs.Region().String()}}
	if parts := strings.SplitN(provider, ":", 6); len(parts) == 6 {
		context["SAML:doc"] = []string{parts[4] + "/" + strings.TrimPrefix(parts[5], "saml-provider/")}
	}
	return trustpolicy.Login{Provider: provider, Audience: acs.String(), Context: context, Partial: true}
}

// judgeOne asks for sts:AssumeRoleWithSAML, and for sts:TagSession and
// sts:SetSourceIdentity where the home Region grants them: a login with tags
// would otherwise fail in the new Region only. A condition on something else in
// the assertion is the same in every Region and does not count against one.
func (f *Fleet) judgeOne(role inventory.Role, p trustpolicy.Policy, provider string, acs signin.ACS) inventory.RegionReadiness {
	region := acs.Region()
	out := inventory.RegionReadiness{Region: region, State: inventory.Ready}
	atHome, err := acs.In(f.Federation.Home())
	if err != nil {
		return unknown(role, region, err)
	}
	home, here := login(provider, atHome), login(provider, acs)
	for _, action := range trustpolicy.SAMLActions() {
		home.Action, here.Action = action, action
		if action != trustpolicy.AssumeRoleWithSAML && trustpolicy.Admits(p, home).Verdict == trustpolicy.Deny {
			continue
		}
		d := trustpolicy.Admits(p, here)
		state := inventory.NotReady
		switch {
		case d.Verdict == trustpolicy.Allow:
			continue
		case d.Verdict == trustpolicy.Conditional && d.AssertionOnly() && trustpolicy.AsGood(p, home, here):
			continue
		case d.Verdict == trustpolicy.Conditional:
			state = inventory.Conditional
		}
		if worse(state, out.State) {
			out.State, out.Finding = state, notReady(role, region, here, d)
		}
	}
	return out
}

func unknown(role inventory.Role, region signin.Region, err error) inventory.RegionReadiness {
	return inventory.RegionReadiness{Region: region, State: inventory.Unknown, Finding: &finding.Finding{Code: finding.RoleNotReady,
		Subject: role.ARN, What: "whether the role admits sign-ins at " + region.String() + " is not known", Why: err.Error(), Remedy: "correct the federation's Regions"}}
}

func notReady(role inventory.Role, region signin.Region, l trustpolicy.Login, d trustpolicy.Decision) *finding.Finding {
	out := &finding.Finding{Code: finding.RoleNotReady, Subject: role.ARN, What: "the role does not admit sign-ins at " + region.String(),
		Why: d.String(), Remedy: "run: samlfailover trust plan",
		Evidence: map[string]string{"audience": l.Audience, "provider": l.Provider, "action": d.Action, "region": region.String(), "reason": string(d.Reason)}}
	switch {
	case role.Protected != "":
		out.Remedy = "none on our side: " + role.Protected
	case d.Verdict == trustpolicy.Conditional:
		out.What = "whether the role admits sign-ins at " + region.String() + " depends on a condition that is not known"
		out.Remedy = "have the role's owner check that the condition " + d.Condition + " holds for sign-ins at " + region.String()
	case d.Reason == trustpolicy.Explicit:
		out.Remedy = "have the role's owner look at the Deny statement"
	}
	return out
}

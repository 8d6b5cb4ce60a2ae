package fleet

import (
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// judge says for every Region of the federation whether the role admits
// sign-ins of the providers there, at each of their endpoints; where other apps
// stand in, whether it lets in theirs.
func (f *Fleet) judge(role inventory.Role, p trustpolicy.Policy, providers []string, ends endpoints) []inventory.RegionReadiness {
	var out []inventory.RegionReadiness
	for _, region := range f.Federation.Regions {
		all := f.standIns(role, providers, region, ends)
		for _, provider := range providers {
			all = append(all, f.judgeProvider(role, p, provider, providers, region, ends)...)
		}
		if len(all) == 0 {
			all = append(all, nobodyThere(role, region))
		}
		worst := inventory.RegionReadiness{Region: region, State: inventory.Ready}
		for _, got := range all {
			if worse(got.State, worst.State) {
				worst = got
			}
		}
		out = append(out, worst)
	}
	return out
}

// judgeProvider judges each of a provider's endpoints in a Region.
func (f *Fleet) judgeProvider(role inventory.Role, p trustpolicy.Policy, provider string, trusted []string, region signin.Region, ends endpoints) []inventory.RegionReadiness {
	if why := ends.unknown[provider]; why != nil {
		found := *why
		found.Subject, found.Evidence = role.ARN, map[string]string{"provider": provider}
		return []inventory.RegionReadiness{{Region: region, State: inventory.Unknown, Finding: &found}}
	}
	var out []inventory.RegionReadiness
	for _, acs := range ends.at(provider, region) {
		home, err := ends.model(provider, trusted, acs, f.Federation.Home())
		if err != nil {
			out = append(out, unknown(role, region, err))
			continue
		}
		out = append(out, f.judgeOne(role, p, home, login(provider, acs), region))
		if why := ends.encryptionOnly(provider, acs); why != nil {
			out = append(out, because(role, region, inventory.NotReady, *why, provider))
		}
	}
	if why := ends.barriers[provider]; why != nil && len(out) > 0 {
		out = append(out, because(role, region, inventory.NotReady, *why, provider))
	}
	return out
}

// model is the sign-in that one at acs is compared with: through the app that
// the provider's own stands in for, else of the same provider at home.
func (e endpoints) model(provider string, trusted []string, acs signin.ACS, home signin.Region) (trustpolicy.Login, error) {
	for _, g := range e.groups {
		sv, ok := g.serving[acs.Region()]
		if !ok || !slices.Contains(sv.providers, provider) || g.acs.IsZero() {
			continue
		}
		for _, arn := range g.own {
			if slices.Contains(trusted, arn) {
				return login(arn, g.acs), nil
			}
		}
	}
	atHome, err := acs.In(home)
	return login(provider, atHome), err
}

// standIns judges whether a role that lets people in through an app lets them in
// through the one that serves the Region in its place.
func (f *Fleet) standIns(role inventory.Role, trusted []string, region signin.Region, ends endpoints) []inventory.RegionReadiness {
	var out []inventory.RegionReadiness
	for _, g := range ends.groups {
		if !slices.ContainsFunc(g.own, func(arn string) bool { return slices.Contains(trusted, arn) }) {
			continue
		}
		if why := g.lacks(role, trusted, region); why != nil {
			out = append(out, inventory.RegionReadiness{Region: region, State: inventory.NotReady, Finding: why})
		}
	}
	return out
}

// lacks says why a role does not let in those who come through the app that
// serves the Region, nil if it names a provider of it.
func (g group) lacks(role inventory.Role, trusted []string, region signin.Region) *finding.Finding {
	sv, ok := g.serving[region]
	if slices.ContainsFunc(sv.providers, func(arn string) bool { return slices.Contains(trusted, arn) }) {
		return nil
	}
	out := &finding.Finding{Code: finding.RoleNotReady, Subject: role.ARN, What: "the role does not admit sign-ins at " + region.String(),
		Evidence: map[string]string{"region": region.String(), "app": g.app.Name}}
	here := slices.DeleteFunc(slices.Clone(sv.providers), func(arn string) bool { return !strings.Contains(arn, ":"+role.Account+":") })
	switch {
	case !ok:
		out.Why, out.Remedy = "no app stands in for "+g.app.Name+" in "+region.String(), "make a standby app for it and name it under standby in the config"
	case len(here) > 0:
		out.Why = "it does not trust " + here[0] + ", the provider of the standby app " + sv.app.Name
		out.Remedy = "have the role's owner add that provider beside the one that it trusts"
	case sv.why != nil:
		out.Why, out.Remedy = sv.app.Name+" serves "+region.String()+" in place of "+g.app.Name+", and "+sv.why.What, sv.why.Remedy
	default:
		out.Why = "account " + role.Account + " has no SAML provider that trusts the standby app " + sv.app.Name
		out.Remedy = "make one with the app's metadata, name it under providers in the config, and add it to the role"
	}
	return out
}

func nobodyThere(role inventory.Role, region signin.Region) inventory.RegionReadiness {
	return inventory.RegionReadiness{Region: region, State: inventory.NotReady, Finding: &finding.Finding{Code: finding.RoleNotReady, Subject: role.ARN,
		What: "nobody signs in to the role at " + region.String(), Why: "the apps of the providers that it trusts sign in at other Regions, for good",
		Remedy: "have the role's owner add the provider of the app that serves " + region.String()}}
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
func (f *Fleet) judgeOne(role inventory.Role, p trustpolicy.Policy, home, here trustpolicy.Login, region signin.Region) inventory.RegionReadiness {
	out := inventory.RegionReadiness{Region: region, State: inventory.Ready}
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

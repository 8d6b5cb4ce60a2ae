// Package login is for what sign-in and STS share: turning a SAML response into
// a role session. It looks up the provider, has the assertion verified, checks
// Recipient, and asks the role's trust policy (through naivepolicy) for every
// permission that the login needs.
//
// It must never answer HTTP and never read an unverified value into a decision.
package login

import (
	"crypto/sha1" //nolint:gosec // NameQualifier is defined with SHA-1
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/assertion"
	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/signin"
)

// Gate is the place where an assertion is redeemed.
type Gate struct {
	Cloud     *world.Cloud
	Partition signin.Partition
	Region    signin.Region // aws:RequestedRegion
	// Posted is the endpoint that the browser posted to; zero at STS, where any
	// accepted endpoint may be the Recipient.
	Posted signin.ACS
}

// Grant is a verified assertion together with the provider that vouches for it.
type Grant struct {
	*assertion.Assertion
	Provider world.Provider
}

// NameQualifier is STS's hash of issuer, account and provider name (STS API
// Reference, AssumeRoleWithSAML).
func (g Grant) NameQualifier() string {
	sum := sha1.Sum([]byte(g.Issuer + g.Provider.Account + "/" + g.Provider.Name)) //nolint:gosec // as documented
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Verify checks the response against one provider and, except for roles,
// everything that AWS checks.
func (g Gate) Verify(r *assertion.Response, providerARN string, now time.Time) (Grant, *assertion.Refusal) {
	p, ok := g.Cloud.ProviderByARN(providerARN)
	if arn, _ := world.ParseARN(providerARN); !ok || arn.Partition != g.Partition {
		return Grant{}, assertion.NoProvider("there is no SAML provider %q in partition %s", providerARN, g.Partition)
	}
	strict := g.Cloud.Strictness()
	a, bad := r.Verify(assertion.Trust{Issuer: p.Issuer, Certificates: p.Certificates, Audiences: g.audiences(strict),
		AcceptSHA1: strict.AcceptSHA1, AcceptSignedResponse: strict.AcceptSignedResponse}, now)
	if bad != nil {
		return Grant{}, bad
	}
	if p.EncryptionRequired {
		return Grant{}, assertion.Misshapen("the provider %s requires encrypted assertions, this one is in clear", p.ARN)
	}
	if bad := g.checkRecipient(a.Recipient, r.Destination(), p, strict); bad != nil {
		return Grant{}, bad
	}
	return Grant{a, p}, nil
}

// audiences are the accepted values of Audience.
func (g Gate) audiences(s world.Strictness) []string {
	out := []string{g.Partition.EntityID()}
	for _, r := range signin.Regions(g.Partition, true) {
		acs, err := r.ACS("")
		bare := err == nil && !strings.HasPrefix(acs.String(), "https://"+r.String()+".")
		if bare || err == nil && s.AcceptRegionalAudience || out[0] == "" {
			out = append(out, acs.String())
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

// checkRecipient wants an endpoint of this partition that fits the provider,
// and, at a sign-in host, its own endpoint. The latter is this sandbox's
// strictness: AWS does not say.
func (g Gate) checkRecipient(recipient, destination string, p world.Provider, s world.Strictness) *assertion.Refusal {
	acs, err := signin.ParseACS(recipient)
	switch {
	case err != nil || acs.Region().Partition() != g.Partition:
		return assertion.Misshapen("the Recipient %q is no sign-in endpoint of partition %s", recipient, g.Partition)
	case acs.Suffix() != "" && acs.Suffix() != p.UUID:
		return assertion.Misshapen("the Recipient %q belongs to another provider than %s", recipient, p.ARN)
	case g.Posted.IsZero() || s.AcceptForeignRecipient:
		return nil
	case acs != g.Posted:
		return assertion.Misshapen("the Recipient is %q, but the assertion was posted to %s", recipient, g.Posted)
	}
	if destination == "" {
		return nil
	}
	if to, err := signin.ParseACS(destination); err != nil || to != g.Posted {
		return assertion.Misshapen("the Destination is %q, but the response was posted to %s", destination, g.Posted)
	}
	return nil
}

// Admit asks whether the role takes this login, and returns it.
func (g Gate) Admit(grant Grant, roleARN string) (world.Role, *assertion.Refusal) {
	if !slices.Contains(grant.Roles, assertion.Pair{Role: roleARN, Provider: grant.Provider.ARN}) {
		return world.Role{}, assertion.Denied("the assertion does not hold the pair %s,%s", roleARN, grant.Provider.ARN)
	}
	acc, role, ok := g.Cloud.RoleByARN(roleARN)
	switch {
	case !ok:
		return role, assertion.Denied("there is no role %s (ARNs are case-sensitive)", roleARN)
	case acc.ID() != grant.Provider.Account:
		return role, assertion.Denied("the provider is in account %s, the role in %s", grant.Provider.Account, acc.ID())
	case role.Protected():
		return role, assertion.Denied("the role %s belongs to AWS and takes no customer assertion", roleARN)
	case !acc.RegionEnabled(g.Region):
		return role, &assertion.Refusal{Status: http.StatusForbidden, Code: "RegionDisabledException",
			Message: fmt.Sprintf("STS is not activated in this region for account:%s. Your account administrator can activate STS in this region using the IAM Console.", acc.ID()),
			Why:     fmt.Sprintf("account %s has not enabled %s", acc.ID(), g.Region)}
	}
	req := naivepolicy.Request{Keys: g.context(grant), Caller: naivepolicy.Caller{Kind: "Federated", Names: []string{grant.Provider.ARN}}}
	for _, action := range needs(grant) {
		req.Action = action
		if d := naivepolicy.Decide(role.Trust, req); !d.Allowed {
			return role, assertion.Denied("the trust policy of %s refuses %s for SAML:aud %s: %s", roleARN, action, grant.Recipient, d.Why)
		}
	}
	return role, nil
}

// needs lists the permissions that this login takes (IAM User Guide, "Pass
// session tags in AWS STS" and "Monitor and control actions taken with assumed
// roles").
func needs(grant Grant) []string {
	out := []string{"sts:AssumeRoleWithSAML"}
	if len(grant.Tags)+len(grant.TransitiveTagKeys) > 0 {
		out = append(out, "sts:TagSession")
	}
	if grant.SourceIdentity != "" {
		out = append(out, "sts:SetSourceIdentity")
	}
	return out
}

// context builds the condition keys of the request.
func (g Gate) context(grant Grant) map[string][]string {
	keys := map[string][]string{
		"saml:aud":            {grant.Recipient},
		"saml:iss":            {grant.Issuer},
		"saml:sub":            {grant.Subject},
		"saml:sub_type":       {grant.SubjectType},
		"saml:doc":            {grant.Provider.Account + "/" + grant.Provider.Name},
		"saml:namequalifier":  {grant.NameQualifier()},
		"sts:rolesessionname": {grant.RoleSessionName},
		"aws:requestedregion": {g.Region.String()},
		"aws:securetransport": {"true"},
	}
	if grant.SourceIdentity != "" {
		keys["sts:sourceidentity"] = []string{grant.SourceIdentity}
	}
	if len(grant.TransitiveTagKeys) > 0 {
		keys["sts:transitivetagkeys"] = grant.TransitiveTagKeys
	}
	if len(grant.Tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(grant.Tags))
	}
	for k, v := range grant.Tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
	}
	return keys
}

// Lifetime returns how long the session may live: wanted (0: one hour), which is
// the SessionDuration attribute at sign-in and DurationSeconds at STS, and never
// past the IdP's own session.
func Lifetime(grant Grant, role world.Role, wanted time.Duration, now time.Time) (time.Duration, *assertion.Refusal) {
	life := wanted
	if life == 0 {
		life = time.Hour
	}
	if most := time.Duration(role.MaxSession) * time.Second; life > most {
		return 0, &assertion.Refusal{Status: http.StatusBadRequest, Code: "ValidationError",
			Message: "Requested DurationSeconds exceeds MaxSessionDuration set for this role.",
			Why:     fmt.Sprintf("%s was asked for, the role allows %s", life, most)}
	}
	if !grant.SessionEnds.IsZero() {
		life = min(life, grant.SessionEnds.Sub(now))
	}
	return life, nil
}

package sts

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/assertion"
	"github.com/samlfailover/samlfailover/sandbox/aws/login"
	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

type withSAML struct {
	Credentials      credentials
	AssumedRoleUser  assumedRoleUser
	PackedPolicySize int
	Subject          string
	SubjectType      string
	Issuer           string
	Audience         string
	NameQualifier    string
	SourceIdentity   string `xml:",omitempty"`
}

// assumeWithSAML reads the assertion before it looks up role or provider, as
// AWS does: junk is told apart without any account.
func (h *Handler) assumeWithSAML(q query.Request, now time.Time) (any, *query.Error) {
	roleARN, bad := text(q, "RoleArn", 20, 2048)
	if bad != nil {
		return nil, bad
	}
	providerARN, bad := text(q, "PrincipalArn", 20, 2048)
	if bad != nil {
		return nil, bad
	}
	encoded, bad := text(q, "SAMLAssertion", 4, assertion.MaxEncoded)
	if bad != nil {
		return nil, bad
	}
	asked, bad := duration(q)
	if bad != nil {
		return nil, bad
	}
	response, no := assertion.Open(encoded)
	if no != nil {
		return nil, translate(no, q.ID)
	}
	gate := login.Gate{Cloud: h.Cloud, Partition: h.Partition, Region: h.Region}
	grant, no := gate.Verify(response, providerARN, now)
	if no != nil {
		return nil, translate(no, q.ID)
	}
	role, no := gate.Admit(grant, roleARN)
	if no != nil {
		return nil, translate(no, q.ID)
	}
	life, no := login.Lifetime(grant, role, asked, now)
	if no != nil {
		return nil, translate(no, q.ID)
	}
	cred, user := outline(h.issue(q, role, grant.RoleSessionName, grant.SourceIdentity, life))
	return withSAML{Credentials: cred, AssumedRoleUser: user, Subject: grant.Subject, SubjectType: grant.SubjectType,
		Issuer: grant.Issuer, Audience: grant.Recipient, NameQualifier: grant.NameQualifier(), SourceIdentity: grant.SourceIdentity}, nil
}

func translate(r *assertion.Refusal, requestID string) *query.Error {
	return &query.Error{Status: r.Status, Code: r.Code, Message: r.STSMessage(requestID)}
}

func (h *Handler) issue(q query.Request, role world.Role, name, source string, life time.Duration) (world.Credentials, world.Identity) {
	arn, _ := world.ParseARN(role.ARN())
	v1 := false
	if acc, ok := h.Cloud.Account(h.Partition, arn.Account); ok {
		v1 = h.Global && acc.GlobalTokenVersion() == 1
	}
	return h.Cloud.Issue(world.Session{Role: role, Name: name, Source: source, Lifetime: life,
		Allow: sessionAllow(q, role), DefaultRegionsOnly: v1})
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

type assumed struct {
	Credentials     credentials
	AssumedRoleUser assumedRoleUser
	SourceIdentity  string `xml:",omitempty"`
}

// assumeRole wants both: the caller's list of allowed actions has
// sts:AssumeRole, and the role's trust policy names the caller. (Inside one
// account AWS is content with a trust policy that names the caller's own ARN.)
func (h *Handler) assumeRole(q query.Request, who world.Identity) (any, *query.Error) {
	roleARN, bad := text(q, "RoleArn", 20, 2048)
	if bad != nil {
		return nil, bad
	}
	name, bad := text(q, "RoleSessionName", 2, 64)
	if bad != nil {
		return nil, bad
	}
	if !sessionName.MatchString(name) {
		return nil, invalid("roleSessionName", "Member must satisfy regular expression pattern: [\\w+=,.@-]*")
	}
	life, bad := duration(q)
	if bad != nil {
		return nil, bad
	}
	if life == 0 {
		life = time.Hour
	}
	denied := query.Errorf(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who.ARN, roleARN)
	acc, role, ok := h.Cloud.RoleByARN(roleARN)
	if !ok || acc.Partition() != h.Partition || role.Protected() || !who.May("sts:AssumeRole") {
		return nil, denied
	}
	if !acc.RegionEnabled(h.Region) {
		return nil, regionDisabled(acc.ID())
	}
	if !h.trusts(q, role, who, name) {
		return nil, denied
	}
	switch {
	case who.RoleARN != "" && life > time.Hour:
		return nil, query.Errorf(http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case life > time.Duration(role.MaxSession)*time.Second:
		return nil, query.Errorf(http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	source := sourceIdentity(q, who)
	cred, user := outline(h.issue(q, role, name, source, life))
	return assumed{cred, user, source}, nil
}

// sourceIdentity is the one that the caller already has, else the one it asks
// for: it cannot be changed once set.
func sourceIdentity(q query.Request, who world.Identity) string {
	if who.Source != "" {
		return who.Source
	}
	return q.Form.Get("SourceIdentity")
}

// trusts asks the role's trust policy for every permission the call needs.
func (h *Handler) trusts(q query.Request, role world.Role, who world.Identity, name string) bool {
	keys := map[string][]string{
		"sts:rolesessionname":  {name},
		"aws:requestedregion":  {h.Region.String()},
		"aws:principalarn":     {principalARN(who)},
		"aws:principalaccount": {who.Account},
		"aws:securetransport":  {"true"},
	}
	if id := q.Form.Get("ExternalId"); id != "" {
		keys["sts:externalid"] = []string{id}
	}
	actions := []string{"sts:AssumeRole"}
	if s := sourceIdentity(q, who); s != "" {
		keys["sts:sourceidentity"] = []string{s}
		actions = append(actions, "sts:SetSourceIdentity")
	}
	if tags := query.Tags(q, "Tags"); len(tags) > 0 {
		actions = append(actions, "sts:TagSession")
		for k, v := range tags {
			keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
			keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
		}
	}
	for _, a := range actions {
		d := naivepolicy.Decide(role.Trust, naivepolicy.Request{Action: a, Keys: keys, Caller: naivepolicy.Caller{Kind: "AWS", Names: who.Names()}})
		if !d.Allowed {
			return false
		}
	}
	return true
}

// principalARN is aws:PrincipalArn: the role's ARN for a session.
func principalARN(who world.Identity) string {
	if who.RoleARN != "" {
		return who.RoleARN
	}
	return who.ARN
}

package seed

// Reason says why a role does not admit the standby Region.
type Reason string

// The reasons of the demo world, one role each.
const (
	SingleAudience Reason = "one audience only, as a string: the home Region's"
	ShortList      Reason = "the list of audiences lacks the standby Region"
	TagsAtHomeOnly Reason = "sts:TagSession and sts:SetSourceIdentity are allowed at home only, so a login that carries them fails elsewhere"
	LikeHomeOnly   Reason = "StringLike, with every spelling of the home Region only"
	OwnedElsewhere Reason = "one audience only, and Terraform owns the role (tag managed-by=terraform)"
	DeletedName    Reason = "one audience only, and the policy names a deleted principal, so IAM rejects every rewrite"
	NoRoom         Reason = "one audience only, and another one would exceed the account's size quota"
)

// mendable reports whether an edit that only adds audiences can make the role
// ready.
func (r Reason) mendable() bool {
	switch r {
	case SingleAudience, ShortList, TagsAtHomeOnly, LikeHomeOnly:
		return true
	}
	return false
}

// rolePlan is a federated role to make; form is how its trust policy is
// written, notReady why it is not good enough.
type rolePlan struct {
	name, path string
	form       form
	notReady   Reason
}

// accountPlan is an account to make, with the app that leads to it.
type accountPlan struct {
	id, name      string
	tenant, app   string // where the app lives, and its label
	catalogue     bool   // Okta: the AWS Account Federation app, not a custom one
	everyEndpoint bool   // PingOne: acsUrls lists every Region, home first
	landing       string // RelayState on the home Region's console; HOME is the Region
	roles         []rolePlan
}

// Labels of the apps.
const (
	production = "AWS Production"
	shared     = "AWS Shared Services"
	retail     = "AWS Retail"
	retailTest = "AWS Retail Test"
	data       = "AWS Data Platform"
	partners   = "AWS Partners"
)

// accountPlans are the accounts in the order in which the config lists their
// apps: Okta's two, PingOne's two, OneLogin's two.
func accountPlans() []accountPlan {
	return []accountPlan{
		{id: "111122223333", name: "production", tenant: Okta, app: production, landing: "/",
			roles: plans(map[string]Reason{
				"payments-operator": SingleAudience,
				"search-operator":   ShortList,
				"IncidentCommander": TagsAtHomeOnly,
				"data-engineer":     OwnedElsewhere,
			}, group{"/", []string{"Administrator", "PowerUser", "ReadOnly", "Billing", "SecurityAudit", "OnCall", "IncidentCommander", "SupportUser"}},
				group{"/platform/", []string{"DatabaseAdmin", "NetworkAdmin", "release-manager", "cost-viewer"}},
				group{"/data/", []string{"data-engineer", "data-analyst", "ml-engineer"}},
				team("payments"), team("checkout"), team("search"), team("catalog"), team("identity"))},
		{id: "444455556666", name: "shared-services", tenant: Okta, app: shared, catalogue: true, landing: "/console/home?region=HOME",
			roles: plans(map[string]Reason{
				"build-operator":   LikeHomeOnly,
				"CertificateAdmin": DeletedName,
				"LogArchiveReader": NoRoom,
			}, group{"/", []string{"Administrator", "ReadOnly", "Billing", "SecurityAudit", "OnCall", "SupportUser"}},
				group{"/platform/", []string{"NetworkAdmin", "DNSAdmin", "CIAdmin", "ArtifactAdmin", "PatchManager"}},
				group{"/security/", []string{"LogArchiveReader", "KeyAdmin", "CertificateAdmin", "BackupOperator"}},
				team("platform"), team("observability"), team("build"), team("mail"), team("directory"))},
		{id: "222233334444", name: "retail", tenant: PingOneProd, app: retail, everyEndpoint: true, landing: "/ecs/v2/home?region=HOME#/clusters",
			roles: plans(nil, group{"/", []string{"Administrator", "ReadOnly", "OnCall"}}, team("stores"))},
		{id: "222233335555", name: "retail-test", tenant: PingOneTest, app: retailTest, landing: "/",
			roles: plans(nil, group{"/", []string{"Administrator", "ReadOnly"}}, team("stores"))},
		{id: "333344445555", name: "data-platform", tenant: OneLogin, app: data, landing: "/athena/home?region=HOME",
			roles: plans(nil, group{"/", []string{"Administrator", "ReadOnly"}}, group{"/data/", []string{"data-engineer", "data-analyst"}})},
		{id: "333344446666", name: "partners", tenant: OneLogin, app: partners, landing: "/s3/home?region=HOME",
			roles: plans(nil, group{"/", []string{"ReadOnly", "Uploader", "Auditor"}})},
	}
}

// group is some roles under one path.
type group struct {
	path  string
	names []string
}

// team is the usual three roles of a team.
func team(name string) group {
	return group{"/teams/" + name + "/", []string{name + "-developer", name + "-operator", name + "-viewer"}}
}

// plans lists the roles of all groups. The forms take turns.
func plans(notReady map[string]Reason, groups ...group) []rolePlan {
	var out []rolePlan
	for _, g := range groups {
		for _, name := range g.names {
			out = append(out, rolePlan{name: name, path: g.path, form: form(len(out) % int(forms)), notReady: notReady[name]})
		}
	}
	return out
}

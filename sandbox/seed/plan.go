package seed

import "github.com/samlfailover/samlfailover/signin"

var (
	east   = signin.MustRegion("us-east-1")
	west   = signin.MustRegion("us-west-2")
	europe = signin.MustRegion("eu-west-1")
)

// Reason says why a role does not admit us-west-2.
type Reason string

// The reasons of the demo world, one role each.
const (
	SingleAudience Reason = "one audience only, as a string: us-east-1"
	ShortList      Reason = "the list of audiences lacks us-west-2"
	TagsAtHomeOnly Reason = "sts:TagSession and sts:SetSourceIdentity are allowed at us-east-1 only, so a login that carries them fails elsewhere"
	LikeHomeOnly   Reason = "StringLike, with the two spellings of us-east-1 only"
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

// accountPlan is an account to make, with its app.
type accountPlan struct {
	id, name, app, relayState string
	roles                     []rolePlan
}

func accountPlans() []accountPlan {
	return []accountPlan{
		{id: "111122223333", name: "production", app: "AWS Production",
			relayState: "https://us-east-1.console.aws.amazon.com/",
			roles: plans(map[string]Reason{
				"payments-operator": SingleAudience,
				"search-operator":   ShortList,
				"IncidentCommander": TagsAtHomeOnly,
				"data-engineer":     OwnedElsewhere,
			}, group{"/", []string{"Administrator", "PowerUser", "ReadOnly", "Billing", "SecurityAudit", "OnCall", "IncidentCommander", "SupportUser"}},
				group{"/platform/", []string{"DatabaseAdmin", "NetworkAdmin", "release-manager", "cost-viewer"}},
				group{"/data/", []string{"data-engineer", "data-analyst", "ml-engineer"}},
				team("payments"), team("checkout"), team("search"), team("catalog"), team("identity"))},
		{id: "444455556666", name: "shared-services", app: "AWS Shared Services",
			relayState: "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1",
			roles: plans(map[string]Reason{
				"build-operator":   LikeHomeOnly,
				"CertificateAdmin": DeletedName,
				"LogArchiveReader": NoRoom,
			}, group{"/", []string{"Administrator", "ReadOnly", "Billing", "SecurityAudit", "OnCall", "SupportUser"}},
				group{"/platform/", []string{"NetworkAdmin", "DNSAdmin", "CIAdmin", "ArtifactAdmin", "PatchManager"}},
				group{"/security/", []string{"LogArchiveReader", "KeyAdmin", "CertificateAdmin", "BackupOperator"}},
				team("platform"), team("observability"), team("build"), team("mail"), team("directory"))},
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

// person is a user to make: role names by app label.
type person struct {
	login, password, first, last string
	tagged                       bool
	roles                        map[string][]string
}

func people() []person {
	const prod, shared = "AWS Production", "AWS Shared Services"
	return []person{
		{"ada@acme.example", "analytical-engine", "Ada", "Lovelace", true, map[string][]string{
			prod:   {"Administrator", "OnCall", "IncidentCommander", "payments-operator", "search-operator"},
			shared: {"Administrator"},
		}},
		{"grace@acme.example", "first-actual-bug", "Grace", "Hopper", true, map[string][]string{
			prod:   {"IncidentCommander"},
			shared: {"build-operator", "build-developer", "ReadOnly"},
		}},
		{"katherine@acme.example", "check-the-numbers", "Katherine", "Johnson", false, map[string][]string{
			prod:   {"payments-operator"},
			shared: {"ReadOnly"},
		}},
		{"margaret@acme.example", "priority-displays", "Margaret", "Hamilton", false, map[string][]string{
			prod:   {"data-engineer"},
			shared: {"CertificateAdmin", "LogArchiveReader"},
		}},
		{"alan@acme.example", "imitation-game", "Alan", "Turing", false, map[string][]string{
			prod: {"ReadOnly"},
		}},
	}
}

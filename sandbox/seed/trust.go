package seed

import (
	"encoding/json"
	"fmt"

	"github.com/samlfailover/samlfailover/signin"
)

// form is a way in which people write the same trust policy.
type form int

const (
	oneStatement  form = iota // one statement, three actions
	twoStatements             // assuming and tagging apart
	lowerCaseKey              // saml:aud instead of SAML:aud
	stringLike                // StringLike without wildcards
	forms
)

const (
	assume = "sts:AssumeRoleWithSAML"
	tag    = "sts:TagSession"
	source = "sts:SetSourceIdentity"
)

// policy, statement and their JSON are what people write by hand; maps keep the
// policy language's freedom.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string                    `json:",omitempty"`
	Effect    string                    // always Allow here
	Principal map[string]any            // kind -> one or many
	Action    any                       // one or many
	Condition map[string]map[string]any `json:",omitempty"`
}

// trustPolicy writes the trust policy of a role for logins through provider.
func (r rolePlan) trustPolicy(provider string) (string, error) {
	p := policy{Version: "2012-10-17", Statement: r.statements(provider)}
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("write the trust policy of %s: %w", r.name, err)
	}
	return string(text), nil
}

func (r rolePlan) statements(provider string) []statement {
	all, home := urls(east, west, europe), mustACS(east).String()
	login := func(operator, key string, audience any, actions ...string) statement {
		s := statement{Effect: "Allow", Principal: map[string]any{"Federated": provider}, Action: actions,
			Condition: map[string]map[string]any{operator: {key: audience}}}
		if len(actions) == 1 {
			s.Action = actions[0]
		}
		return s
	}
	switch r.notReady {
	case SingleAudience, OwnedElsewhere:
		return []statement{login("StringEquals", "SAML:aud", home, assume, tag, source)}
	case ShortList:
		return []statement{login("StringEquals", "SAML:aud", urls(east, europe), assume, tag, source)}
	case TagsAtHomeOnly:
		return []statement{
			login("StringEquals", "SAML:aud", all, assume),
			login("StringEquals", "SAML:aud", home, tag, source)}
	case LikeHomeOnly:
		alias := "https://us-east-1.signin.aws.amazon.com/saml"
		return []statement{login("StringLike", "SAML:aud", []string{home, alias}, assume, tag, source)}
	case DeletedName:
		return []statement{login("StringEquals", "SAML:aud", home, assume, tag, source),
			{Sid: "FormerPipeline", Effect: "Allow", Principal: map[string]any{"AWS": "AROAQ3EGRVEXAMPLE2XYZ"}, Action: "sts:AssumeRole"}}
	case NoRoom:
		return []statement{login("StringEquals", "SAML:aud", home, assume, tag, source), collectors()}
	}
	switch r.form {
	case twoStatements:
		return []statement{login("StringEquals", "SAML:aud", all, assume), login("StringEquals", "SAML:aud", all, tag, source)}
	case lowerCaseKey:
		return []statement{login("StringEquals", "saml:aud", all, assume, tag, source)}
	case stringLike:
		return []statement{login("StringLike", "SAML:aud", all, assume, tag, source)}
	}
	return []statement{login("StringEquals", "SAML:aud", all, assume, tag, source)}
}

// collectorCount brings the policy with collectors within one audience's length
// of the default quota of 2048 characters; a test holds it there.
const collectorCount = 25

// collectors lets a crowd of log collectors in: a policy that grew over years.
func collectors() statement {
	var arns []string
	for i := range collectorCount {
		arns = append(arns, fmt.Sprintf("arn:aws:iam::%s:role/logging/log-archive-collector-%02d", controllerAccount, i+1))
	}
	return statement{Sid: "LogCollectors", Effect: "Allow", Principal: map[string]any{"AWS": arns}, Action: "sts:AssumeRole"}
}

func urls(regions ...signin.Region) []string {
	var out []string
	for _, r := range regions {
		out = append(out, mustACS(r).String())
	}
	return out
}

func mustACS(r signin.Region) signin.ACS {
	acs, err := r.ACS("")
	if err != nil {
		panic(err) // a Region of plan.go is in the catalogue
	}
	return acs
}

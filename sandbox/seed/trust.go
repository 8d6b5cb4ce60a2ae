package seed

import (
	"encoding/json"
	"fmt"
	"slices"
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
func (r rolePlan) trustPolicy(at place, provider string) (string, error) {
	p := policy{Version: "2012-10-17", Statement: r.statements(at, provider)}
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("write the trust policy of %s: %w", r.name, err)
	}
	return string(text), nil
}

func (r rolePlan) statements(at place, provider string) []statement {
	all, home := audiences(at.regions...), mustACS(at.home()).String()
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
		return []statement{login("StringEquals", "SAML:aud", slices.Delete(slices.Clone(all), 1, 2), assume, tag, source)}
	case TagsAtHomeOnly:
		return []statement{
			login("StringEquals", "SAML:aud", all, assume),
			login("StringEquals", "SAML:aud", home, tag, source)}
	case LikeHomeOnly:
		return []statement{login("StringLike", "SAML:aud", append([]string{home}, at.aliases...), assume, tag, source)}
	case DeletedName:
		return []statement{login("StringEquals", "SAML:aud", home, assume, tag, source),
			{Sid: "FormerPipeline", Effect: "Allow", Principal: map[string]any{"AWS": "AROAQ3EGRVEXAMPLE2XYZ"}, Action: "sts:AssumeRole"}}
	case NoRoom:
		return []statement{login("StringEquals", "SAML:aud", home, assume, tag, source), collectors(at)}
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

// collectors lets a crowd of log collectors in: a policy that grew over years.
func collectors(at place) statement {
	var arns []string
	for i := range at.collectors {
		arns = append(arns, at.arn(controllerAccount, fmt.Sprintf("role/%s-%02d", at.collector, i+1)))
	}
	return statement{Sid: "LogCollectors", Effect: "Allow", Principal: map[string]any{"AWS": arns}, Action: "sts:AssumeRole"}
}

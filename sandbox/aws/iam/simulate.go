package iam

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

type evaluationXML struct {
	EvalActionName   string
	EvalResourceName string
	EvalDecision     string
}

type simulateResult struct {
	EvaluationResults member[evaluationXML]
	IsTruncated       bool
}

func sourceResource(c call) string {
	if arn := c.Form.Get("PolicySourceArn"); arn != "" {
		return arn
	}
	return "*"
}

// simulate says which actions the policies of a user or role allow (IAM API
// Reference, SimulatePrincipalPolicy): in this world, what its list of allowed
// actions says, whatever the resource.
func simulate(c call) (any, *query.Error) {
	source, actions, resources := c.Form.Get("PolicySourceArn"), c.list("ActionNames"), c.list("ResourceArns")
	switch {
	case len(source) < 20:
		return nil, invalid("1 validation error detected: Value at 'policySourceArn' failed to satisfy constraint: Member must have length greater than or equal to 20")
	case len(actions) == 0:
		return nil, invalid("1 validation error detected: Value at 'actionNames' failed to satisfy constraint: Member must not be null")
	}
	arn, ok := world.ParseARN(source)
	if !ok || arn.Kind != "user" && arn.Kind != "role" {
		return nil, query.Errorf(http.StatusBadRequest, "InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", source)
	}
	who, ok := c.cloud.PrincipalByARN(source)
	if !ok || who.Account != c.account.ID() {
		return nil, noSuch("The %s with name %s cannot be found.", arn.Kind, arn.Name())
	}
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	var out simulateResult
	for _, a := range actions {
		for _, r := range resources {
			decision := "implicitDeny"
			if who.May(a) {
				decision = "allowed"
			}
			out.EvaluationResults.Member = append(out.EvaluationResults.Member, evaluationXML{a, r, decision})
		}
	}
	return out, nil
}

// list reads the members of a list parameter, in order.
func (c call) list(name string) []string {
	var out []string
	for i := 1; ; i++ {
		v := c.Form.Get(fmt.Sprintf("%s.member.%d", name, i))
		if v == "" {
			return slices.Clip(out)
		}
		out = append(out, v)
	}
}

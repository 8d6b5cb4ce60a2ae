package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
)

// CheckServing is whether the identity that serves can write to IAM, or become one
// that can (spec 5.8). It is the base identity of this run of check: where serve
// runs as another one, check has to be run there.
type CheckServing struct {
	Identity string            `json:"identity,omitempty"` // ARN, as STS says it
	Verified bool              `json:"verified"`           // IAM's own simulation was asked
	Findings []finding.Finding `json:"findings,omitempty"`
}

// writesToIAM are the actions that decide who gets in: any of them makes an
// identity worth as much as the roles that it can change.
func writesToIAM() []string {
	return []string{"iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:CreateRole", "iam:UpdateSAMLProvider"}
}

// checkServing looks for ways from the serving identity to a write of IAM. It
// assumes no enforce role: only trust apply and trust watch do that. What cannot
// be found out is said.
func checkServing(ctx context.Context, base *awsaccess.Access, region string, feds []federation.Federation) *CheckServing {
	var enforce []string
	out := &CheckServing{}
	for _, f := range feds {
		for _, a := range f.Accounts {
			switch {
			case a.EnforceRole == "" || a.EnforceRole == a.ScanRole:
				out.Findings = append(out.Findings, servingWrites("account "+a.String(), "trust apply would write there as the identity that also reads for serve",
					"give the account an enforce_role of its own, and take the right to write away from the other one"))
			case !slices.Contains(enforce, a.EnforceRole):
				enforce = append(enforce, a.EnforceRole)
			}
		}
	}
	if len(enforce) == 0 && len(out.Findings) == 0 {
		return nil // no accounts, nothing to write
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	who, err := base.STS(region).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		out.Findings = append(out.Findings, unverified("the base identity", fmt.Errorf("ask STS in %s who we are: %w", region, err)))
		return out
	}
	out.Identity = aws.ToString(who.Arn)
	source := principalOf(out.Identity)
	if slices.Contains(enforce, source) {
		out.Findings = append(out.Findings, servingWrites(out.Identity, "it is the enforce_role of an account", "let serve run as an identity of its own, which assumes the scan roles only"))
		return out
	}
	able, err := simulate(ctx, base, source, enforce)
	if err != nil {
		out.Findings = append(out.Findings, unverified(out.Identity, err))
		return out
	}
	out.Verified = true
	if len(able) > 0 {
		out.Findings = append(out.Findings, servingWrites(out.Identity, "its policies allow "+strings.Join(able, ", "), "take these rights away from it, and give them to the identity that runs trust apply"))
	}
	return out
}

// simulatedRoles bounds one simulation.
const simulatedRoles = 20

// simulate asks IAM which writes, and which enforce roles, an identity's policies
// allow. It changes nothing. Boundaries and SCPs of the organization that IAM does
// not simulate may still keep it from them. Of many enforce roles the first ones
// stand for all: whoever may assume those may assume the others by the same rule.
func simulate(ctx context.Context, base *awsaccess.Access, source string, enforce []string) ([]string, error) {
	client, err := base.IAM(ctx, awsaccess.RoleToAssume{})
	if err != nil {
		return nil, err
	}
	enforce = enforce[:min(len(enforce), simulatedRoles)]
	var able []string
	for _, q := range []struct{ actions, resources []string }{{writesToIAM(), nil}, {[]string{"sts:AssumeRole"}, enforce}} {
		if q.resources == nil || len(q.resources) > 0 {
			more, err := simulateOne(ctx, client, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: q.actions, ResourceArns: q.resources})
			if err != nil {
				return nil, err
			}
			able = append(able, more...)
		}
	}
	return able, nil
}

func simulateOne(ctx context.Context, client *iam.Client, in *iam.SimulatePrincipalPolicyInput) ([]string, error) {
	var able []string
	for p := iam.NewSimulatePrincipalPolicyPaginator(client, in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("simulate the policies of %s: %w", *in.PolicySourceArn, err)
		}
		for _, r := range page.EvaluationResults {
			if r.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed {
				continue
			}
			what := aws.ToString(r.EvalActionName)
			if name := aws.ToString(r.EvalResourceName); name != "" && name != "*" {
				what += " on " + name
			}
			able = append(able, what)
		}
	}
	return able, nil
}

// principalOf is the user or role behind a caller's ARN. That of a session does
// not say the role's path, so IAM does not find a role that has one.
func principalOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "sts" || !strings.HasPrefix(parts[5], "assumed-role/") {
		return arn
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(parts[5], "assumed-role/"), "/")
	return strings.Join([]string{parts[0], parts[1], "iam", "", parts[4], "role/" + name}, ":")
}

func servingWrites(subject, why, remedy string) finding.Finding {
	return finding.Finding{Code: finding.ServingWrites, Subject: subject, What: "the identity that serves can write to IAM, or become one that can", Why: why, Remedy: remedy}
}

func unverified(subject string, err error) finding.Finding {
	return finding.Finding{Code: finding.ServingUnverified, Subject: subject, What: "whether the identity that serves can write to IAM could not be found out", Why: err.Error(),
		Remedy: "allow iam:SimulatePrincipalPolicy on itself, or see that its policies allow nothing but sts:AssumeRole of the scan roles"}
}

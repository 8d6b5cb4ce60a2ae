package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// defaultQuota is the role trust policy length of an account that never asked
// for more, in characters (IAM User Guide, "IAM and AWS STS quotas").
const defaultQuota = 2048

// candidate is a role whose policy may be edited.
type candidate struct {
	arn, name, path string
	text            string
	tags            map[string]string // empty until read
	quota           int               // 0 = unknown
}

// proposal is an edit that may be written. Text is what to write; it is "" when
// nothing is missing.
type proposal struct {
	text    string
	changes []trustpolicy.Insertion
	before  int // compact sizes, in characters
	after   int
	quota   int
}

// consider computes the edit of a role's trust policy and every reason against
// writing it that needs no further call. A refusal carries the change as
// evidence, for the people who may make it.
func consider(o federation.OwnedBy, c candidate, want trustpolicy.EditRequest) (proposal, *finding.Finding) {
	res, err := trustpolicy.Edit(c.text, want)
	var r trustpolicy.Refusal
	if errors.As(err, &r) && r.Code == trustpolicy.RefusedDeny {
		return considerDeny(o, c, want, err)
	}
	if err != nil {
		return proposal{}, refused(c, err)
	}
	out := propose(c, res)
	if out.text == "" {
		return out, nil
	}
	return out, against(o, c, want, out)
}

// considerDeny computes the edit of the Deny statements that keep sign-ins out.
// It always comes with a finding: such an edit is never written without approval
// (spec 5.1).
func considerDeny(o federation.OwnedBy, c candidate, want trustpolicy.EditRequest, why error) (proposal, *finding.Finding) {
	res, err := trustpolicy.EditDeny(c.text, want)
	if err != nil {
		return proposal{}, refused(c, err)
	}
	out := propose(c, res)
	if out.text == "" {
		return proposal{}, refused(c, why)
	}
	if why := against(o, c, want, out); why != nil {
		return out, why
	}
	return out, needsApprover(c.arn, Diff(c.name, c.text, out.text))
}

func needsApprover(role, change string) *finding.Finding {
	return &finding.Finding{Code: finding.NeedsApprover, Subject: role, What: "a Deny statement of the trust policy keeps sign-ins out; its edit is planned and not written",
		Why:      "an edit of a Deny weakens a guardrail, so a person has to approve it",
		Remedy:   "have the identity team make the change in the evidence by hand, then run: samlfailover trust plan",
		Evidence: map[string]string{"change": change}}
}

// propose sizes an edit.
func propose(c candidate, res trustpolicy.Result) proposal {
	out := proposal{changes: res.Changes, before: trustpolicy.CompactSize(c.text), after: trustpolicy.CompactSize(res.Text), quota: cmp.Or(c.quota, defaultQuota)}
	if len(res.Changes) == 0 {
		return out
	}
	out.text = res.Text
	if utf8.RuneCountInString(out.text) > out.quota {
		out.text = trustpolicy.Compact(out.text) // should IAM count white space after all
	}
	return out
}

// against returns the reason not to write an edit that could be written.
func against(o federation.OwnedBy, c candidate, want trustpolicy.EditRequest, p proposal) *finding.Finding {
	out := &finding.Finding{Subject: c.arn, Evidence: map[string]string{"change": Diff(c.name, c.text, p.text)}}
	owner := cmp.Or(ownedByName(o, c.name, c.path), ownedByTag(o, c.tags))
	switch why := federation.Protected(c.path); {
	case why != "":
		out.Code, out.What, out.Why = finding.TrustProtected, "the trust policy lacks audiences and cannot be changed by us", why
		out.Remedy = "let people sign in through another role"
	case owner != "":
		out.Code, out.What, out.Why = finding.TrustOwned, "the trust policy lacks audiences and is not ours to write", owner
		out.Remedy = "make the change in the evidence where the role is kept (Terraform, CloudFormation, ...)"
	case len(deleted(c.text)) > 0:
		out.Code, out.What = finding.TrustDeletedRef, "the trust policy lacks audiences and IAM would reject every rewrite of it"
		out.Why = "it names deleted principals: " + strings.Join(deleted(c.text), ", ")
		out.Remedy = "remove these principals by hand, then run: samlfailover trust plan"
	case p.after > p.quota:
		out.Code, out.What = finding.TrustTooLarge, fmt.Sprintf("with the missing audiences the trust policy would have %d characters; the account allows %d", p.after, p.quota)
		out.Why = "every Region adds about 47 characters; " + fitting(c.text, want, p.quota)
		out.Remedy = raiseQuota(out.Subject) + ", or shorten the policy"
		out.Evidence["size_after"], out.Evidence["size_before"] = strconv.Itoa(p.after), strconv.Itoa(p.before)
		out.Evidence["size_quota"] = strconv.Itoa(p.quota)
	default:
		return nil
	}
	return out
}

// fitting says which of the missing audiences a quota has room for.
func fitting(text string, want trustpolicy.EditRequest, quota int) string {
	res, left, err := trustpolicy.EditWithin(text, want, quota)
	if err != nil || len(res.Changes) == 0 {
		return "none of the missing audiences fits"
	}
	var fit []string
	for _, c := range res.Changes {
		if !slices.Contains(fit, c.Audience) {
			fit = append(fit, c.Audience)
		}
	}
	return "there is room for " + strings.Join(fit, ", ") + " and none for " + strings.Join(left, ", ")
}

func deleted(text string) []string {
	p, err := trustpolicy.Parse(text)
	if err != nil {
		return nil
	}
	return p.DeletedPrincipals()
}

func refused(c candidate, err error) *finding.Finding {
	out := &finding.Finding{Code: finding.TrustRefused, Subject: c.arn, What: "the trust policy cannot be edited provably safely", Why: err.Error()}
	var r trustpolicy.Refusal
	if errors.As(err, &r) {
		out.Why, out.Remedy = r.Reason, r.Remedy
		out.Evidence = map[string]string{"refusal": string(r.Code)}
		if r.Statement >= 0 {
			out.Evidence["statement"] = strconv.Itoa(r.Statement)
		}
	}
	return out
}

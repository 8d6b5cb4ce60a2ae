package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/control"
)

// The forms of a trust plan.
const (
	formatText           = "text"
	formatJSON           = "json"
	formatTerraform      = "terraform"
	formatCloudFormation = "cloudformation"
)

func planFormats() []string {
	return []string{formatText, formatJSON, formatTerraform, formatCloudFormation}
}

// elsewhere are the edits that people make in a tool of their own: those of roles
// that apply would write, and of roles that other automation owns. Edits of Deny
// statements need an approver first.
func elsewhere(plan control.TrustPlan) []control.TrustEdit {
	return append(append([]control.TrustEdit{}, plan.Edits...), plan.Elsewhere...)
}

// terraform writes the planned trust policies as a map by role ARN, for the
// aws_iam_role resources that hold the roles. It is a whole file that parses.
func terraform(plan control.TrustPlan) (string, error) {
	var b strings.Builder
	b.WriteString("# The trust policies that samlfailover plans, by role ARN. In the role's own resource:\n" +
		"#   assume_role_policy = local.samlfailover_trust_policies[\"ARN\"]\n" +
		"locals {\n  samlfailover_trust_policies = {\n")
	for _, e := range elsewhere(plan) {
		var doc bytes.Buffer
		if err := json.Indent(&doc, visibleJSON([]byte(e.Policy)), "    ", "  "); err != nil {
			return "", fmt.Errorf("write the trust policy of %s for Terraform: %w", e.Role, err)
		}
		fmt.Fprintf(&b, "    # size %d -> %d of %d characters\n", e.SizeBefore, e.SizeAfter, e.SizeQuota)
		fmt.Fprintf(&b, "    %s = jsonencode(%s)\n", hcl(fmt.Sprintf("%q", e.Role)), hcl(doc.String()))
	}
	b.WriteString("  }\n}\n")
	return b.String(), nil
}

// hcl turns JSON into an HCL expression of the same value: HCL reads ${ and %{ in
// a text as templates, and lacks three of JSON's escapes.
func hcl(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		two := text[i:min(len(text), i+2)]
		switch two {
		case "${", "%{":
			b.WriteString(two[:1] + two)
			i++
		case `\/`:
			b.WriteByte('/')
			i++
		case `\b`:
			b.WriteString(`\u0008`)
			i++
		case `\f`:
			b.WriteString(`\u000c`)
			i++
		case `\\`:
			b.WriteString(two)
			i++
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// cloudFormation writes the planned trust policies as the Resources of a
// template, one AWS::IAM::Role each, for the templates that hold the roles.
func cloudFormation(plan control.TrustPlan) (string, error) {
	type properties struct {
		RoleName                 string
		AssumeRolePolicyDocument json.RawMessage
	}
	type resource struct {
		Type       string
		Metadata   map[string]string
		Properties properties
	}
	resources := map[string]resource{}
	for _, e := range elsewhere(plan) {
		name := e.Role[strings.LastIndexByte(e.Role, '/')+1:]
		resources[logicalID(name, e.Role)] = resource{"AWS::IAM::Role", map[string]string{"RoleArn": e.Role}, properties{name, json.RawMessage(e.Policy)}}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(map[string]any{"Resources": resources}); err != nil {
		return "", fmt.Errorf("write the trust policies for CloudFormation: %w", err)
	}
	return string(visibleJSON(b.Bytes())), nil
}

// logicalID is a name that CloudFormation takes (letters and digits) and that no
// other role has.
func logicalID(name, arn string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, name)
	sum := sha256.Sum256([]byte(arn))
	return plain + hex.EncodeToString(sum[:4])
}

// printPlan prints a plan in one of its forms.
func (p *program) printPlan(plan control.TrustPlan, format, out string) error {
	var text string
	var err error
	switch format {
	case formatJSON:
		return p.printJSON(plan)
	case formatTerraform:
		text, err = terraform(plan)
	case formatCloudFormation:
		text, err = cloudFormation(plan)
	default:
		p.showTrustPlan(plan, out)
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(p.Out, text); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

// checkTrust validates a trust policy as IAM does before it stores one, and
// returns the text to store. parameter names the request's parameter in
// messages.
func (c call) checkTrust(text, parameter string) (string, *query.Error) {
	n := utf8.RuneCountInString(text)
	if n < 1 || n > 131072 {
		return "", invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length between 1 and 131072", parameter)
	}
	if strings.ContainsFunc(text, forbidden) || !utf8.ValidString(text) {
		return "", invalid("The specified value for %s is invalid. It must contain only printable ASCII characters.", parameter)
	}
	d, err := naivepolicy.Parse(text)
	switch {
	case errors.Is(err, naivepolicy.ErrNotJSON):
		return "", malformed("This policy contains invalid Json")
	case err != nil:
		return "", malformed("Syntax errors in policy.")
	}
	for _, s := range d.Statements {
		if bad := c.checkStatement(s); bad != nil {
			return "", bad
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return "", malformed("This policy contains invalid Json")
	}
	if quota := c.account.TrustQuota(); utf8.RuneCount(compact.Bytes()) > quota {
		return "", query.Errorf(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: %d", quota)
	}
	if c.account.CompactDocuments() {
		return compact.String(), nil
	}
	return text, nil
}

func malformed(format string, args ...any) *query.Error {
	return query.Errorf(http.StatusBadRequest, "MalformedPolicyDocument", format, args...)
}

// forbidden holds the characters outside PolicyDocument's pattern (IAM API
// Reference, UpdateAssumeRolePolicy).
func forbidden(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && (r < 0x20 || r > 0xff)
}

func (c call) checkStatement(s naivepolicy.Statement) *query.Error {
	if len(s.Other) > 0 {
		if slices.Contains(s.Other, "Resource") || slices.Contains(s.Other, "NotResource") {
			return malformed("Has prohibited field Resource")
		}
		return malformed("Syntax errors in policy.")
	}
	if s.Principal == nil && s.NotPrincipal == nil {
		return malformed("Missing required field Principal")
	}
	for _, a := range slices.Concat(s.Action, s.NotAction) {
		if a != "*" && !strings.HasPrefix(strings.ToLower(a), "sts:") {
			return malformed("AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
	for _, cond := range s.Conditions {
		if !knownOperator(cond.Operator) {
			return malformed("Syntax errors in policy.")
		}
	}
	for _, p := range slices.Concat(s.Principal, s.NotPrincipal) {
		if !c.validPrincipal(p) {
			return malformed("Invalid principal in policy: \"%s\":\"%s\"", p.Kind, p.Value)
		}
	}
	return nil
}

// operator is every condition operator that IAM knows (IAM User Guide, "IAM
// JSON policy elements: Condition operators"), whether or not naivepolicy
// evaluates it.
var operator = regexp.MustCompile(`(?i)^(null|(forallvalues:|foranyvalue:)?(string(not)?equals(ignorecase)?|string(not)?like|numeric(not)?equals|numeric(less|greater)than(equals)?|date(not)?equals|date(less|greater)than(equals)?|bool|binaryequals|(not)?ipaddress|arn(not)?equals|arn(not)?like)(ifexists)?)$`)

func knownOperator(name string) bool { return operator.MatchString(name) }

var (
	samlProvider = regexp.MustCompile(`^saml-provider/[\w._-]{1,128}$`)
	oidcProvider = regexp.MustCompile(`^oidc-provider/[\w./:%-]+$`)
	webProvider  = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+$`)
	service      = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?$|^[a-z0-9-]+\.amazon\.com$`)
	accountID    = regexp.MustCompile(`^[0-9]{12}$`)
)

// validPrincipal knows the forms of a role's principals (IAM User Guide, "AWS
// JSON policy elements: Principal"). The id of a deleted user or role
// (AROA..., AIDA...) is shown by IAM but never taken back.
func (c call) validPrincipal(p naivepolicy.Principal) bool {
	switch p.Kind {
	case "*":
		return true
	case "AWS":
		return p.Value == "*" || accountID.MatchString(p.Value) || c.validAWSPrincipal(p.Value)
	case "Federated":
		arn, ok := strings.CutPrefix(p.Value, "arn:")
		if !ok {
			return webProvider.MatchString(p.Value)
		}
		parts := strings.SplitN(arn, ":", 5)
		return len(parts) == 5 && parts[0] == string(c.account.Partition()) && parts[1] == "iam" && parts[2] == "" &&
			accountID.MatchString(parts[3]) && (samlProvider.MatchString(parts[4]) || oidcProvider.MatchString(parts[4]))
	case "Service":
		return service.MatchString(p.Value)
	case "CanonicalUser":
		return p.Value != ""
	}
	return false
}

// validAWSPrincipal wants an ARN of this partition. In accounts of the sandbox
// the user or role must exist, as IAM checks it.
func (c call) validAWSPrincipal(value string) bool {
	arn, ok := world.ParseARN(value)
	if !ok || arn.Partition != c.account.Partition() {
		return false
	}
	cloud := c.cloud
	_, known := cloud.Account(arn.Partition, arn.Account)
	switch {
	case arn.Service == "iam" && arn.Kind == "root":
		return arn.Path == ""
	case arn.Service == "sts":
		return arn.Kind == "assumed-role" || arn.Kind == "federated-user"
	case arn.Kind == "role":
		_, _, exists := cloud.RoleByARN(value)
		return exists || !known && arn.Path != ""
	case arn.Kind == "user":
		return cloud.HasUser(value) || !known && arn.Path != ""
	}
	return false
}

package fleet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const enforceRole = "arn:aws:iam::111122223333:role/samlfailover-enforce"

// matches is EventBridge's way to compare an event with a pattern, as far as the
// alarm uses it: fields are ANDed, values of one are ORed, $or takes one of
// several patterns, exists and anything-but look at one value (EventBridge User
// Guide, "Comparison operators for use in event patterns").
func matches(t *testing.T, pattern map[string]any, event any) bool {
	t.Helper()
	fields, _ := event.(map[string]any)
	for key, want := range pattern {
		value, there := fields[key]
		switch w := want.(type) {
		case map[string]any:
			if !matches(t, w, value) {
				return false
			}
		case []any:
			if key == "$or" {
				one := false
				for _, p := range w {
					one = one || matches(t, p.(map[string]any), event)
				}
				if !one {
					return false
				}
				continue
			}
			one := false
			for _, x := range w {
				one = one || matchesOne(t, x, value, there)
			}
			if !one {
				return false
			}
		}
	}
	return true
}

func matchesOne(t *testing.T, want, value any, there bool) bool {
	t.Helper()
	rule, ok := want.(map[string]any)
	if !ok {
		return there && want == value
	}
	if exists, ok := rule["exists"]; ok {
		return there == exists.(bool)
	}
	if not, ok := rule["anything-but"]; ok {
		if !there {
			return false
		}
		for _, n := range not.([]any) {
			if n == value {
				return false
			}
		}
		return true
	}
	t.Fatalf("the pattern uses %v", rule)
	return false
}

// The alarm goes off when somebody else writes a trust policy, whoever that is,
// and not for what the enforce role does, nor for what IAM refused.
// spec 14
func TestTrustWriteAlarm(t *testing.T) {
	t.Parallel()
	session := func(role string) string {
		return `{"type":"AssumedRole","sessionContext":{"sessionIssuer":{"type":"Role","arn":"` + role + `"}}}`
	}
	text, err := os.ReadFile(filepath.Join(deployDir, "alarm-pattern.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pattern map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "ENFORCE_ROLE_ARN", enforceRole)), &pattern); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why      string
		identity string
		name     string
		more     string
		want     bool
	}{
		{"samlfailover itself", session(enforceRole), "UpdateAssumeRolePolicy", "", false},
		{"another role", session("arn:aws:iam::111122223333:role/Admin"), "UpdateAssumeRolePolicy", "", true},
		{"a role whose name begins alike", session(enforceRole + "-2"), "UpdateAssumeRolePolicy", "", true},
		{"the enforce role of another account", session("arn:aws:iam::444455556666:role/samlfailover-enforce"), "UpdateAssumeRolePolicy", "", true},
		{"an IAM user without a session", `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann"}`, "UpdateAssumeRolePolicy", "", true},
		{"a user with a session token", `{"type":"IAMUser","sessionContext":{"attributes":{"mfaAuthenticated":"true"}}}`, "UpdateAssumeRolePolicy", "", true},
		{"the root user", `{"type":"Root"}`, "UpdateAssumeRolePolicy", "", true},
		{"a call that was refused", session("arn:aws:iam::111122223333:role/Admin"), "UpdateAssumeRolePolicy", `,"errorCode":"AccessDenied"`, false},
		{"another call", session("arn:aws:iam::111122223333:role/Admin"), "UpdateRole", "", false},
	} {
		var event map[string]any
		if err := json.Unmarshal([]byte(`{"source":"aws.iam","detail-type":"AWS API Call via CloudTrail","detail":{"eventSource":"iam.amazonaws.com","eventName":"`+
			c.name+`","userIdentity":`+c.identity+c.more+`}}`), &event); err != nil {
			t.Fatal(err)
		}
		if got := matches(t, pattern, event); got != c.want {
			t.Errorf("%s: the alarm goes off: %t", c.why, got)
		}
	}
}

// The StackSet's rule is the same one, there is one in the Region of IAM only,
// and Terraform reads the pattern's file.
func TestAlarmFormsAgree(t *testing.T) {
	t.Parallel()
	var stack struct {
		Conditions map[string]any
		Resources  map[string]struct {
			Condition  string
			Properties struct {
				EventPattern any
				Targets      []struct{ Arn map[string]string }
			}
		}
	}
	deployed(t, "stackset.json", &stack)
	var pattern any
	text, err := os.ReadFile(filepath.Join(deployDir, "alarm-pattern.json"))
	if err == nil {
		err = json.Unmarshal([]byte(strings.ReplaceAll(string(text), `"ENFORCE_ROLE_ARN"`, `{"Fn::GetAtt":["EnforceRole","Arn"]}`)), &pattern)
	}
	if err != nil {
		t.Fatal(err)
	}
	rule := stack.Resources["TrustWriteRule"]
	if diff := cmp.Diff(pattern, rule.Properties.EventPattern); diff != "" || len(rule.Properties.Targets) != 1 || rule.Properties.Targets[0].Arn["Ref"] != "TrustWriteTopic" {
		t.Errorf("the StackSet's rule (-file +stackset):\n%s", diff)
	}
	for _, name := range []string{"TrustWriteRule", "TrustWriteTopic", "TrustWriteTopicPolicy"} {
		if stack.Resources[name].Condition != "InTheRegionOfIAM" {
			t.Errorf("%s is made in every Region", name)
		}
	}
	region, err := json.Marshal(stack.Conditions["InTheRegionOfIAM"])
	if err != nil || strings.Count(string(region), "Fn::Equals") != 3 {
		t.Errorf("%s, %v", region, err)
	}
	tf, err := os.ReadFile(filepath.Join(deployDir, "alarm.tf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`file("${path.module}/alarm-pattern.json")`, "aws_iam_role.enforce.arn", `"us-east-1", "us-gov-west-1", "cn-north-1"`, `"samlfailover-trust-writes"`} {
		if !strings.Contains(string(tf), want) {
			t.Errorf("alarm.tf lacks %s", want)
		}
	}
}

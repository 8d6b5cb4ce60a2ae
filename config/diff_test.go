package config

import (
	"os"
	"strings"
	"testing"
)

// edited parses testdata/good.yaml in mode approve with texts exchanged.
func edited(t *testing.T, pairs ...string) *Config {
	t.Helper()
	raw, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), "mode: auto", "mode: approve", 1)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the config lacks %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	c, err := Parse("good.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spec 15.3: what a change of the config is, and which changes a person should
// hear of at once.
func TestDiff(t *testing.T) {
	t.Parallel()
	base := edited(t)
	for _, c := range []struct {
		why    string
		pairs  []string
		path   string
		before string
		after  string
		risk   string
	}{
		{"the probes' pace is harmless", []string{"interval: 15s", "interval: 20s"}, "health.interval", "15s", "20s", ""},
		{"a longer cooldown is harmless", []string{"cooldown: 10m", "cooldown: 20m"}, "federations[prod].policy.cooldown", "10m0s", "20m0s", ""},
		{"a mode that rises", []string{"mode: approve", "mode: auto"}, "federations[prod].policy.mode", "approve", "auto", "by itself"},
		{"a mode that falls", []string{"mode: approve", "mode: observe"}, "federations[prod].policy.mode", "approve", "observe", ""},
		{"readiness", []string{"min_ready_share: 0.9", "min_ready_share: 0.1"}, "federations[prod].policy.min_ready_share", "0.9", "0.1", "readiness"},
		{"an external id never shows", []string{"external_id: c0ffee-17", "external_id: c0ffee-18"}, "federations[prod].accounts[111122223333].externalid", "(hidden)", "(hidden)", "roles"},
		{"a role", []string{"role/failover-scan", "role/other"}, "federations[prod].accounts[111122223333].scan_role", "arn:aws:iam::111122223333:role/failover-scan", "arn:aws:iam::111122223333:role/other", "roles"},
		{"the order of Regions", []string{"regions: [us-gov-west-1, us-gov-east-1]", "regions: [us-gov-east-1, us-gov-west-1]"}, "federations[gov].regions", "[us-gov-west-1 us-gov-east-1]", "[us-gov-east-1 us-gov-west-1]", "where people sign in"},
	} {
		diff := Diff(base, edited(t, c.pairs...))
		if len(diff) != 1 {
			t.Errorf("%s: %+v", c.why, diff)
			continue
		}
		d := diff[0]
		if d.Path != c.path || d.Before != c.before || d.After != c.after || (c.risk == "") != (d.Risk == "") || !strings.Contains(d.Risk, c.risk) {
			t.Errorf("%s: %+v", c.why, d)
		}
		if base.Digest() == edited(t, c.pairs...).Digest() {
			t.Errorf("%s: the digest stays", c.why)
		}
	}
}

// What means the same has the same digest; so has a config that keeps its state
// elsewhere.
func TestDigest(t *testing.T) {
	t.Parallel()
	base := edited(t).Digest()
	if len(base) != 16 {
		t.Errorf("digest %q", base)
	}
	for why, pairs := range map[string][]string{
		"nothing":              nil,
		"a comment":            {"health:", "# a comment\nhealth:"},
		"a data folder":        {"dir: state", "dir: elsewhere"},
		"a folder of runbooks": {"dir: /srv/runbooks", "dir: /srv/elsewhere"},
	} {
		if got := edited(t, pairs...).Digest(); got != base {
			t.Errorf("%s changes the digest", why)
		}
	}
	if diff := Diff(edited(t), edited(t, "health:", "# a comment\nhealth:")); len(diff) != 0 {
		t.Errorf("a comment is a difference: %+v", diff)
	}
}

// A tenant or a federation that comes or goes shows with everything it has.
func TestDiffOfWholeItems(t *testing.T) {
	t.Parallel()
	after := edited(t)
	after.federations = after.federations[:1]
	after.Tenants = append(after.Tenants, Tenant{Name: "new", Kind: "okta", URL: "https://new.okta.com", Token: "env:NEW"})
	gone, come := 0, 0
	for _, d := range Diff(edited(t), after) {
		switch {
		case strings.HasPrefix(d.Path, "federations[gov].") && d.After == "":
			gone++
		case strings.HasPrefix(d.Path, "tenants[new].") && d.Before == "" && d.Risk != "":
			come++
		default:
			t.Errorf("%+v", d)
		}
	}
	if gone < 5 || come < 4 {
		t.Errorf("%d values gone, %d come", gone, come)
	}
}

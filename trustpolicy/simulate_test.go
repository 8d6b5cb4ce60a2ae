package trustpolicy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/trustpolicy"
)

// simulator is where npm installs the other evaluator.
const simulator = "simulate/node_modules/@cloud-copilot/iam-simulate/package.json"

// simulated is an answer of simulate/simulate.mjs.
type simulated struct {
	Result, Error string
	Questions     int
	Seconds       float64
}

// simulate asks the other evaluator, in a process of its own. It skips where
// node or the package is missing, and fails where nothing may be skipped.
func simulate(tb testing.TB, all []question) (answers []simulated, seconds float64) {
	tb.Helper()
	node, err := exec.LookPath("node")
	why := "there is no node here; on Debian: apt-get install nodejs npm"
	if err == nil {
		_, err = os.Stat(filepath.FromSlash(simulator))
		why = "@cloud-copilot/iam-simulate is not installed; run: npm ci --prefix trustpolicy/simulate"
	}
	if err != nil {
		if os.Getenv("TEST_ALL") == "1" {
			tb.Fatal(why + " (TEST_ALL=1: no test may be skipped)")
		}
		tb.Skip(why)
	}
	var in, out, failed bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, q := range all {
		if err := enc.Encode(map[string]any{"policy": json.RawMessage(q.Policy), "action": q.Action, "principal": q.Principal, "context": present(q.Context)}); err != nil {
			tb.Fatal(err)
		}
	}
	cmd := exec.CommandContext(tb.Context(), node, "simulate.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "simulate", &in, &out, &failed
	if err := cmd.Run(); err != nil {
		tb.Fatalf("node simulate.mjs: %v\n%s", err, failed.String())
	}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var a simulated
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			tb.Fatalf("%v: %s", err, lines.Text())
		}
		answers = append(answers, a)
	}
	last := len(answers) - 1
	if last != len(all) || answers[last].Questions != len(all) {
		tb.Fatalf("%d questions, %d answers", len(all), last)
	}
	return answers[:last], answers[last].Seconds
}

// present leaves out the keys that are known to be absent; a lone value is a
// text.
func present(context map[string][]string) map[string]any {
	out := map[string]any{}
	for k, v := range context {
		switch len(v) {
		case 0:
		case 1:
			out[k] = v[0]
		default:
			out[k] = v
		}
	}
	return out
}

// agreesWithTheSimulator compares wherever ours is sure. A disagreement counts as
// explained only if it goes away when the policy is written as the other
// evaluator reads it: see docs/evaluator.md.
func agreesWithTheSimulator(t *testing.T, all []question) {
	answers, seconds := simulate(t, all)
	compared, explained, wrong := 0, map[string]int{}, 0
	for i, q := range all {
		d, a := q.ours, answers[i]
		if a.Error != "" {
			t.Fatalf("it cannot answer: %s: %s of %v by %s", a.Error, q.Action, q.Context, q.Policy)
		}
		if d.Verdict == trustpolicy.Conditional {
			continue
		}
		compared++
		if (d.Verdict == trustpolicy.Allow) == (a.Result == "Allowed") {
			continue
		}
		theirs, why := theirReading(t, q)
		if why != "" && (theirs.ask(t).Verdict == trustpolicy.Allow) == (a.Result == "Allowed") {
			explained[why]++
			continue
		}
		if wrong++; wrong <= 10 {
			t.Errorf("here %s, there %s: %s of %v by %s", d, a.Result, q.Action, q.Context, q.Policy)
		}
	}
	t.Logf("%d compared in %.2f s of its processor time (%.0f a second), %d disagreements, and explained: %v", compared, seconds, float64(len(all))/seconds, wrong, explained)
	if compared < 5000 {
		t.Errorf("only %d were compared", compared)
	}
}

// theirReading rewrites a policy so that it means to us what it means to the
// other evaluator, and says which of its two rules made the difference.
func theirReading(tb testing.TB, q question) (question, string) {
	tb.Helper()
	why := ""
	if strings.Contains(q.Policy, "2008-10-17") {
		q.Policy, why = strings.Replace(q.Policy, "2008-10-17", "2012-10-17", 1), "variables in version 2008-10-17"
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(q.Policy), &doc); err != nil {
		tb.Fatal(err)
	}
	list, ok := doc["Statement"].([]any)
	if !ok {
		list = []any{doc["Statement"]}
	}
	for _, s := range list {
		conditions, _ := s.(map[string]any)["Condition"].(map[string]any)
		if key := negatedWithoutValue(q, conditions); key != "" {
			why = "negated operator and a variable without a value"
			null, _ := conditions["Null"].(map[string]any)
			if null == nil {
				null = map[string]any{}
				conditions["Null"] = null
			}
			null[key] = "true" // the key is there: never
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		tb.Fatal(err)
	}
	q.Policy = string(text)
	return q, why
}

// negatedWithoutValue returns a key that is there and that a negated operator
// compares with a variable which has no value.
func negatedWithoutValue(q question, conditions map[string]any) string {
	values := map[string]string{}
	for k, v := range present(q.Context) {
		values[strings.ToLower(k)], _ = v.(string)
	}
	for op, keys := range conditions {
		for key, v := range keys.(map[string]any) {
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, one := range list {
				_, name, found := strings.Cut(one.(string), "${")
				name, _, _ = strings.Cut(name, "}")
				_, given := present(lower(q.Context))[strings.ToLower(key)]
				if found && given && strings.Contains(op, "Not") && !strings.Contains(name, ",") && values[strings.ToLower(name)] == "" {
					return key
				}
			}
		}
	}
	return ""
}

func lower(context map[string][]string) map[string][]string {
	out := map[string][]string{}
	for k, v := range context {
		out[strings.ToLower(k)] = v
	}
	return out
}

// Saboteur: a machine without the package, where nothing may be skipped.
func TestAMissingSimulatorIsSkippedOrFails(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, all, want string }{{"skips", "", "--- SKIP"}, {"fails", "1", "--- FAIL"}} {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestSimulatorOnce$", "-test.v")
		cmd.Env = []string{"PATH=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "TEST_ALL=" + c.all}
		out, err := cmd.CombinedOutput()
		if (err != nil) != (c.all == "1") || !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "apt-get install nodejs") {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
	}
}

// One plain question, to see that the other evaluator works at all.
func TestSimulatorOnce(t *testing.T) {
	t.Parallel()
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"` + hostileOurs + `"},"Action":"sts:AssumeRoleWithSAML"}}`
	q := question{Policy: policy, Action: trustpolicy.AssumeRoleWithSAML, Principal: hostileOurs}
	other := q
	other.Principal = hostileOther
	answers, _ := simulate(t, []question{q, other})
	if answers[0].Result != "Allowed" || answers[1].Result != "ImplicitlyDenied" {
		t.Errorf("%+v", answers)
	}
}

package trustpolicy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/sandbox/aws/naivepolicy"
	"github.com/samlfailover/samlfailover/trustpolicy"
)

// generatedCases is how many questions the evaluators are compared on.
const generatedCases = 6500

// question is one request to an evaluator.
type question struct {
	Policy    string
	Action    string
	Principal string
	Context   map[string][]string
	ours      trustpolicy.Decision // our answer
}

// ask gives our answer.
func (q question) ask(tb testing.TB) trustpolicy.Decision {
	tb.Helper()
	p, err := trustpolicy.Parse(q.Policy)
	if err != nil {
		tb.Fatalf("%v: %s", err, q.Policy)
	}
	return trustpolicy.Admits(p, trustpolicy.Login{Provider: q.Principal, Action: q.Action, Context: q.Context})
}

// operatorNames are all that are evaluated: each base operator with each set
// operator, with and without IfExists, and Null.
func operatorNames() []string {
	out := []string{"Null"}
	for _, set := range []string{"", "ForAnyValue:", "ForAllValues:"} {
		for _, base := range []string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"} {
			out = append(out, set+base, set+base+"IfExists")
		}
	}
	return out
}

// generator draws questions; the same seed draws the same ones.
type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

// some draws one to three values: a lone one as itself or as a list.
func (g generator) some(from []string) any {
	var list []string
	for range 1 + g.IntN(3) {
		list = append(list, g.pick(from...))
	}
	if len(list) == 1 && g.chance(50) {
		return list[0]
	}
	return list
}

// keyValues are values that the key may have in a request; a policy compares with
// these, patterns, other cases and variables.
func keyValues(key string) []string {
	switch key {
	case "saml:aud":
		return []string{hostileHome, hostileTarget, "https://us-east-2.signin.aws.amazon.com/saml", "https://evil.example/x.signin.aws.amazon.com/saml"}
	case "aws:RequestedRegion":
		return []string{"us-east-1", "us-west-2"}
	}
	return []string{"staff", "Staff", "guest", "us-west-2", "a.b/c"}
}

func (g generator) policyValues(key, operator string) []string {
	own := keyValues(key)
	out := append(slices.Clone(own), own...)
	out = append(out, strings.ToUpper(own[0]), "nobody", "${saml:sub}", "${saml:iss, 'staff'}", "x-${aws:RequestedRegion}", "https://${AWS:requestedregion}.signin.aws.amazon.com/saml")
	if strings.Contains(operator, "Like") {
		out = append(out, "*", "https://*.signin.aws.amazon.com/saml", "https://us-????-2.*", "st*f", "*.b/?", "?uest", own[0]+"*")
	}
	return out
}

// keys are those that an action's request may have; plural ones need a set
// operator.
func keys(action string) (single, plural []string) {
	single, plural = []string{"aws:RequestedRegion", "aws:SourceVpc"}, nil
	switch action {
	case trustpolicy.AssumeRoleWithSAML:
		single = append(single, "saml:aud", "saml:aud", "saml:sub", "saml:iss", "aws:RequestTag/team")
		plural = []string{"saml:edupersonaffiliation", "aws:TagKeys", "sts:TransitiveTagKeys"}
	case trustpolicy.TagSession:
		single, plural = append(single, "saml:aud", "saml:aud", "aws:RequestTag/team"), []string{"aws:TagKeys", "sts:TransitiveTagKeys"}
	default:
		single = append(single, "sts:SourceIdentity", "sts:SourceIdentity")
	}
	return single, plural
}

func (g generator) spelling(key string) string {
	return g.pick(key, key, strings.ToLower(key), strings.ToUpper(key))
}

// condition is a Condition element with the operator and perhaps a second one.
func (g generator) condition(action, operator string) map[string]any {
	out := map[string]any{}
	for _, op := range []string{operator, g.pick(operatorNames()...)} {
		single, plural := keys(action)
		from := single
		if strings.HasPrefix(op, "For") && len(plural) > 0 && g.chance(70) || op == "Null" && len(plural) > 0 && g.chance(20) {
			from = plural
		}
		members := map[string]any{}
		for range 1 + g.IntN(5)/4 {
			key := g.pick(from...)
			values := []string{"true", "false"}
			if op != "Null" {
				values = g.policyValues(key, op)
			}
			members[g.spelling(key)] = g.some(values)
		}
		if out[op] == nil {
			out[op] = members
		}
		if g.chance(60) {
			break
		}
	}
	return out
}

func (g generator) statement(action, operator, effect string) map[string]any {
	who := []any{map[string]any{"Federated": hostileOurs}, map[string]any{"Federated": []string{hostileOther, hostileOurs}}, "*",
		map[string]any{"Federated": hostileOurs, "Service": "ec2.amazonaws.com", "AWS": "arn:aws:iam::999999999999:root"}, map[string]any{"AWS": "*"}}
	out := map[string]any{"Effect": effect, "Principal": who[g.IntN(len(who))]}
	switch {
	case g.chance(10):
		out["Principal"] = map[string]any{"Federated": hostileOther}
	case g.chance(10):
		delete(out, "Principal")
		out["NotPrincipal"] = map[string]any{"Federated": g.some([]string{hostileOther, hostileThird, hostileOther, hostileOurs})}
	}
	switch {
	case g.chance(15):
		out["NotAction"] = g.some([]string{"sts:AssumeRole", "s3:*", "sts:Tag*"})
	case g.chance(10):
		out["Action"] = g.some([]string{"sts:AssumeRole", "sts:TagSession", "s3:*"})
	default:
		out["Action"] = []any{action, []string{"sts:AssumeRole", action}, strings.ToUpper(action), "sts:*", "*", action[:8] + "*", action[:8] + "?" + action[9:]}[g.IntN(7)]
	}
	if operator != "" {
		out["Condition"] = g.condition(action, operator)
	}
	return out
}

// draw makes a question about the operator.
func (g generator) draw(operator string) question {
	q := question{Principal: hostileOurs, Context: map[string][]string{},
		Action: g.pick(trustpolicy.AssumeRoleWithSAML, trustpolicy.AssumeRoleWithSAML, trustpolicy.TagSession, trustpolicy.SetSourceIdentity)}
	single, plural := keys(q.Action)
	for _, k := range slices.Compact(slices.Sorted(slices.Values(single))) {
		q.Context[k] = nil // known to be absent
		if k == "saml:aud" || g.chance(60) {
			q.Context[k] = []string{g.pick(keyValues(k)...)}
		}
	}
	for _, k := range plural {
		for range g.IntN(4) {
			q.Context[k] = append(q.Context[k], g.pick(keyValues(k)...))
		}
	}
	effect := g.pick("Allow", "Allow", "Deny")
	list := []map[string]any{g.statement(q.Action, operator, effect)}
	if effect == "Deny" || g.chance(15) {
		list = append(list, map[string]any{"Effect": "Allow", "Principal": map[string]any{"Federated": hostileOurs}, "Action": q.Action})
	}
	if g.chance(20) {
		list = append(list, g.statement(q.Action, g.pick(operatorNames()...), g.pick("Allow", "Deny")))
	}
	g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	doc := map[string]any{"Version": "2012-10-17", "Statement": list}
	if len(list) == 1 && g.chance(50) {
		doc["Statement"] = list[0]
	}
	if g.chance(5) {
		doc["Version"] = "2008-10-17"
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	q.Policy = string(text)
	return q
}

// generated draws the questions: each operator in turn, with the wish for an
// allow and a deny in turn, so that both happen often.
func generated(tb testing.TB) []question {
	tb.Helper()
	g := generator{rand.New(rand.NewPCG(5, 2026))}
	names := operatorNames()
	var out []question
	for i := range generatedCases {
		wish := trustpolicy.Allow
		if i/len(names)%2 == 1 {
			wish = trustpolicy.Deny
		}
		var q question
		for range 6 {
			q = g.draw(names[i%len(names)])
			if q.ours = q.ask(tb); q.ours.Verdict == wish {
				break
			}
		}
		out = append(out, q)
	}
	return out
}

// counted are the operators, the modifiers and the other forms that have to
// occur often.
func counted() []string {
	return append(operatorNames(), "IfExists", "Not", "ForAnyValue", "ForAllValues", "NotAction", "NotPrincipal", "${")
}

// tally counts the sure answers per operator that a policy has.
type tally map[string]*[2]int

func (c tally) add(q question, allowed bool) {
	i := 0
	if allowed {
		i = 1
	}
	for _, name := range counted() {
		whole := `"` + name + `":`
		if !strings.Contains(q.Policy, whole) && (slices.Contains(operatorNames(), name) || !strings.Contains(q.Policy, name)) {
			continue
		}
		if c[name] == nil {
			c[name] = &[2]int{}
		}
		c[name][i]++
	}
}

// Three evaluators that share no code agree on the same questions: ours, the
// sandbox's, and one in JavaScript.
func TestEvaluatorsAgree(t *testing.T) {
	t.Parallel()
	all := generated(t)
	t.Run("aimed", func(t *testing.T) { t.Parallel(); aimed(t, all) })
	t.Run("sandbox", func(t *testing.T) { t.Parallel(); agreesWithTheSandbox(t, all) })
	t.Run("saboteurs", func(t *testing.T) { t.Parallel(); wrongReadingsDisagree(t, all) })
	t.Run("iam-simulate", func(t *testing.T) { t.Parallel(); agreesWithTheSimulator(t, all) })
}

// aimed: enough of both answers, for every operator and modifier, and few that
// are open.
func aimed(t *testing.T, all []question) {
	counts, verdicts := tally{}, map[trustpolicy.Verdict]int{}
	for _, q := range all {
		v := q.ours.Verdict
		verdicts[v]++
		if v != trustpolicy.Conditional {
			counts.add(q, v == trustpolicy.Allow)
		}
	}
	t.Logf("%d cases: %v", len(all), verdicts)
	for _, name := range counted() {
		n := counts[name]
		if n == nil {
			n = &[2]int{}
		}
		t.Logf("%-43s %5d denied %5d allowed", name, n[0], n[1])
		if n[0] < 100 || n[1] < 100 {
			t.Errorf("%s: %d denied, %d allowed: at least 100 of each are wanted", name, n[0], n[1])
		}
	}
	for _, v := range []trustpolicy.Verdict{trustpolicy.Allow, trustpolicy.Deny} {
		if verdicts[v]*4 < len(all) {
			t.Errorf("%d of %d are %s: less than a quarter", verdicts[v], len(all), v)
		}
	}
	if verdicts[trustpolicy.Conditional]*10 > len(all) {
		t.Errorf("%d of %d are open: more than a tenth", verdicts[trustpolicy.Conditional], len(all))
	}
}

func naive(policy, action, provider string, context map[string][]string) naivepolicy.Decision {
	present := map[string][]string{}
	for k, v := range context {
		if len(v) > 0 {
			present[strings.ToLower(k)] = v
		}
	}
	return naivepolicy.Decide(policy, naivepolicy.Request{Action: action, Keys: present,
		Caller: naivepolicy.Caller{Kind: "Federated", Names: []string{provider}}})
}

// agreesWithTheSandbox compares wherever ours is sure.
func agreesWithTheSandbox(t *testing.T, all []question) {
	compared := 0
	for _, q := range all {
		d := q.ours
		if d.Verdict == trustpolicy.Conditional {
			continue
		}
		compared++
		if other := naive(q.Policy, q.Action, q.Principal, q.Context); (d.Verdict == trustpolicy.Allow) != other.Allowed {
			t.Errorf("here %s, there %v: %s of %v by %s", d, other, q.Action, q.Context, q.Policy)
		}
	}
	t.Logf("%d compared", compared)
	if compared < 5000 {
		t.Errorf("only %d were compared", compared)
	}
}

// wrongReadingsDisagree: an evaluator that misreads policies is caught by the
// comparison with the sandbox's.
func wrongReadingsDisagree(t *testing.T, all []question) {
	for name, r := range map[string]*strings.Replacer{
		"ignores Deny":         strings.NewReplacer(`"Deny"`, `"Allow"`),
		"forgets IfExists":     strings.NewReplacer("IfExists", ""),
		"forgets ForAnyValue":  strings.NewReplacer("ForAnyValue:", ""),
		"any is all":           strings.NewReplacer("ForAnyValue:", "ForAllValues:"),
		"all is any":           strings.NewReplacer("ForAllValues:", "ForAnyValue:"),
		"forgets Not":          strings.NewReplacer("StringNot", "String"),
		"like is equals":       strings.NewReplacer("Like", "Equals"),
		"forgets IgnoreCase":   strings.NewReplacer("IgnoreCase", ""),
		"forgets NotPrincipal": strings.NewReplacer("NotPrincipal", "Principal"),
		"forgets NotAction":    strings.NewReplacer("NotAction", "Action"),
		"no variables":         strings.NewReplacer("2012", "2008"),
		"Null is the contrary": strings.NewReplacer(`"true"`, `"false"`, `"false"`, `"true"`),
	} {
		caught := slices.ContainsFunc(all, func(q question) bool {
			p, err := trustpolicy.Parse(r.Replace(q.Policy))
			if err != nil {
				return false // two operators became one
			}
			d := trustpolicy.Admits(p, trustpolicy.Login{Provider: q.Principal, Action: q.Action, Context: q.Context})
			return d.Verdict != trustpolicy.Conditional && (d.Verdict == trustpolicy.Allow) != naive(q.Policy, q.Action, q.Principal, q.Context).Allowed
		})
		if !caught {
			t.Errorf("the generated cases pass an evaluator that %s", name)
		}
	}
}

// The sandbox's evaluator agrees on the cases that are written down, but for
// forms that it does not build and answers strictly.
func TestAgreesWithTheNaiveEvaluatorOnCases(t *testing.T) {
	t.Parallel()
	for _, c := range trustpolicy.Cases(t) {
		if c.Want == trustpolicy.Conditional || strings.Contains(c.Policy, "${*}") || strings.Contains(c.Policy, "${?}") ||
			strings.Contains(c.Policy, "${$}") || strings.Contains(c.Policy, ":[]") {
			continue
		}
		allowed, why := true, ""
		for _, a := range c.Asked() {
			d := naive(c.Policy, a.Action, c.Login.Provider, a.Keys)
			allowed, why = allowed && d.Allowed, fmt.Sprint(why, a.Action, ": ", d.Why, "; ")
		}
		if allowed != (c.Want == trustpolicy.Allow) {
			t.Errorf("%s: %s: there allowed %v (%s), by rule %s", c.File, c.Name, allowed, why, c.Rule)
		}
	}
}

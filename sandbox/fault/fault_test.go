package fault

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func subjects() []Subject {
	return []Subject{
		{Host: "signin.aws.amazon.com", Service: "signin", Region: "us-east-1"},
		{Host: "us-west-2.signin.aws.amazon.com", Service: "signin", Region: "us-west-2"},
		{Host: "iam.amazonaws.com", Service: "iam", Region: "us-east-1", ReadOnly: true},
		{Host: "acme.okta.com", Service: "okta", Tenant: "acme-okta", ReadOnly: true},
	}
}

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

func set(t testing.TB, table *Table, now time.Time, f Fault, kind string) Rule {
	t.Helper()
	var err error
	if f.Effect, err = ParseEffect(kind); err != nil {
		t.Fatal(err)
	}
	r, err := table.Set(f, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"us-east-1":             "signin.aws.amazon.com iam.amazonaws.com",
		"US-EAST-1 ":            "signin.aws.amazon.com iam.amazonaws.com",
		"signin":                "signin.aws.amazon.com us-west-2.signin.aws.amazon.com",
		"signin.aws.amazon.com": "signin.aws.amazon.com",
		"acme-okta":             "acme.okta.com",
		"okta":                  "acme.okta.com",
	} {
		table := NewTable(subjects(), 1)
		set(t, table, at(0), Fault{Target: target}, "down")
		var hit []string
		for _, s := range subjects() {
			if table.Match(Question{Subject: s}, at(1)).Has(Down) {
				hit = append(hit, s.Host)
			}
		}
		if got := strings.Join(hit, " "); got != want {
			t.Errorf("%q hits %q, want %q", target, got, want)
		}
	}
	for _, bad := range []string{"", "mars", "amazonaws.com", "us-east", "*", "all"} {
		if _, err := NewTable(subjects(), 1).Set(Fault{Target: bad, Effect: Effect{Kind: Down}}, at(0)); err == nil || !strings.Contains(err.Error(), "signin") {
			t.Errorf("target %q: %v, want a list of what exists", bad, err)
		}
	}
}

// Tenants that share hosts: a fault on one of them hits its requests and nobody
// else's, and what could hit whole hosts only is refused.
func TestParts(t *testing.T) {
	t.Parallel()
	shared := []Subject{{Host: "api.example", Service: "vendor", Tenant: "org", Parts: []string{"one", "two"}}, {Host: "other.example", Service: "vendor"}}
	for kind, want := range map[string]Kind{"5xx": ServerError, "latency=1s": Latency, "down": Down, "blackhole": Blackhole, "flap=5s": Refuse} {
		table := NewTable(shared, 1)
		r := set(t, table, at(0), Fault{Target: "One"}, kind)
		for name, row := range map[string]struct {
			q   Question
			hit bool
		}{
			"its own request":            {Question{Subject: shared[0], Stage: Request, After: r.ID, Part: "one"}, true},
			"the other tenant's request": {Question{Subject: shared[0], Stage: Request, Part: "two"}, false},
			"nobody's request":           {Question{Subject: shared[0], Stage: Request}, false},
			"a connection":               {Question{Subject: shared[0], Stage: Connect}, false},
		} {
			if got := table.Match(row.q, at(1)).Has(want); got != row.hit {
				t.Errorf("%s: %s is hit: %v, want %v", kind, name, got, row.hit)
			}
		}
		if healed, err := table.Heal("one", at(2)); err != nil || len(healed) != 1 {
			t.Errorf("heal: %v, %v", healed, err)
		}
	}
	for _, kind := range []Kind{TLSExpired, TLSWrongName, DNS, Stall} {
		if _, err := NewTable(shared, 1).Set(Fault{Target: "one", Effect: Effect{Kind: kind}}, at(0)); err == nil || !strings.Contains(err.Error(), "break org") {
			t.Errorf("%s on a part: %v", kind, err)
		}
	}
}

// A mode that a service does not have cannot be set.
func TestReadOnlyNeedsTheMode(t *testing.T) {
	t.Parallel()
	for target, ok := range map[string]bool{"iam": true, "us-east-1": true, "okta": true, "acme-okta": true, "signin": false, "us-west-2": false} {
		_, err := NewTable(subjects(), 1).Set(Fault{Target: target, Effect: Effect{Kind: ReadOnly}}, at(0))
		if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "onelogin") {
			t.Errorf("%s: %v, want accepted = %v", target, err, ok)
		}
	}
}

func TestRulesEndReplaceAndHeal(t *testing.T) {
	t.Parallel()
	table := NewTable(subjects(), 1)
	set(t, table, at(0), Fault{Target: "iam", For: 30 * time.Second}, "5xx")
	q := Question{Subject: subjects()[2], Stage: Request}
	if !table.Match(q, at(29)).Has(ServerError) || table.Match(q, at(30)).Has(ServerError) {
		t.Error("a fault for 30 s does not last for 30 s")
	}
	if n := len(table.Rules(at(31))); n != 0 {
		t.Errorf("%d rules after their end", n)
	}
	set(t, table, at(40), Fault{Target: "iam"}, "latency=1s")
	set(t, table, at(41), Fault{Target: "iam"}, "latency=2s")
	set(t, table, at(42), Fault{Target: "us-east-1"}, "latency=3s")
	if got := table.Match(q, at(43)).Latency(); got != 5*time.Second {
		t.Errorf("latency %s, want 5s: same target and kind replace, others add up", got)
	}
	if healed, err := table.Heal("IAM", at(44)); err != nil || len(healed) != 1 {
		t.Errorf("heal: %v, %v", healed, err)
	}
	if got := table.Match(q, at(45)).Latency(); got != 3*time.Second {
		t.Errorf("healing iam healed us-east-1: %s left", got)
	}
	if healed, err := table.Heal("all", at(46)); err != nil || len(healed) != 1 || table.Match(q, at(47)) != nil {
		t.Errorf("heal all: %v, %v", healed, err)
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	s := subjects()[0]
	table := NewTable(subjects(), 1)
	before := table.Newest()
	r := set(t, table, at(0), Fault{Target: "signin"}, "down")
	for name, row := range map[string]struct {
		q    Question
		want bool
	}{
		"a new connection":                        {Question{Subject: s, Stage: Connect, After: 0}, true},
		"a request on an older connection":        {Question{Subject: s, Stage: Request, After: before}, true},
		"a request on a connection that survived": {Question{Subject: s, Stage: Request, After: r.ID}, false},
	} {
		if got := table.Match(row.q, at(1)).Has(Down); got != row.want {
			t.Errorf("%s: hit %v, want %v", name, got, row.want)
		}
	}
	set(t, table, at(0), Fault{Target: "signin"}, "tls-expired")
	if table.Match(Question{Subject: s, Stage: Request, After: before}, at(1)).Has(TLSExpired) {
		t.Error("a certificate that expires breaks connections that stand")
	}
}

func TestFlap(t *testing.T) {
	t.Parallel()
	table := NewTable(subjects(), 1)
	r := set(t, table, at(100), Fault{Target: "iam"}, "flap=5s")
	for second, broken := range map[int]bool{100: true, 104: true, 105: false, 109: false, 110: true} {
		for _, q := range []Question{{Subject: subjects()[2], Stage: Connect}, {Subject: subjects()[2], Stage: Request, After: r.ID}} {
			if got := table.Match(q, at(second)).Has(Refuse); got != broken {
				t.Errorf("second %d, stage %d: broken %v, want %v", second, q.Stage, got, broken)
			}
		}
	}
}

func TestPercentIsRepeatableAndRight(t *testing.T) {
	t.Parallel()
	hits := func(seed uint64) string {
		table := NewTable(subjects(), seed)
		set(t, table, at(0), Fault{Target: "iam", Percent: 40}, "5xx")
		var b strings.Builder
		for range 1000 {
			if table.Match(Question{Subject: subjects()[2], Stage: Request, After: 0}, at(1)).Has(ServerError) {
				b.WriteByte('x')
			} else {
				b.WriteByte('.')
			}
		}
		return b.String()
	}
	if once, again := hits(7), hits(7); once != again {
		t.Error("the same seed draws differently")
	}
	if n := strings.Count(hits(7), "x"); n < 330 || n > 470 {
		t.Errorf("40 %% hit %d of 1000", n)
	}
	if _, err := NewTable(subjects(), 1).Set(Fault{Target: "iam", Effect: Effect{Kind: Down}, Percent: -1}, at(0)); err == nil {
		t.Error("-1 percent is accepted")
	}
	if _, err := NewTable(subjects(), 1).Set(Fault{Target: "iam", Effect: Effect{Kind: Down}, For: -1}, at(0)); err == nil {
		t.Error("a fault that ends before it begins is accepted")
	}
	if _, err := NewTable(subjects(), 1).Set(Fault{Target: "iam", Effect: Effect{Kind: "explode"}}, at(0)); err == nil || !strings.Contains(err.Error(), "blackhole") {
		t.Error("an unknown kind is accepted, or the kinds are not listed")
	}
}

// A draw on the boundary: 0.4 is outside 40 %.
func TestMatchIsPure(t *testing.T) {
	t.Parallel()
	rules := []Rule{{ID: 1, Target: "iam", Effect: Effect{Kind: ServerError}, Percent: 40}}
	for draw, want := range map[float64]bool{0: true, 0.39: true, 0.4: false, 0.99: false} {
		if got := Match(rules, Question{Subject: subjects()[2], Stage: Request, After: 0}, at(1), func() float64 { return draw }).Has(ServerError); got != want {
			t.Errorf("draw %v: hit %v, want %v", draw, got, want)
		}
	}
	rules[0].Percent = 100
	Match(rules, Question{Subject: subjects()[2], Stage: Request, After: 0}, at(1), func() float64 { t.Error("100 % draws"); return 0 })
}

func TestNothingOutlivesHealAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		table := NewTable(subjects(), 1)
		targets := rapid.SampledFrom([]string{"iam", "us-east-1", "signin", "acme-okta", "acme.okta.com"})
		texts := rapid.SampledFrom([]string{"down", "latency=1s", "slow", "flap=1s", "html", "tls-expired"})
		n := rapid.IntRange(0, 10).Draw(rt, "n")
		for i := range n {
			set(t, table, at(i), Fault{Target: targets.Draw(rt, "target"), Percent: rapid.IntRange(0, 100).Draw(rt, "percent")}, texts.Draw(rt, "kind"))
		}
		ids := map[uint64]bool{}
		for _, r := range table.Rules(at(n)) {
			if ids[r.ID] || r.Percent < 1 || r.Percent > 100 {
				rt.Fatalf("bad rule %+v", r)
			}
			ids[r.ID] = true
		}
		if _, err := table.Heal("", at(n)); err != nil {
			rt.Fatal(err)
		}
		for _, s := range subjects() {
			for _, stage := range []Stage{Connect, Request} {
				if got := table.Match(Question{Subject: s, Stage: stage}, at(n)); len(got) != 0 {
					rt.Fatalf("%v is left on %s", got, s.Host)
				}
			}
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	table := NewTable(subjects(), 1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				set(t, table, at(0), Fault{Target: "iam", Percent: 50}, "5xx")
				table.Match(Question{Subject: subjects()[2], Stage: Request, After: 0}, at(1))
				table.Rules(at(1))
				if i == 0 {
					_, _ = table.Heal("iam", at(1))
				}
			}
		})
	}
	wg.Wait()
}

func TestRuleText(t *testing.T) {
	t.Parallel()
	r := Rule{ID: 3, Target: "us-east-1", Effect: Effect{Latency, 300 * time.Millisecond}, Percent: 40, Until: at(60)}
	if got, want := r.String(), "us-east-1 latency=300ms, 40 % of the time, until 1970-01-01T00:01:00Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	text, err := json.Marshal(r)
	var back Rule
	if err != nil || !strings.Contains(string(text), `"kind":"latency=300ms"`) || json.Unmarshal(text, &back) != nil || back.Effect != r.Effect {
		t.Errorf("JSON: %s, %v", text, err)
	}
	for _, line := range Help() {
		name, _, _ := strings.Cut(strings.Fields(line)[0], "=")
		if _, ok := describe(Kind(name)); !ok {
			t.Errorf("help names %q, which does not exist", name)
		}
	}
}

func FuzzParseEffect(f *testing.F) {
	for _, s := range []string{"down", "latency=300ms", "slow", "slow=8s", "flap=", "LATENCY=1h", "5xx=1s", "=", "latency=-1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseEffect(s)
		if err != nil {
			return
		}
		if again, err := ParseEffect(e.String()); err != nil || again != e {
			t.Errorf("%q reads as %v, which reads as %v, %v", s, e, again, err)
		}
		if e.Duration < 0 || e.Duration > maxDuration {
			t.Errorf("%q lasts %s", s, e.Duration)
		}
	})
}

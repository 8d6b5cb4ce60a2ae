//go:build unix

package trustpolicy_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/trustpolicy"
)

// The rate of the other evaluator and ours on the same questions, per second of
// processor time; its start is not counted, and reading the policy is.
func BenchmarkSimulator(b *testing.B) {
	all := generated(b)[:2000]
	asked, spent := 0, 0.0
	for b.Loop() {
		_, seconds := simulate(b, all)
		asked, spent = asked+len(all), spent+seconds
	}
	b.ReportMetric(float64(asked)/spent, "questions/cpu-s")
}

func BenchmarkSameQuestions(b *testing.B) {
	all := generated(b)[:2000]
	began := trustpolicy.Processor(b)
	for b.Loop() {
		for _, q := range all {
			q.ask(b)
		}
	}
	b.ReportMetric(float64(len(all)*b.N)/(trustpolicy.Processor(b)-began).Seconds(), "questions/cpu-s")
}

//go:build unix

package trustpolicy

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Processor returns the processor time of this process so far. The benchmarks
// report it beside the wall clock, which says little on a machine that does other
// work as well.
func Processor(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs one operation over and over and reports its processor time.
func measure(b *testing.B, operation func()) {
	b.Helper()
	b.ReportAllocs()
	began := Processor(b)
	for b.Loop() {
		operation()
	}
	b.ReportMetric(float64(Processor(b)-began)/float64(b.N), "cpu-ns/op")
}

// oneStatement is the trust policy that most federated roles have.
var oneStatement = doc(st(ours, `{"StringEquals":{"SAML:aud":"`+east+`"}}`))

// foreignKeys is a policy whose edit depends on n conditions on other keys.
func foreignKeys(n int) string {
	var more []string
	for i := range n {
		more = append(more, fmt.Sprintf(`"aws:RequestTag/%d":"x"`, i))
	}
	return doc(st(ours, `{"StringEquals":{"SAML:aud":"`+east+`",`+strings.Join(more, ",")+`}}`))
}

func BenchmarkParse(b *testing.B) {
	measure(b, func() {
		if _, err := Parse(oneStatement); err != nil {
			b.Fatal(err)
		}
	})
}

// The text edit without proof: read, find what is missing, insert.
func BenchmarkTextEdit(b *testing.B) {
	measure(b, func() {
		p, err := Parse(oneStatement)
		if err != nil {
			b.Fatal(err)
		}
		need, err := p.needs(want())
		if err != nil || len(need) != 1 {
			b.Fatal(need, err)
		}
		insertAll(p.text, need)
	})
}

func benchmarkProof(b *testing.B, text string) {
	res, err := Edit(text, want())
	if err != nil || len(res.Changes) == 0 {
		b.Fatal(res, err)
	}
	before, errB := Parse(text)
	after, errA := Parse(res.Text)
	if errB != nil || errA != nil {
		b.Fatal(errB, errA)
	}
	measure(b, func() {
		if err := Prove(before, after, want()); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkProof(b *testing.B)            { benchmarkProof(b, oneStatement) }
func BenchmarkProofTwelveKeys(b *testing.B)  { benchmarkProof(b, foreignKeys(maxAtoms)) }
func BenchmarkEditOneStatement(b *testing.B) { benchmarkEdit(b, oneStatement) }
func BenchmarkEditTwelveKeys(b *testing.B)   { benchmarkEdit(b, foreignKeys(maxAtoms)) }

// benchmarkEdit is the whole edit, proof included.
func benchmarkEdit(b *testing.B, text string) {
	measure(b, func() {
		if _, err := Edit(text, want()); err != nil {
			b.Fatal(err)
		}
	})
}

// 20,000 roles x 10 Regions: each policy is read once.
func BenchmarkFleet(b *testing.B) {
	var texts []string
	for i := range 20000 {
		texts = append(texts, strings.Replace(oneStatement, "Okta", fmt.Sprint("Okta", i%7), 1))
	}
	measure(b, func() {
		for i, text := range texts {
			p, err := Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			l := Login{Provider: fmt.Sprint("arn:aws:iam::123456789012:saml-provider/Okta", i%7)}
			for r := range 10 {
				l.Audience = fmt.Sprint("https://us-west-", r, ".signin.aws.amazon.com/saml")
				Admits(p, l)
			}
		}
	})
}

// What it costs to find that a pattern admits no foreign host, and that it does.
func BenchmarkTooWide(b *testing.B) {
	p, err := Parse(doc(st(ours, `{"StringLike":{"SAML:aud":["https://us-????-?.signin.aws.amazon.com/saml","https://*.signin.aws.amazon.com/saml"]}}`)))
	if err != nil {
		b.Fatal(err)
	}
	measure(b, func() {
		if len(TooWide(p, []string{"signin.aws.amazon.com", "signin.amazonaws.cn", "signin.amazonaws-us-gov.com"})) != 1 {
			b.Fatal("not found")
		}
	})
}

package trustpolicy

import (
	"fmt"
	"strings"
	"testing"
)

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
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(oneStatement); err != nil {
			b.Fatal(err)
		}
	}
}

// The text edit without proof: read, find what is missing, insert.
func BenchmarkTextEdit(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		p, err := Parse(oneStatement)
		if err != nil {
			b.Fatal(err)
		}
		need, err := p.needs(want())
		if err != nil || len(need) != 1 {
			b.Fatal(need, err)
		}
		insertAll(p.text, need)
	}
}

func benchmarkProof(b *testing.B, text string) {
	res, err := Edit(text, want())
	if err != nil || len(res.Changes) == 0 {
		b.Fatal(res, err)
	}
	before, _ := Parse(text)
	after, _ := Parse(res.Text)
	b.ReportAllocs()
	for b.Loop() {
		if err := Prove(before, after, want()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProof(b *testing.B)              { benchmarkProof(b, oneStatement) }
func BenchmarkProofTwelveForeign(b *testing.B) { benchmarkProof(b, foreignKeys(maxAtoms)) }

func BenchmarkEditTwelveForeign(b *testing.B) {
	for b.Loop() {
		if _, err := Edit(foreignKeys(maxAtoms), want()); err != nil {
			b.Fatal(err)
		}
	}
}

// 20,000 roles x 10 Regions: each policy is read once.
func BenchmarkFleet(b *testing.B) {
	var texts []string
	for i := range 20000 {
		texts = append(texts, strings.Replace(oneStatement, "Okta", fmt.Sprint("Okta", i%7), 1))
	}
	for b.Loop() {
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
	}
}

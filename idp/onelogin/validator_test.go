package onelogin

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/signin"
)

// spec 1.4
func TestJudge(t *testing.T) {
	t.Parallel()
	const aws = `signin\.aws\.amazon\.com`
	tests := []struct {
		name, pattern string
		// outcome: "safe", "foreign" or "unclear"
		outcome string
	}{
		{"every Region", `^https:\/\/([a-z0-9-]+\.)?` + aws + `\/saml$`, "safe"},
		{"one Region", `^https://us-west-2\.` + aws + `/saml$`, "safe"},
		{"two anchored choices", `^https://` + aws + `/saml$|^https://us-west-2\.` + aws + `/saml$`, "safe"},
		{"text anchors", `\Ahttps://` + aws + `/saml\z`, "safe"},
		{"without regard to case", `(?i)^https://([a-z0-9.-]+\.)?` + aws + `/saml$`, "safe"},
		{"any path", `^https://` + aws + `/.*`, "safe"},
		{"open to the right behind the host", `^https://` + aws + `/`, "safe"},
		{"word boundary", `^https://\b` + aws + `/saml\b$`, "safe"},
		{"a boundary where none is", `^https://(x\b)?` + aws + `/saml$`, "safe"},
		{"GovCloud", `^https://([a-z0-9-]+\.)?signin\.amazonaws-us-gov\.com/saml$`, "safe"},
		{"China", `^https://([a-z0-9-]+\.)?signin\.amazonaws\.cn/saml$`, "safe"},
		{"plain http to the same host", `^https?://` + aws + `/saml$`, "safe"},
		{"never matches", `^\b$`, "safe"},
		{"empty", ``, "foreign"},
		{"everything", `.*`, "foreign"},
		{"any https", `^https:\/\/.*`, "foreign"},
		{"open dots", `^https://signin.aws.amazon.com/saml$`, "foreign"},
		{"one open dot", `^https://signin\.aws\.amazon.com/saml$`, "foreign"},
		{"not anchored at the front", aws + `/saml$`, "foreign"},
		{"not anchored at the host's end", `^https://` + aws, "foreign"},
		{"anything before the host", `^https://.*\.` + aws + `/saml$`, "foreign"},
		{"anything but dots before the host", `^https://[^.]*\.` + aws + `/saml$`, "foreign"},
		{"a letter glued to the host", `^https://[a-z]*` + aws + `/saml$`, "foreign"},
		{"no boundary, as it is", `^https://(x\B)?` + aws + `/saml$`, "foreign"},
		{"userinfo", `^https://` + aws + `@evil\.example/saml$`, "foreign"},
		{"anchors bind to one choice only", `^https://` + aws + `/saml|https://us-west-2\.` + aws + `/saml$`, "foreign"},
		{"one foreign choice", `^https://(` + aws + `|evil\.example)/saml$`, "foreign"},
		{"a backslash", `^https://` + aws + `\\.*$`, "foreign"},
		{"not AWS at all", `^https:\/\/app\.example\/saml$`, "foreign"},
		{"look-ahead", `^(?!https://evil)https://` + aws, "unclear"},
		{"back reference", `^(a)\1$`, "unclear"},
		{"unbalanced", `^https://(` + aws, "unclear"},
		{"a bracket that would pair with ours", `a)|(?:b`, "unclear"},
		{"too long", strings.Repeat("a", longestPattern+1), "unclear"},
		{"too complicated", `^https://([a-z]*a[a-z0-9]{16}\.)?` + aws + `/saml$`, "unclear"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := judge(tt.pattern)
			got := "safe"
			switch {
			case err != nil:
				got = "unclear"
			case r.foreign != "":
				got = "foreign"
			}
			if got != tt.outcome {
				t.Errorf("%s (%q, %v)", got, r.foreign, err)
			}
			if r.foreign != "" && !regexp.MustCompile(tt.pattern).MatchString(r.foreign) {
				t.Errorf("%q is shown as admitted, and is not", r.foreign)
			}
		})
	}
}

// The validator that we advise admits every endpoint of its partition and no
// other host.
func TestAdvisedValidator(t *testing.T) {
	t.Parallel()
	for _, e := range signin.Catalogue() {
		_, pattern, ok := strings.Cut(advice(e.Region), " to ")
		r, err := judge(pattern)
		if !ok || err != nil || r.foreign != "" {
			t.Fatalf("%s: %q admits %q, %v", e.Region, pattern, r.foreign, err)
		}
		for _, suffix := range []string{"", "SAMLP0123456789ABCDEFGHIJ"} {
			acs, err := e.Region.ACS(suffix)
			if err != nil || !r.whole.MatchString(acs.String()) {
				t.Errorf("%s: %q refuses %s, %v", e.Region, pattern, acs, err)
			}
		}
	}
}

// The page on OneLogin shows the validator that is advised.
func TestAdvisedValidatorIsInTheDocs(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/idp/onelogin.md")
	if err != nil {
		t.Fatal(err)
	}
	_, pattern, _ := strings.Cut(advice(signin.MustRegion("us-east-1")), " to ")
	if !strings.Contains(string(page), pattern) {
		t.Errorf("docs/idp/onelogin.md does not show %s", pattern)
	}
}

// What is called harmless is a URL on a sign-in host of the catalogue or below
// one, whatever a browser makes of the rest.
func TestHarmlessIsHarmless(t *testing.T) {
	t.Parallel()
	var domains []string
	for _, e := range signin.Catalogue() {
		domains = append(domains, domain(e))
	}
	re := regexp.MustCompile(harmless())
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(https?://)?[a-z@:/?#.\\]{0,4}(signin\.aws\.amazon\.com|signin\.amazonaws\.cn)?[a-z@:/?#.\\0-9]{0,12}`).Draw(t, "text")
		if !re.MatchString(text) {
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.User != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if !slices.ContainsFunc(domains, func(d string) bool { return u.Hostname() == d || strings.HasSuffix(u.Hostname(), "."+d) }) {
			t.Fatalf("%q leads to %q", text, u.Hostname())
		}
	})
}

// FuzzJudge: what is called safe admits none of a set of hostile endpoints, and
// judging always ends.
func FuzzJudge(f *testing.F) {
	hostile := []string{"https://evil.example/saml", "https://signin.aws.amazon.com.evil.example/saml", "https://evil.example/x.signin.aws.amazon.com/saml",
		"https://signin.aws.amazon.com@evil.example/saml", "https://xsignin.aws.amazon.com/saml", "https://signin-aws.amazon.com/saml", "https://signin.awsxamazon.com/saml",
		`https://signin.aws.amazon.com\.evil.example/saml`, "https://evil.example#signin.aws.amazon.com/saml", "https://evil.example?https://signin.aws.amazon.com/saml"}
	for _, seed := range append([]string{`^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml$`, `.*`, `saml$`, `\b`, `(?i)S`, `[^a]*$`, `x{2,5}|`}, hostile...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		r, err := judge(pattern)
		if err != nil {
			return
		}
		re := regexp.MustCompile(pattern)
		for _, h := range hostile {
			if r.foreign == "" && re.MatchString(h) {
				t.Fatalf("%q is called safe and admits %q", pattern, h)
			}
		}
		if r.foreign != "" && (!re.MatchString(r.foreign) || regexp.MustCompile(harmless()).MatchString(r.foreign)) {
			t.Fatalf("%q: the example %q is none", pattern, r.foreign)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	for b.Loop() {
		if _, err := judge(`^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml$`); err != nil {
			b.Fatal(err)
		}
	}
}

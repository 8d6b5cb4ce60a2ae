package trustpolicy

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// spec 5.2
func TestTooWide(t *testing.T) {
	t.Parallel()
	domains := []string{"signin.aws.amazon.com", "signin.amazonaws.cn"}
	for _, c := range []struct {
		name, op, value string
		want            bool
	}{
		{"literal", "StringEquals", east, false},
		{"Regional", "StringLike", west, false},
		{"foreign literal", "StringEquals", "https://evil.example/saml", true},
		{"not a URL", "StringEquals", "urn:amazon:webservices", false},
		{"star is a letter", "StringEquals", "https://*.signin.aws.amazon.com/saml", false},
		{"subdomain star", "StringLike", "https://*.signin.aws.amazon.com/saml", true},
		{"prefix star", "StringLike", "https://*signin.aws.amazon.com/saml", true},
		{"inner star", "StringLike", "https://us-*-2.signin.aws.amazon.com/saml", true},
		{"star", "StringLike", "*", true},
		{"star for the scheme", "StringLike", "*://signin.aws.amazon.com/saml", true},
		{"star after the host's name", "StringLike", "https://signin.aws.amazon.com*", true},
		{"star in the path", "StringLike", "https://signin.aws.amazon.com/*", false},
		{"one question mark", "StringLike", "https://us-west-?.signin.aws.amazon.com/saml", false},
		{"foreign literal by http", "StringEquals", "http://evil.example/saml", true},
		{"foreign literal with a port", "StringEquals", "https://evil.example:8443/saml", true},
		{"foreign literal behind a user", "StringEquals", "https://signin.aws.amazon.com@evil.example/saml", true},
		{"foreign literal, ignoring case", "StringEqualsIgnoreCase", "HTTPS://EVIL.example/saml", true},
		{"upper case", "StringEqualsIgnoreCase", "HTTPS://SIGNIN.AWS.AMAZON.COM/saml", false},
		{"port", "StringEquals", "https://signin.aws.amazon.com:443/saml", false},
		{"star for the port", "StringLike", "https://signin.aws.amazon.com:*", true},
		{"IfExists", "StringLikeIfExists", "https://*.signin.aws.amazon.com/saml", true},
		{"for all values", "ForAllValues:StringLike", "https://*.signin.aws.amazon.com/saml", true},
		{"question marks for the letters of a Region", "StringLike", "https://us-????-?.signin.aws.amazon.com/saml", false},
		{"question mark for the dot", "StringLike", "https://us-west-2?signin.aws.amazon.com/saml", true},
		{"question marks", "StringLike", "https://?????????????.signin.aws.amazon.com/saml", true},
	} {
		p, err := Parse(doc(st(ours, `{"`+c.op+`":{"SAML:aud":["`+east+`","`+c.value+`"]}}`)))
		if err != nil {
			t.Fatal(err)
		}
		got := TooWide(p, domains)
		if (len(got) > 0) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		for _, w := range got {
			if d := Admits(p, Login{Provider: okta, Audience: w.Example}); d.Verdict != Allow {
				t.Errorf("%s: the example %s is not admitted", c.name, w.Example)
			}
		}
	}
	p, _ := Parse(doc(st(ours, `{"StringLike":{"SAML:aud":"*"},"StringEquals":{"SAML:aud":"`+east+`"}}`)))
	if got := TooWide(p, domains); len(got) > 0 {
		t.Errorf("a second condition narrows it: %v", got)
	}
}

// A value that is not reported matches no URL on a foreign host, however its
// wildcards are filled.
// spec 5.2
func TestTooWideMissesNothing(t *testing.T) {
	t.Parallel()
	domains := []string{"signin.aws.amazon.com", "signin.amazonaws.cn"}
	silent, wide := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		pieces := []string{"*", "?", "??", "????", "*", "https://", "https", "://", "us-west-2", "us-", ".", ".signin.aws.amazon.com", "signin.aws.amazon.com", ".amazonaws.cn", "/saml", "/", ":", "@", "-"}
		pattern := rapid.SampledFrom([]string{"https://", "https://us-", "*", "http"}).Draw(rt, "begin") +
			strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 5).Draw(rt, "pieces"), "") +
			rapid.SampledFrom([]string{"", ".signin.aws.amazon.com/saml", "/saml"}).Draw(rt, "end")
		p, err := Parse(doc(st(ours, `{"StringLike":{"SAML:aud":"`+pattern+`"}}`)))
		if err != nil {
			rt.Fatal(err)
		}
		found := TooWide(p, domains)
		for _, w := range found {
			if host, ok := hostOf(w.Example); !ok || under(host, domains) || !like(pattern, w.Example) {
				rt.Fatalf("%s: the example %s is none", pattern, w.Example)
			}
		}
		if len(found) > 0 {
			wide++
			return
		}
		silent++
		for range 50 {
			var b strings.Builder
			for _, c := range pattern {
				switch c {
				case '*':
					b.WriteString(rapid.SampledFrom([]string{"", "x", "evil.example/", ".evil.example/", "@evil.example/", "s://evil.example/", "https://a.bc/", "/", "."}).Draw(rt, "star"))
				case '?':
					b.WriteString(rapid.SampledFrom([]string{"x", "b", ".", "/", "-", "@", ":", "2"}).Draw(rt, "one"))
				default:
					b.WriteRune(c)
				}
			}
			if host, ok := hostOf(b.String()); ok && !under(host, domains) {
				rt.Fatalf("%s admits %s, and is not reported", pattern, b.String())
			}
		}
	})
	t.Logf("%d reported, %d not", wide, silent)
	if silent == 0 || wide == 0 {
		t.Error("the generator is too narrow")
	}
}

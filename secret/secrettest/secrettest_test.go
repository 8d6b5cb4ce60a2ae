package secrettest_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/secret/secrettest"
)

// Saboteurs: outputs that leak, in every form. The same texts about another
// secret must not be taken for leaks.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	const marker, other = `s3cr3t+marker/valu"e& of the worker==`, `an0ther-m4rker/te"xt& of another one==`
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for why, write := range map[string]func(string) string{
		"plain":                 func(s string) string { return "token=" + s + ";" },
		"cut short":             func(s string) string { return "token=" + s[:20] + "..." },
		"without its beginning": func(s string) string { return "..." + s[12:] },
		"in base64":             func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"in base64 for URLs":    func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
		"in base64 with more":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s + "yz")) },
		"in a Basic credential": func(s string) string {
			return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("client:"+s))
		},
		"form-encoded inside Basic": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte("my-client:" + url.QueryEscape(s)))
		},
		"in a query":      func(s string) string { return "?client_secret=" + url.QueryEscape(s) },
		"in a path":       func(s string) string { return "/x/" + url.PathEscape(s) },
		"in hex":          func(s string) string { return hex.EncodeToString([]byte(s)) },
		"in JSON":         func(s string) string { return `{"secret":` + quoted(s) + `}` },
		"as Go writes it": func(s string) string { return fmt.Sprintf("%q", s) },
		"as bytes in hex": func(s string) string { return fmt.Sprintf("%X", s) },
	} {
		secrets := map[string]string{"it": marker}
		if got := secrettest.Find("before "+write(marker)+" after", secrets); !slices.Equal(got, []string{"it"}) {
			t.Errorf("%s: not found in %s", why, write(marker))
		}
		if got := secrettest.Find(write(marker), map[string]string{"it": marker, "other": other + "x"}); !slices.Equal(got, []string{"it"}) {
			t.Errorf("%s: %q found where nothing else stands: %s", why, got, write(marker))
		}
		if got := secrettest.Find("before "+write(other)+" after", secrets); len(got) > 0 {
			t.Errorf("%s: another secret was taken for it: %s", why, write(other))
		}
	}
	if got := secrettest.Find(strings.Repeat("nothing to see ", 100), map[string]string{"it": marker, "short": "see"}); len(got) > 0 {
		t.Errorf("found %v in nothing", got)
	}
	if got := secrettest.Find("a secret9 of nine", map[string]string{"it": "secret9"}); len(got) != 1 {
		t.Error("a short secret was not found")
	}
}

package signin

import (
	"encoding/json"
	"strings"
	"testing"
)

// spec 1.1: the catalogue is the only source of hosts.
func TestCatalogueCounts(t *testing.T) {
	t.Parallel()
	perPartition := map[Partition]int{AWS: 34, China: 2, GovCloud: 2, Sovereign: 1, ISO: 2, ISOB: 2, ISOE: 1, ISOF: 2}
	got := map[Partition]int{}
	seen := map[string]bool{}
	for _, e := range Catalogue() {
		got[e.Partition]++
		for _, h := range []string{e.Region.String(), e.SignInHost, e.STSHost} {
			if h == "" || seen[h] {
				t.Errorf("%s: %q is empty or appears twice", e.Region, h)
			}
			seen[h] = true
		}
	}
	for p, n := range perPartition {
		if got[p] != n {
			t.Errorf("partition %s has %d rows, want %d", p, got[p], n)
		}
	}
	if n := len(Regions(AWS, false)); n != 17 {
		t.Errorf("default-enabled Regions of aws: %d, want 17", n)
	}
	if n := len(Catalogue()); n != 46 {
		t.Errorf("%d rows, want 46", n)
	}
}

func TestUnverifiedRowsSayWhat(t *testing.T) {
	t.Parallel()
	for _, e := range Catalogue() {
		doubtful := e.Partition != AWS && e.Region.String() != "" // every row outside aws carries some doubt
		if doubtful && len(e.Unverified) == 0 {
			t.Errorf("%s: no unverified mark", e.Region)
		}
		if e.ConsoleHost == "" && !strings.Contains(strings.Join(e.Unverified, ";"), "console host is not known") {
			t.Errorf("%s has no console host and does not say so", e.Region)
		}
	}
}

// spec 1.2
func TestBareHosts(t *testing.T) {
	t.Parallel()
	for region, url := range map[string]string{
		"us-east-1":     "https://signin.aws.amazon.com/saml",
		"us-gov-west-1": "https://signin.amazonaws-us-gov.com/saml",
		"cn-north-1":    "https://signin.amazonaws.cn/saml",
		"us-west-2":     "https://us-west-2.signin.aws.amazon.com/saml",
	} {
		acs, err := MustRegion(region).ACS("")
		if err != nil || acs.String() != url {
			t.Errorf("%s: %q, %v; want %q", region, acs, err, url)
		}
		back, err := ParseACS(url)
		if err != nil || back != acs {
			t.Errorf("%s does not parse back: %v %v", url, back, err)
		}
	}
	alias, err := ParseACS("https://us-east-1.signin.aws.amazon.com/saml")
	if err != nil || alias.Region().String() != "us-east-1" {
		t.Fatalf("the us-east-1 alias is not understood: %v %v", alias, err)
	}
	if alias.String() != "https://signin.aws.amazon.com/saml" {
		t.Errorf("the alias would be written: %s", alias)
	}
}

// spec 1.1: nothing but the exact text is an ACS.
func TestParseACSRefuses(t *testing.T) {
	t.Parallel()
	id := "SAMLSPD9IMTW2LM46J042K"
	for why, url := range map[string]string{
		"empty":             "",
		"plain http":        "http://signin.aws.amazon.com/saml",
		"upper-case scheme": "HTTPS://signin.aws.amazon.com/saml",
		"upper-case host":   "https://SIGNIN.aws.amazon.com/saml",
		"port":              "https://signin.aws.amazon.com:443/saml",
		"userinfo":          "https://signin.aws.amazon.com@evil.example/saml",
		"userinfo of ours":  "https://evil@signin.aws.amazon.com/saml",
		"trailing dot":      "https://signin.aws.amazon.com./saml",
		"trailing slash":    "https://signin.aws.amazon.com/saml/",
		"no path":           "https://signin.aws.amazon.com",
		"query":             "https://signin.aws.amazon.com/saml?x=1",
		"fragment":          "https://signin.aws.amazon.com/saml#x",
		"space":             "https://signin.aws.amazon.com/saml ",
		"foreign parent":    "https://signin.aws.amazon.com.evil.example/saml",
		"foreign child":     "https://evil.example/signin.aws.amazon.com/saml",
		"unknown Region":    "https://us-west-9.signin.aws.amazon.com/saml",
		"two labels":        "https://x.us-west-2.signin.aws.amazon.com/saml",
		"percent dot":       "https://signin%2eaws.amazon.com/saml",
		"percent path":      "https://signin.aws.amazon.com/%73aml",
		"fullwidth dot":     "https://signin．aws.amazon.com/saml",
		"cyrillic a":        "https://signin.аws.amazon.com/saml",
		"backslash":         `https://signin.aws.amazon.com\saml`,
		"tab":               "https://signin.aws.amazon.com\t/saml",
		"short suffix":      "https://signin.aws.amazon.com/saml/acs/SHORT",
		"lower suffix":      "https://signin.aws.amazon.com/saml/acs/" + strings.ToLower(id),
		"suffix and more":   "https://signin.aws.amazon.com/saml/acs/" + id + "/x",
		"suffix dots":       "https://signin.aws.amazon.com/saml/acs/../" + id,
	} {
		if acs, err := ParseACS(url); err == nil {
			t.Errorf("%s: %q was accepted as %s", why, url, acs)
		}
	}
}

// spec 1.1: the suffix survives a change of Region.
func TestSuffixIsCarried(t *testing.T) {
	t.Parallel()
	const id = "SAMLSPD9IMTW2LM46J042K"
	acs, err := ParseACS("https://signin.aws.amazon.com/saml/acs/" + id)
	if err != nil {
		t.Fatal(err)
	}
	west, err := acs.In(MustRegion("us-west-2"))
	if err != nil || west.String() != "https://us-west-2.signin.aws.amazon.com/saml/acs/"+id {
		t.Errorf("moved to %q, %v", west, err)
	}
	if got := west.MetadataURL(); got != "https://us-west-2.signin.aws.amazon.com/static/saml/"+id+"/saml-metadata.xml" {
		t.Errorf("metadata at %q", got)
	}
}

// spec 1.1: stored forms hold Region and suffix, never a URL, and decode
// through the catalogue.
func TestACSEncoding(t *testing.T) {
	t.Parallel()
	acs, _ := MustRegion("us-west-2").ACS("SAMLSPD9IMTW2LM46J042K")
	b, err := json.Marshal(acs)
	if err != nil || strings.Contains(string(b), "https") {
		t.Fatalf("encoded as %s, %v", b, err)
	}
	var back ACS
	if err := json.Unmarshal(b, &back); err != nil || back != acs {
		t.Errorf("decoded %v, %v", back, err)
	}
	for why, text := range map[string]string{
		"a URL":          `"https://signin.aws.amazon.com/saml"`,
		"unknown Region": `{"region":"us-west-9"}`,
		"bad suffix":     `{"region":"us-west-2","suffix":"../x"}`,
		"no Region":      `{"suffix":"SAMLSPD9IMTW2LM46J042K"}`,
	} {
		if err := json.Unmarshal([]byte(text), &back); err == nil {
			t.Errorf("%s was decoded: %s", why, text)
		}
	}
	var zero ACS
	if zero.String() != "" || zero.MetadataURL() != "" {
		t.Errorf("the zero ACS makes a URL: %q", zero)
	}
	if _, err := (Region{}).ACS(""); err == nil {
		t.Error("an ACS without a Region was made")
	}
}

func TestParseRegionSuggests(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"us-west2": "us-west-2", "US-EAST-1": "us-east-1", "eu-wset-1": "eu-west-1"} {
		_, err := ParseRegion(in)
		if err == nil || !strings.Contains(err.Error(), `"`+want+`"`) {
			t.Errorf("%s: %v, want a hint at %s", in, err, want)
		}
	}
	if _, err := ParseRegion("mars"); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("mars: %v", err)
	}
}

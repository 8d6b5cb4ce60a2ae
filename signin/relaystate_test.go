package signin

import (
	"net/url"
	"strings"
	"testing"
)

func target(from, to string) Target {
	t := Target{To: MustRegion(to)}
	if from != "" {
		t.From = MustRegion(from)
	}
	return t
}

// spec 1.3
func TestRewrite(t *testing.T) {
	t.Parallel()
	east := target("us-east-1", "us-west-2")
	set := east
	set.Relay.SetWhenEmpty = true
	mapped := east
	connect := "https://us-east-1.console.aws.amazon.com/connect/federate/1111?destination=x"
	other, err := ParseRelayState("https://us-west-2.console.aws.amazon.com/connect/federate/2222?destination=x")
	if err != nil {
		t.Fatal(err)
	}
	mapped.Relay.Map = []RelayMapping{{Old: connect, New: other}}
	for _, c := range []struct {
		why, old string
		target   Target
		outcome  RelayOutcome
		want     string
	}{
		{"the Region's own console", "https://us-east-1.console.aws.amazon.com/", east, RelayMoved, "https://us-west-2.console.aws.amazon.com/"},
		{"path, query and fragment are kept", "https://us-east-1.console.aws.amazon.com/ec2/home?region=us-east-1&x=1#Instances:region=us-east-1;y", east, RelayMoved,
			"https://us-west-2.console.aws.amazon.com/ec2/home?region=us-west-2&x=1#Instances:region=us-west-2;y"},
		{"a console that names no Region", "https://console.aws.amazon.com/ec2/home", east, RelayMoved, "https://us-west-2.console.aws.amazon.com/ec2/home"},
		{"no Region in the host, the one being left in the query", "https://console.aws.amazon.com/s3?region=us-east-1", east, RelayMoved, "https://us-west-2.console.aws.amazon.com/s3?region=us-west-2"},
		{"no Region in the host, the target in the query", "https://console.aws.amazon.com/s3?region=us-west-2", east, RelayMoved, "https://us-west-2.console.aws.amazon.com/s3?region=us-west-2"},
		{"a deep link to a third Region stays", "https://eu-west-1.console.aws.amazon.com/s3", east, RelayOtherRegion, ""},
		{"a third Region in the query stays", "https://console.aws.amazon.com/s3?region=eu-west-1", east, RelayOtherRegion, ""},
		{"region= in the path is no parameter", "https://console.aws.amazon.com/region=eu-west-1/x", east, RelayMoved, "https://us-west-2.console.aws.amazon.com/region=eu-west-1/x"},
		{"xregion= is another parameter", "https://us-east-1.console.aws.amazon.com/?xregion=us-east-1", east, RelayMoved, "https://us-west-2.console.aws.amazon.com/?xregion=us-east-1"},
		{"already there", "https://us-west-2.console.aws.amazon.com/ec2", east, RelayAlready, ""},
		{"empty stays empty", "", east, RelayEmpty, ""},
		{"empty is set when the federation asks", "", set, RelaySet, "https://us-west-2.console.aws.amazon.com/"},
		{"a Connect instance lives in its Region", connect, east, RelayRegionalThing, ""},
		{"unless the federation maps it", connect, mapped, RelayMapped, other.String()},
		{"AppStream is not the console", "https://appstream2.us-east-1.aws.amazon.com/saml?stack=a", east, RelayOtherService, ""},
		{"another partition's console stays", "https://us-gov-west-1.console.amazonaws-us-gov.com/", east, RelayOtherRegion, ""},
		{"GovCloud", "https://console.amazonaws-us-gov.com/x", target("us-gov-west-1", "us-gov-east-1"), RelayMoved, "https://us-gov-east-1.console.amazonaws-us-gov.com/x"},
		{"no console host is known", "", Target{To: MustRegion("us-iso-west-1"), Relay: RelayPolicy{SetWhenEmpty: true}}, RelayNoConsole, ""},
		{"foreign host", "https://evil.example/", east, RelayForeign, ""},
		{"plain http", "http://us-east-1.console.aws.amazon.com/", east, RelayForeign, ""},
		{"port", "https://us-east-1.console.aws.amazon.com:8443/", east, RelayForeign, ""},
		{"userinfo", "https://us-east-1.console.aws.amazon.com@evil.example/", east, RelayForeign, ""},
		{"backslash", `https://us-east-1.console.aws.amazon.com\@evil.example/`, east, RelayForeign, ""},
		{"control character", "https://us-east-1.console.aws.amazon.com/\n", east, RelayForeign, ""},
		{"trailing dot", "https://console.aws.amazon.com./", east, RelayForeign, ""},
		{"suffix trick", "https://console.aws.amazon.com.evil.example/", east, RelayForeign, ""},
		{"aws suffix trick", "https://evilaws.amazon.com/", east, RelayForeign, ""},
		{"other service with a port", "https://appstream2.us-east-1.aws.amazon.com:1/", east, RelayForeign, ""},
		{"not a URL", "ec2-home", east, RelayForeign, ""},
		{"scheme-relative", "//console.aws.amazon.com/", east, RelayForeign, ""},
	} {
		got, outcome := c.target.Rewrite(c.old)
		if outcome != c.outcome || got.String() != c.want {
			t.Errorf("%s: %q -> %q (%s), want %q (%s)", c.why, c.old, got, outcome, c.want, c.outcome)
		}
	}
}

// A map entry whose new value lies in another Region than the target does not
// apply: it would land people where nobody meant them to be.
func TestMapEntryOfAnotherRegion(t *testing.T) {
	t.Parallel()
	tg := target("us-east-1", "us-west-2")
	wrong, _ := ParseRelayState("https://eu-west-1.console.aws.amazon.com/x")
	tg.Relay.Map = []RelayMapping{{Old: "https://us-east-1.console.aws.amazon.com/x", New: wrong}}
	got, outcome := tg.Rewrite("https://us-east-1.console.aws.amazon.com/x")
	if outcome != RelayMoved || !strings.Contains(got.String(), "us-west-2") {
		t.Errorf("got %q (%s)", got, outcome)
	}
}

func TestRelayStateDecodingIsChecked(t *testing.T) {
	t.Parallel()
	var s RelayState
	if err := s.UnmarshalText([]byte("https://evil.example/")); err == nil {
		t.Error("a foreign RelayState was decoded")
	}
	if err := s.UnmarshalText([]byte("https://us-west-2.console.aws.amazon.com/x")); err != nil {
		t.Error(err)
	}
}

// catalogueHost says whether a URL, read by Go's own parser, is a plain https
// URL on one of the given hosts: a second opinion on what the package made.
func catalogueHost(text string, hosts map[string]bool) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.User == nil && u.Port() == "" && u.Host == u.Hostname() && hosts[u.Host]
}

func hostsOf(pick func(Endpoint) string) map[string]bool {
	out := map[string]bool{}
	for _, e := range Catalogue() {
		out[pick(e)] = true
	}
	delete(out, "")
	return out
}

// The saboteur: a URL that an honest check must refuse.
func TestCatalogueHostRefuses(t *testing.T) {
	t.Parallel()
	hosts := hostsOf(func(e Endpoint) string { return e.SignInHost })
	for _, bad := range []string{"https://evil.example/saml", "http://signin.aws.amazon.com/saml", "https://signin.aws.amazon.com:444/saml", "https://x@signin.aws.amazon.com/saml"} {
		if catalogueHost(bad, hosts) {
			t.Errorf("%s passes the check", bad)
		}
	}
}

// spec 1.1: no input makes an ACS outside the catalogue.
func FuzzACS(f *testing.F) {
	for _, s := range []string{"https://signin.aws.amazon.com/saml", "https://us-west-2.signin.aws.amazon.com/saml/acs/SAMLSPD9IMTW2LM46J042K",
		"https://us-east-1.signin.aws.amazon.com/saml", "https://evil.example/saml", "https://signin.aws.amazon.com@evil/saml", `{"region":"us-west-2"}`} {
		f.Add(s, "SAMLSPD9IMTW2LM46J042K")
	}
	hosts := hostsOf(func(e Endpoint) string { return e.SignInHost })
	f.Fuzz(func(t *testing.T, text, suffix string) {
		check := func(a ACS) {
			if a.IsZero() {
				return
			}
			for _, e := range Catalogue() {
				moved, err := a.In(e.Region)
				if err != nil {
					t.Fatalf("%s does not move to %s: %v", a, e.Region, err)
				}
				if !catalogueHost(moved.String(), hosts) || !catalogueHost(moved.MetadataURL(), hosts) {
					t.Fatalf("%q makes the foreign ACS %q", text, moved)
				}
			}
		}
		if a, err := ParseACS(text); err == nil {
			check(a)
			if a.String() != text && !strings.HasPrefix(text, "https://us-east-1.signin.aws.amazon.com/") {
				t.Fatalf("%q was read as %q", text, a)
			}
		}
		var a ACS
		if a.UnmarshalJSON([]byte(text)) == nil {
			check(a)
		}
		if a, err := MustRegion("us-west-2").ACS(suffix); err == nil {
			check(a)
		}
	})
}

// spec 1.3: no input makes a RelayState outside the catalogue.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"", "https://us-east-1.console.aws.amazon.com/ec2?region=us-east-1#a", "https://console.aws.amazon.com/x",
		"https://console.aws.amazon.com@evil/", "https://console.aws.amazon.com%2eevil/", `https://console.aws.amazon.com\.evil/`, "https://console.aws.amazon.com?region=//evil"} {
		f.Add(s, true)
	}
	hosts := hostsOf(func(e Endpoint) string { return e.ConsoleHost })
	f.Fuzz(func(t *testing.T, old string, set bool) {
		for _, tg := range []Target{target("us-east-1", "us-west-2"), target("", "eu-west-1"), target("cn-north-1", "cn-northwest-1"), target("us-gov-west-1", "us-gov-east-1")} {
			tg.Relay.SetWhenEmpty = set
			got, outcome := tg.Rewrite(old)
			if !outcome.Changes() {
				if got != (RelayState{}) {
					t.Fatalf("%q: outcome %s carries %q", old, outcome, got)
				}
				continue
			}
			if !catalogueHost(got.String(), hosts) {
				t.Fatalf("%q became the foreign %q", old, got)
			}
			if again, o := tg.Rewrite(got.String()); o != RelayAlready {
				t.Fatalf("%q -> %q -> %q (%s): not stable", old, got, again, o)
			}
		}
	})
}

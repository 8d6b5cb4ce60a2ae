package okta_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	east = "https://signin.aws.amazon.com/saml"
	west = "https://us-west-2.signin.aws.amazon.com/saml"
	// suffix is a provider's own endpoint.
	suffix = "/acs/SAMLP0123456789ABCDEFGHIJ"
)

// custom is a custom SAML app as Okta shows it, cut down to what matters, with
// the changes given as pointer, value pairs; the value "" deletes.
func custom(t *testing.T, edits ...string) idp.Document {
	t.Helper()
	raw := json.RawMessage(`{"id":"0oa1","orn":"orn:okta:x","name":"acme_awsprod_1","label":"AWS prod","status":"ACTIVE","lastUpdated":"2026-01-01T00:00:00.000Z",
 "created":"2026-01-01T00:00:00.000Z","features":[],"signOnMode":"SAML_2_0","settings":{"app":{},"notes":{"admin":null},"signOn":{
 "defaultRelayState":"","ssoAcsUrl":"` + east + `","audience":"urn:amazon:webservices","recipient":"` + east + `","destination":"` + east + `",
 "acsEndpoints":[],"n":1.50}},"universalLogout":{},"_links":{"a":1},"_embedded":{}}`)
	for i := 0; i < len(edits); i += 2 {
		var err error
		if edits[i+1] == "" {
			raw, err = idp.Delete(raw, idp.Pointer(edits[i]))
		} else {
			raw, err = idp.Set(raw, idp.Pointer(edits[i]), json.RawMessage(edits[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return idp.Document{ID: "0oa1", Raw: raw}
}

func quoted(s string) string { return string(idp.QuoteJSON(s)) }

// spec 1.3, 1.4, 2.11
func TestDescribe(t *testing.T) {
	t.Parallel()
	const so = "/settings/signOn/"
	tests := []struct {
		name    string
		edits   []string
		movable bool
		region  string
		codes   []finding.Code
	}{
		{"a plain app", nil, true, "us-east-1", nil},
		{"the alias host is understood", []string{so + "ssoAcsUrl", quoted("https://us-east-1.signin.aws.amazon.com/saml")}, true, "us-east-1", nil}, // spec 1.2
		{"the three fields disagree", []string{so + "recipient", quoted(west)}, true, "us-east-1", []finding.Code{finding.ACSDisagrees}},
		{"foreign ACS", []string{so + "ssoAcsUrl", `"https://evil.example/saml"`}, false, "", []finding.Code{finding.ForeignACS}},
		{"foreign recipient", []string{so + "recipient", `"https://signin.aws.amazon.com:443/saml"`}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"foreign destination", []string{so + "destination", `"https://signin.aws.amazon.com./saml"`}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"destination missing", []string{so + "destination", ""}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"recipient null", []string{so + "recipient", "null"}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"ACS is a number", []string{so + "ssoAcsUrl", "1"}, false, "", []finding.Code{finding.ForeignACS}},
		{"foreign further endpoint", []string{so + "acsEndpoints", `[{"url":"` + west + `","index":0},{"url":"https://evil.example","index":1}]`}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"further endpoint without a URL", []string{so + "acsEndpoints", `[{"index":0}]`}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"own further endpoints", []string{so + "acsEndpoints", `[{"url":"` + west + `","index":0}]`}, true, "us-east-1", nil},
		{"empty override in a custom app", []string{so + "ssoAcsUrlOverride", `""`, so + "recipientOverride", "null"}, true, "us-east-1", nil},
		{"override in a custom app", []string{so + "ssoAcsUrlOverride", quoted(west)}, false, "us-east-1", []finding.Code{finding.UnsupportedKind}},
		{"foreign override", []string{"/settings/app/overrideAcsURL", `"https://evil.example"`}, false, "us-east-1", []finding.Code{finding.UnsupportedKind, finding.ForeignACS}},
		{"a second ACS in another spelling of the key is not the ACS", []string{so + "SSOACSURL", `"https://evil.example"`}, true, "us-east-1", nil},
		{"inactive", []string{"/status", `"INACTIVE"`}, true, "us-east-1", []finding.Code{finding.AppInactive}},
		{"deleted", []string{"/status", `"DELETED"`}, false, "us-east-1", []finding.Code{finding.AppNotFound}},
		{"foreign RelayState", []string{so + "defaultRelayState", `"https://evil.example/"`}, true, "us-east-1", []finding.Code{finding.ForeignRelayState}},
		{"null RelayState", []string{so + "defaultRelayState", "null"}, true, "us-east-1", nil},
		{"RelayState is a number", []string{so + "defaultRelayState", "7"}, false, "us-east-1", []finding.Code{finding.IdPAnswer}},
		{"AppStream RelayState", []string{so + "defaultRelayState", `"https://appstream2.us-east-1.aws.amazon.com/saml?x=y"`}, true, "us-east-1", []finding.Code{finding.RelayOtherService}},
		{"deep link to another Region says nothing without a target", []string{so + "defaultRelayState", `"https://eu-west-1.console.aws.amazon.com/"`}, true, "us-east-1", nil},
		{"audience is an endpoint", []string{so + "audience", quoted(east)}, true, "us-east-1", []finding.Code{finding.AudienceIsEndpoint}},
		{"browser plugin", []string{"/signOnMode", `"BROWSER_PLUGIN"`, "/name", `"amazon_aws"`, "/settings/signOn", ""}, false, "", []finding.Code{finding.NotSAML}},
		{"catalogue app with an override", []string{"/name", `"amazon_aws"`, "/settings/signOn", "{}", "/settings/app", `{"overrideAcsURL":"` + west + `"}`}, false, "us-west-2", []finding.Code{finding.UnprovenKind}},
		{"Identity Center", []string{"/name", `"amazon_aws_sso"`, "/settings/signOn", "{}"}, false, "", []finding.Code{finding.UnsupportedKind}},
		{"duplicate key", nil, false, "", []finding.Code{finding.IdPAnswer}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := custom(t, tt.edits...)
			if tt.name == "duplicate key" {
				doc.Raw = json.RawMessage(strings.Replace(string(doc.Raw), `"n":1.50`, `"ssoAcsUrl":"https://evil.example"`, 1))
			}
			app := okta.Codec{}.Describe(doc)
			var codes []finding.Code
			for _, f := range app.Findings {
				codes = append(codes, f.Code)
				if f.Subject == "" || f.What == "" || f.Remedy == "" {
					t.Errorf("finding without subject, what or remedy: %+v", f)
				}
			}
			if app.Movable != tt.movable || app.Region().String() != tt.region || !slices.Equal(codes, tt.codes) {
				t.Errorf("movable %v in %q with %v", app.Movable, app.Region(), codes)
			}
			changes, err := okta.Codec{}.Retarget(doc, target("us-west-2"))
			if (err == nil) != tt.movable || (err != nil && len(changes) > 0) {
				t.Errorf("Retarget: %v, %v", changes, err)
			}
		})
	}
}

func target(to string) signin.Target {
	return signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion(to)}
}

func TestRetarget(t *testing.T) {
	t.Parallel()
	const so = "/settings/signOn/"
	set := target("us-west-2")
	set.Relay.SetWhenEmpty = true
	tests := []struct {
		name   string
		edits  []string
		target signin.Target
		want   map[idp.Pointer]string
		code   finding.Code
	}{
		{"all three move together", nil, target("us-west-2"), map[idp.Pointer]string{so + "ssoAcsUrl": west, so + "recipient": west, so + "destination": west}, ""},
		{"only what is not there yet", []string{so + "ssoAcsUrl", quoted(west), so + "destination", quoted(west)}, target("us-west-2"), map[idp.Pointer]string{so + "recipient": west}, ""},
		{"nothing to do", nil, target("us-east-1"), nil, ""},
		{"the alias host stays when it names the target", []string{so + "recipient", quoted("https://us-east-1.signin.aws.amazon.com/saml")}, target("us-east-1"), nil, ""},
		{"each field keeps its own provider suffix", []string{so + "ssoAcsUrl", quoted(east + suffix), so + "recipient", quoted(east + suffix)}, target("us-west-2"),
			map[idp.Pointer]string{so + "ssoAcsUrl": west + suffix, so + "recipient": west + suffix, so + "destination": west}, ""},
		{"an empty RelayState is set when asked", []string{so + "defaultRelayState", "null"}, set,
			map[idp.Pointer]string{so + "ssoAcsUrl": west, so + "recipient": west, so + "destination": west, so + "defaultRelayState": "https://us-west-2.console.aws.amazon.com/"}, ""},
		{"a RelayState moves with a finished endpoint too", []string{so + "ssoAcsUrl", quoted(west), so + "recipient", quoted(west), so + "destination", quoted(west),
			so + "defaultRelayState", `"https://console.aws.amazon.com/ec2/home?region=us-east-1#Instances:"`}, target("us-west-2"),
			map[idp.Pointer]string{so + "defaultRelayState": "https://us-west-2.console.aws.amazon.com/ec2/home?region=us-west-2#Instances:"}, ""},
		{"another partition is refused", nil, target("us-gov-west-1"), nil, finding.OtherPartition},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := custom(t, tt.edits...)
			changes, err := okta.Codec{}.Retarget(doc, tt.target)
			if tt.code != "" {
				if !finding.Is(err, tt.code) {
					t.Errorf("got %v, want %s", err, tt.code)
				}
				return
			}
			if err != nil || len(changes) != len(tt.want) {
				t.Fatalf("%d changes, %v; want %d", len(changes), err, len(tt.want))
			}
			for _, c := range changes {
				if string(c.After) != quoted(tt.want[c.Pointer]) {
					t.Errorf("%s becomes %s, want %q", c.Pointer, c.After, tt.want[c.Pointer])
				}
			}
			next, err := idp.Apply(doc, changes)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := (okta.Codec{}).Retarget(next, tt.target); err != nil || len(again) > 0 {
				t.Errorf("a second time: %v, %v", again, err)
			}
		})
	}
}

// FuzzRetarget: whatever an app holds, what we would write is in the catalogue.
func FuzzRetarget(f *testing.F) {
	f.Add(east, east, "", "us-west-2")
	f.Add(east+suffix, west, "https://us-east-1.console.aws.amazon.com/x?region=us-east-1", "eu-west-1")
	f.Add("https://signin.aws.amazon.com@evil.example/saml", east, `https://console.aws.amazon.com\@evil.example/`, "us-east-1")
	f.Add(east, east, "https://us-east-1.console.aws.amazon.com.evil.example/", "us-west-2")
	f.Fuzz(func(t *testing.T, acs, recipient, relay, to string) {
		region, err := signin.ParseRegion(to)
		if err != nil {
			return
		}
		doc := custom(t, "/settings/signOn/ssoAcsUrl", quoted(acs), "/settings/signOn/recipient", quoted(recipient), "/settings/signOn/defaultRelayState", quoted(relay))
		for _, set := range []bool{false, true} {
			changes, err := okta.Codec{}.Retarget(doc, signin.Target{From: signin.MustRegion("us-east-1"), To: region, Relay: signin.RelayPolicy{SetWhenEmpty: set}})
			if err != nil && len(changes) > 0 {
				t.Fatalf("changes beside an error: %v, %v", changes, err)
			}
			for _, c := range changes {
				var value string
				if json.Unmarshal(c.After, &value) != nil {
					t.Fatalf("%s becomes %s", c.Pointer, c.After)
				}
				if got, err := signin.ParseACS(value); err == nil && got.Region() == region && got.String() == value {
					continue
				}
				if r, ok := signin.RegionOfRelayState(value); !ok || r != region || c.Pointer != "/settings/signOn/defaultRelayState" {
					t.Fatalf("%s becomes %q", c.Pointer, value)
				}
			}
		}
	})
}

// What cannot be moved is listed all the same.
func TestListShowsEveryAWSApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, raw := range []string{
		`{"id":"catalogue","name":"amazon_aws","label":"a","status":"ACTIVE","signOnMode":"BROWSER_PLUGIN","settings":{"app":{"overrideAcsURL":null}}}`,
		`{"id":"identity","name":"amazon_aws_sso","label":"b","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{"app":{},"signOn":{}}}`,
		`{"id":"misspelt","name":"x_1","label":"c","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{"signOn":{"ssoAcsUrl":"https://US-WEST-2.signin.aws.amazon.com/saml/"}}}`,
		`{"id":"half","name":"x_2","label":"d","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{"signOn":{"ssoAcsUrl":"https://evil.example","destination":"https://signin.aws.amazon.com/saml"}}}`,
		`{"id":"stolen","name":"x_3","label":"e","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{"signOn":{"ssoAcsUrl":"https://evil.example","audience":"urn:amazon:webservices"}}}`,
		`{"id":"further","name":"x_4","label":"f","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{"signOn":{"ssoAcsUrl":"https://x.example","acsEndpoints":[{"url":"https://signin.aws.amazon.com/saml"}]}}}`,
		`{"id":"iso","name":"x_5","label":"g","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{"signOn":{"ssoAcsUrl":"https://signin.c2shome.ic.gov/saml"}}}`,
		`{"id":"other","name":"slack","label":"h","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{"signOn":{"ssoAcsUrl":"https://slack.com/sso"}}}`,
		`{"id":"bookmark","name":"bookmark","label":"i","status":"ACTIVE","signOnMode":"BOOKMARK","settings":{"app":{"url":"https://aws.amazon.com"}}}`,
	} {
		if err := w.org.AddRawApp([]byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := w.tenant.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, d := range docs {
		ids = append(ids, string(d.ID))
		if d.RequestID == "" || time.Since(d.ReadAt) > time.Hour {
			t.Errorf("%s: request id %q, read at %v", d.ID, d.RequestID, d.ReadAt)
		}
		if app := (okta.Codec{}).Describe(d); app.Movable != (d.ID == w.app) {
			t.Errorf("%s: movable %v, %v", d.ID, app.Movable, app.Findings)
		}
	}
	want := []string{string(w.app), "catalogue", "identity", "misspelt", "half", "stolen", "further", "iso"}
	if !slices.Equal(ids, want) {
		t.Errorf("listed %v, want %v", ids, want)
	}
}

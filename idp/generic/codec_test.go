package generic_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/generic"
	"github.com/samlfailover/samlfailover/signin"
)

// suffix is a provider's own endpoint.
const suffix = "/acs/SAMLP0123456789ABCDEFGHIJ"

// document is a plain app with the changes given as pointer, value pairs; the
// value "" deletes.
func document(t testing.TB, edits ...string) idp.Document {
	t.Helper()
	raw := json.RawMessage(`{"id":"aws-prod","label":"AWS prod","acs":"` + east + `","relay_state":"","status":"active","revision":7,"own":{"acs":"https://elsewhere.example/"}}`)
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
	return idp.Document{ID: appID, Raw: raw}
}

func quoted(s string) string { return string(idp.QuoteJSON(s)) }

func target(to string) signin.Target {
	return signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion(to)}
}

// spec 1.2, 1.3, 1.4
func TestDescribe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		edits   []string
		movable bool
		region  string
		status  string
		codes   []finding.Code
	}{
		{"a plain app", nil, true, "us-east-1", "active", nil},
		{"only what is required", []string{"/label", "", "/relay_state", "", "/status", "", "/revision", ""}, true, "us-east-1", "active", nil},
		{"null where a text may be", []string{"/label", "null", "/relay_state", "null", "/status", "null", "/revision", "null"}, true, "us-east-1", "active", nil},
		{"the alias host is understood", []string{"/acs", quoted("https://us-east-1.signin.aws.amazon.com/saml")}, true, "us-east-1", "active", nil},
		{"foreign acs", []string{"/acs", `"https://evil.example/saml"`}, false, "", "active", []finding.Code{finding.ForeignACS}},
		{"almost AWS", []string{"/acs", `"https://signin.aws.amazon.com:443/saml"`}, false, "", "active", []finding.Code{finding.ForeignACS}},
		{"acs is empty", []string{"/acs", `""`}, false, "", "active", []finding.Code{finding.ForeignACS}},
		{"acs is null", []string{"/acs", "null"}, false, "", "active", []finding.Code{finding.ForeignACS}},
		{"no acs", []string{"/acs", ""}, false, "", "active", []finding.Code{finding.ForeignACS}},
		{"acs is a list", []string{"/acs", `["` + east + `"]`}, false, "", "active", []finding.Code{finding.ForeignACS}},
		{"acs in another spelling", []string{"/acs", "", "/ACS", quoted(east)}, false, "", "active", []finding.Code{finding.ForeignACS}},
		{"switched off", []string{"/status", `"disabled"`}, true, "us-east-1", "disabled", []finding.Code{finding.AppInactive}},
		{"status is an empty text", []string{"/status", `""`}, true, "us-east-1", "", []finding.Code{finding.AppInactive}},
		{"status is no text", []string{"/status", "true"}, false, "us-east-1", "active", []finding.Code{finding.IdPAnswer}},
		{"label is no text", []string{"/label", "7"}, false, "us-east-1", "active", []finding.Code{finding.IdPAnswer}},
		{"foreign RelayState", []string{"/relay_state", `"https://evil.example/"`}, true, "us-east-1", "active", []finding.Code{finding.ForeignRelayState}},
		{"RelayState is no text", []string{"/relay_state", "{}"}, false, "us-east-1", "active", []finding.Code{finding.IdPAnswer}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := document(t, tt.edits...)
			app := generic.Codec{}.Describe(doc)
			var codes []finding.Code
			for _, f := range app.Findings {
				codes = append(codes, f.Code)
				if f.Subject == "" || f.What == "" || f.Remedy == "" {
					t.Errorf("finding without subject, what or remedy: %+v", f)
				}
			}
			if app.Movable != tt.movable || app.Region().String() != tt.region || app.Status != tt.status || !slices.Equal(codes, tt.codes) {
				t.Errorf("movable %v in %q, %q, with %v", app.Movable, app.Region(), app.Status, app.Findings)
			}
			changes, err := generic.Codec{}.Retarget(doc, target("us-west-2"))
			if (err == nil) != tt.movable || (err != nil && len(changes) > 0) {
				t.Errorf("Retarget: %v, %v", changes, err)
			}
		})
	}
}

// A key that stands twice means something else to every reader.
func TestDuplicateKey(t *testing.T) {
	t.Parallel()
	doc := idp.Document{ID: appID, Raw: json.RawMessage(`{"id":"aws-prod","acs":"` + east + `","acs":"https://evil.example/saml"}`)}
	app := generic.Codec{}.Describe(doc)
	if app.Movable || len(app.Findings) != 1 || app.Findings[0].Code != finding.IdPAnswer {
		t.Errorf("%+v", app)
	}
	if _, err := (generic.Codec{}).Retarget(doc, target("us-west-2")); !finding.Is(err, finding.IdPAnswer) {
		t.Error(err)
	}
}

// spec 1.3
func TestRetarget(t *testing.T) {
	t.Parallel()
	set := target("us-west-2")
	set.Relay.SetWhenEmpty = true
	const page, moved = "https://console.aws.amazon.com/ec2/home?region=us-east-1#Instances:", "https://us-west-2.console.aws.amazon.com/ec2/home?region=us-west-2#Instances:"
	tests := []struct {
		name   string
		edits  []string
		target signin.Target
		want   map[idp.Pointer]string
		code   finding.Code
	}{
		{"the endpoint", nil, target("us-west-2"), map[idp.Pointer]string{"/acs": west}, ""},
		{"nothing to do", nil, target("us-east-1"), nil, ""},
		{"the alias host stays when it names the target", []string{"/acs", quoted("https://us-east-1.signin.aws.amazon.com/saml")}, target("us-east-1"), nil, ""},
		{"a provider's suffix is kept", []string{"/acs", quoted(east + suffix)}, target("us-west-2"), map[idp.Pointer]string{"/acs": west + suffix}, ""},
		{"a RelayState moves", []string{"/relay_state", quoted(page)}, target("us-west-2"), map[idp.Pointer]string{"/acs": west, "/relay_state": moved}, ""},
		{"a RelayState that was left behind", []string{"/acs", quoted(west), "/relay_state", quoted(page)}, target("us-west-2"), map[idp.Pointer]string{"/relay_state": moved}, ""},
		{"a foreign RelayState stays", []string{"/relay_state", `"https://evil.example/"`}, target("us-west-2"), map[idp.Pointer]string{"/acs": west}, ""},
		{"an empty RelayState is set when asked", nil, set, map[idp.Pointer]string{"/acs": west, "/relay_state": "https://us-west-2.console.aws.amazon.com/"}, ""},
		{"null is empty", []string{"/relay_state", "null"}, set, map[idp.Pointer]string{"/acs": west, "/relay_state": "https://us-west-2.console.aws.amazon.com/"}, ""},
		{"a key that is not there is not added", []string{"/relay_state", ""}, set, map[idp.Pointer]string{"/acs": west}, ""},
		{"a disabled app moves", []string{"/status", `"disabled"`}, target("us-west-2"), map[idp.Pointer]string{"/acs": west}, ""},
		{"another partition is refused", nil, target("us-gov-west-1"), nil, finding.OtherPartition},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := document(t, tt.edits...)
			changes, err := generic.Codec{}.Retarget(doc, tt.target)
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
			if again, err := (generic.Codec{}).Retarget(next, tt.target); err != nil || len(again) > 0 {
				t.Errorf("a second time: %v, %v", again, err)
			}
		})
	}
}

// FuzzRetarget: whatever a document holds, what we would write is in the
// catalogue.
func FuzzRetarget(f *testing.F) {
	f.Add(east, "", "us-west-2")
	f.Add(east+suffix, "https://us-east-1.console.aws.amazon.com/x?region=us-east-1", "eu-west-1")
	f.Add("https://signin.aws.amazon.com@evil.example/saml", `https://console.aws.amazon.com\@evil.example/`, "us-east-1")
	f.Add(west, "https://us-east-1.console.aws.amazon.com.evil.example/", "us-west-2")
	f.Fuzz(func(t *testing.T, acs, relay, to string) {
		region, err := signin.ParseRegion(to)
		if err != nil {
			return
		}
		doc := document(t, "/acs", quoted(acs), "/relay_state", quoted(relay))
		for _, set := range []bool{false, true} {
			changes, err := generic.Codec{}.Retarget(doc, signin.Target{From: signin.MustRegion("us-east-1"), To: region, Relay: signin.RelayPolicy{SetWhenEmpty: set}})
			if err != nil && len(changes) > 0 {
				t.Fatalf("changes beside an error: %v, %v", changes, err)
			}
			for _, c := range changes {
				var value string
				if json.Unmarshal(c.After, &value) != nil {
					t.Fatalf("%s becomes %s", c.Pointer, c.After)
				}
				if got, err := signin.ParseACS(value); err == nil && c.Pointer == "/acs" && got.Region() == region && got.String() == value {
					continue
				}
				if r, ok := signin.RegionOfRelayState(value); !ok || r != region || c.Pointer != "/relay_state" {
					t.Fatalf("%s becomes %q", c.Pointer, value)
				}
			}
		}
	})
}

package pingone_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/pingone"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	east    = "https://signin.aws.amazon.com/saml"
	west    = "https://us-west-2.signin.aws.amazon.com/saml"
	ireland = "https://eu-west-1.signin.aws.amazon.com/saml"
	alias   = "https://us-east-1.signin.aws.amazon.com/saml"
	// suffix is a provider's own endpoint.
	suffix = "/acs/SAMLP0123456789ABCDEFGHIJ"
	appID  = "3b9fe2b2-9ba4-4dd6-9d4c-0f6d1c0f4a11"
)

// app is a SAML app as PingOne shows it, cut down to what matters, with the
// changes given as pointer, value pairs; the value "" deletes.
func app(t *testing.T, edits ...string) idp.Document {
	t.Helper()
	raw := json.RawMessage(`{"_links":{"self":{"href":"https://api.pingone.com/v1/x"}},"environment":{"id":"E"},"id":"` + appID + `","name":"AWS","enabled":true,
 "type":"WEB_APP","protocol":"SAML","createdAt":"2024-05-06T18:43:59.105Z","updatedAt":"2024-05-06T18:43:59.105Z","tags":[],
 "acsUrls":[` + quoted(east) + `, ` + quoted(west) + `],"assertionDuration":300,"n":1.50,"nothing":null,
 "idpSigning":{"algorithm":"SHA256withRSA","key":{"id":"k1"}},"spEntityId":"urn:amazon:webservices"}`)
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

// list is a JSON array of texts.
func list(items ...string) string {
	b, _ := json.Marshal(items)
	return string(b)
}

func target(to string) signin.Target {
	return signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion(to)}
}

// spec 2.8: what a template does is found out by a person, and a foreign URL in
// it stays refused.
func TestProvenCatalogueKind(t *testing.T) {
	t.Parallel()
	c := pingone.Codec{Proven: []string{pingone.CatalogueKind}}
	for value, movable := range map[string]bool{east: true, "us-east-1": true, "https://us-west-2.console.aws.amazon.com/": true,
		"https://evil.example/saml": false, "HTTPS://evil.example": false, "x://signin.aws.amazon.com": false, "https://signin.aws.amazon.com/saml https://evil.example": false} {
		doc := app(t, "/template", `{"integration":{"id":"i"},"configuration":{"acsUrl":`+quoted(value)+`}}`)
		if got := c.Describe(doc); got.Movable != movable {
			t.Errorf("%q: movable %v, %v", value, got.Movable, got.Findings)
		}
		if changes, err := (pingone.Codec{Proven: []string{"pingone:saml"}}).Retarget(doc, target("us-west-2")); err == nil {
			t.Errorf("%q: unproven and moved: %v", value, changes)
		}
	}
}

// spec 1.3, 1.4
func TestDescribe(t *testing.T) {
	t.Parallel()
	const catalogue = `{"integration":{"id":"i"},"version":{"id":"v"},"configuration":`
	tests := []struct {
		name    string
		edits   []string
		kind    string
		movable bool
		region  string
		codes   []finding.Code
	}{
		{"a plain app", nil, "pingone:saml", true, "us-east-1", nil},
		{"the first entry counts", []string{"/acsUrls", list(west, east)}, "pingone:saml", true, "us-west-2", nil},
		{"one entry", []string{"/acsUrls", list(ireland)}, "pingone:saml", true, "eu-west-1", nil},
		{"the alias host is understood", []string{"/acsUrls", list(alias)}, "pingone:saml", true, "us-east-1", nil}, // spec 1.2
		{"foreign default", []string{"/acsUrls", list("https://evil.example/saml", east)}, "pingone:saml", false, "", []finding.Code{finding.ForeignACS}},
		{"foreign second entry", []string{"/acsUrls", list(east, "https://evil.example/saml")}, "pingone:saml", false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"foreign last of many", []string{"/acsUrls", list(east, west, ireland, "https://signin.aws.amazon.com:443/saml")}, "pingone:saml", false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"an entry that is no text", []string{"/acsUrls", `["` + east + `",null]`}, "pingone:saml", false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"an entry that is an object", []string{"/acsUrls", `[{"url":"` + east + `"}]`}, "pingone:saml", false, "", []finding.Code{finding.ForeignACS}},
		{"no entry", []string{"/acsUrls", "[]"}, "pingone:saml", false, "", []finding.Code{finding.IdPAnswer}},
		{"a text instead of a list", []string{"/acsUrls", quoted(east)}, "pingone:saml", false, "", []finding.Code{finding.IdPAnswer}},
		{"no list", []string{"/acsUrls", ""}, "pingone:saml", false, "", []finding.Code{finding.IdPAnswer}},
		{"null list", []string{"/acsUrls", "null"}, "pingone:saml", false, "", []finding.Code{finding.IdPAnswer}},
		{"disabled", []string{"/enabled", "false"}, "pingone:saml", true, "us-east-1", []finding.Code{finding.AppInactive}},
		{"enabled is a text", []string{"/enabled", `"ENABLED"`}, "pingone:saml", false, "us-east-1", []finding.Code{finding.IdPAnswer}},
		{"enabled is missing", []string{"/enabled", ""}, "pingone:saml", false, "us-east-1", []finding.Code{finding.IdPAnswer}},
		{"assertionDuration is missing", []string{"/assertionDuration", ""}, "pingone:saml", false, "us-east-1", []finding.Code{finding.IdPAnswer}},
		{"name is missing", []string{"/name", ""}, "pingone:saml", false, "us-east-1", []finding.Code{finding.IdPAnswer}},
		{"no signing key", []string{"/idpSigning", ""}, "pingone:saml", false, "us-east-1", []finding.Code{finding.SigningKeyUnknown}},
		{"signing key without an id", []string{"/idpSigning/key", "{}"}, "pingone:saml", false, "us-east-1", []finding.Code{finding.SigningKeyUnknown}},
		{"foreign RelayState", []string{"/defaultTargetUrl", `"https://evil.example/"`}, "pingone:saml", true, "us-east-1", []finding.Code{finding.ForeignRelayState}},
		{"null RelayState", []string{"/defaultTargetUrl", "null"}, "pingone:saml", true, "us-east-1", nil},
		{"RelayState is a number", []string{"/defaultTargetUrl", "7"}, "pingone:saml", false, "us-east-1", []finding.Code{finding.IdPAnswer}},
		{"AppStream RelayState", []string{"/defaultTargetUrl", `"https://appstream2.us-east-1.aws.amazon.com/saml?x=y"`}, "pingone:saml", true, "us-east-1", []finding.Code{finding.RelayOtherService}},
		{"audience is an endpoint", []string{"/spEntityId", quoted(east)}, "pingone:saml", true, "us-east-1", []finding.Code{finding.AudienceIsEndpoint}},
		{"OIDC", []string{"/protocol", `"OPENID_CONNECT"`, "/acsUrls", ""}, "pingone:OPENID_CONNECT", false, "", []finding.Code{finding.NotSAML}},
		{"WS-Fed", []string{"/protocol", `"WS_FED"`}, "pingone:WS_FED", false, "", []finding.Code{finding.NotSAML}},
		{"no protocol", []string{"/protocol", ""}, "pingone:", false, "", []finding.Code{finding.NotSAML}},
		{"empty template", []string{"/template", "{}"}, "pingone:saml", true, "us-east-1", nil},
		{"catalogue app", []string{"/template", catalogue + `{"title":"AWS","audience":"urn:amazon:webservices"}}`}, "pingone:catalogue-saml", true, "us-east-1", nil},
		{"catalogue app with an endpoint of its own", []string{"/template", catalogue + `{"acsUrl":"` + east + `"}}`}, "pingone:catalogue-saml", false, "us-east-1", []finding.Code{finding.UnprovenKind}},
		{"catalogue app with any URL", []string{"/template", catalogue + `{"acsUrl":"https://evil.example/saml"}}`}, "pingone:catalogue-saml", false, "us-east-1", []finding.Code{finding.UnsupportedKind}},
		{"catalogue app with a Region", []string{"/template", catalogue + `{"region":"US-East-1"}}`}, "pingone:catalogue-saml", false, "us-east-1", []finding.Code{finding.UnprovenKind}},
		{"catalogue app with a host", []string{"/template", catalogue + `{"host":"signin.aws.amazon.com"}}`}, "pingone:catalogue-saml", false, "us-east-1", []finding.Code{finding.UnprovenKind}},
		{"catalogue app with a structure", []string{"/template", catalogue + `{"x":{"y":["` + west + `"]}}}`}, "pingone:catalogue-saml", false, "us-east-1", []finding.Code{finding.UnprovenKind}},
		{"template without an integration but with an endpoint", []string{"/template", `{"configuration":{"acs":"` + west + `"}}`}, "pingone:saml", false, "us-east-1", []finding.Code{finding.UnprovenKind}},
		{"configuration is a list", []string{"/template", catalogue + `["` + west + `"]}`}, "pingone:catalogue-saml", false, "us-east-1", []finding.Code{finding.UnprovenKind}},
		{"duplicate key", nil, "pingone:unreadable", false, "", []finding.Code{finding.IdPAnswer}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := app(t, tt.edits...)
			if tt.name == "duplicate key" {
				doc.Raw = json.RawMessage(strings.Replace(string(doc.Raw), `"n":1.50`, `"acsUrls":["https://evil.example"]`, 1))
			}
			got := pingone.Codec{}.Describe(doc)
			var codes []finding.Code
			for _, f := range got.Findings {
				codes = append(codes, f.Code)
				if f.Subject == "" || f.What == "" || f.Remedy == "" {
					t.Errorf("finding without subject, what or remedy: %+v", f)
				}
			}
			if got.Movable != tt.movable || got.Region().String() != tt.region || got.Kind != tt.kind || !slices.Equal(codes, tt.codes) {
				t.Errorf("%s, movable %v in %q with %v", got.Kind, got.Movable, got.Region(), codes)
			}
			changes, err := pingone.Codec{}.Retarget(doc, target("us-west-2"))
			if (err == nil) != tt.movable || (err != nil && len(changes) > 0) {
				t.Errorf("Retarget: %v, %v", changes, err)
			}
		})
	}
}

func TestRetarget(t *testing.T) {
	t.Parallel()
	set := target("us-west-2")
	set.Relay.SetWhenEmpty = true
	const home = `"https://us-west-2.console.aws.amazon.com/"`
	tests := []struct {
		name   string
		edits  []string
		target signin.Target
		acs    string // the list afterwards, "" = as it is
		relay  string // the RelayState afterwards, "" = as it is
		code   finding.Code
	}{
		{"an entry of the list comes to the front", nil, target("us-west-2"), list(west, east), "", ""},
		{"the rest keeps its order", []string{"/acsUrls", list(east, ireland, west)}, target("us-west-2"), list(west, east, ireland), "", ""},
		{"an endpoint that is not in the list is added", nil, target("eu-west-1"), list(ireland, east, west), "", ""},
		{"a list of one", []string{"/acsUrls", list(east)}, target("us-west-2"), list(west, east), "", ""},
		{"nothing to do", nil, target("us-east-1"), "", "", ""},
		{"the alias host stays when it names the target", []string{"/acsUrls", list(alias, west)}, target("us-east-1"), "", "", ""},
		{"the alias host is not brought to the front, the canonical one is", []string{"/acsUrls", list(west, alias)}, target("us-east-1"), list(east, west, alias), "", ""},                           // spec 1.2
		{"the provider suffix of the endpoint in use is kept", []string{"/acsUrls", list(east+suffix, west)}, target("us-west-2"), list(west+suffix, east+suffix, west), "", ""},                      // spec 1.1
		{"an entry of the same suffix comes to the front", []string{"/acsUrls", list(east+suffix, east, west, west+suffix)}, target("us-west-2"), list(west+suffix, east+suffix, east, west), "", ""}, // spec 1.1
		{"an empty RelayState is set when asked", nil, set, list(west, east), home, ""},                                                                                                               // spec 1.3
		{"a null RelayState is set when asked", []string{"/defaultTargetUrl", "null"}, set, list(west, east), home, ""},                                                                               // spec 1.3
		{"a RelayState moves with a finished endpoint too", []string{"/acsUrls", list(west), "/defaultTargetUrl", `"https://us-east-1.console.aws.amazon.com/"`}, target("us-west-2"), "", home, ""},  // spec 1.3
		{"a foreign RelayState stays", []string{"/defaultTargetUrl", `"https://evil.example/"`}, target("us-west-2"), list(west, east), "", ""},                                                       // spec 1.3
		{"a deep link to another Region stays", []string{"/defaultTargetUrl", `"https://eu-west-1.console.aws.amazon.com/"`}, target("us-west-2"), list(west, east), "", ""},                          // spec 1.3
		{"a disabled app moves and stays disabled", []string{"/enabled", "false"}, target("us-west-2"), list(west, east), "", ""},                                                                     // spec 2.7
		{"an escaped entry is the same endpoint", []string{"/acsUrls", `["` + east + `","https:\/\/us-west-2.signin.aws.amazon.com\/saml"]`}, target("us-west-2"), list(west, east), "", ""},          // spec 2.1
		{"another partition is refused", nil, target("us-gov-west-1"), "", "", finding.OtherPartition},
		{"no Region is refused", nil, signin.Target{}, "", "", "no finding"},
		{"entries of another partition do not decide", []string{"/acsUrls", list(east, "https://signin.amazonaws-us-gov.com/saml")}, target("us-west-2"), list(west, east, "https://signin.amazonaws-us-gov.com/saml"), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := app(t, tt.edits...)
			changes, err := pingone.Codec{}.Retarget(doc, tt.target)
			if tt.code != "" {
				if err == nil || (tt.code != "no finding" && !finding.Is(err, tt.code)) {
					t.Errorf("got %v, want %s", err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			next, err := idp.Apply(doc, changes)
			if err != nil {
				t.Fatal(err)
			}
			want := doc.Raw
			for p, value := range map[idp.Pointer]string{"/acsUrls": tt.acs, "/defaultTargetUrl": tt.relay} {
				if value == "" {
					continue
				}
				if want, err = idp.Set(want, p, json.RawMessage(value)); err != nil {
					t.Fatal(err)
				}
			}
			if diff, err := idp.ChangedText(want, next.Raw, nil); err != nil || len(diff) > 0 {
				t.Errorf("%v, %v: became %s", diff, err, next.Raw)
			}
			if again, err := (pingone.Codec{}).Retarget(next, tt.target); err != nil || len(again) > 0 {
				t.Errorf("a second time: %v, %v", again, err)
			}
		})
	}
}

// anyList draws a list of different endpoints.
func anyList(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom([]string{east, west, ireland, alias, east + suffix, west + suffix,
		"https://us-east-2.signin.aws.amazon.com/saml"}), 1, 6, rapid.ID[string]).Draw(t, "acsUrls")
}

// spec 4.1: whatever the list was, the undo of a move restores its exact order.
func TestUndoRestoresTheExactOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		before := app(t, "/acsUrls", list(anyList(r)...), "/defaultTargetUrl", rapid.SampledFrom([]string{"null", `""`,
			`"https://us-east-1.console.aws.amazon.com/"`}).Draw(r, "relay"))
		to := rapid.SampledFrom([]string{"us-west-2", "eu-west-1", "us-east-1", "ap-south-1"}).Draw(r, "to")
		changes, err := pingone.Codec{}.Retarget(before, target(to))
		if err != nil {
			r.Fatal(err)
		}
		moved, err := idp.Apply(before, changes)
		if err != nil {
			r.Fatal(err)
		}
		if got := (pingone.Codec{}).Describe(moved); got.Region().String() != to {
			r.Fatalf("moved to %s", got.Region())
		}
		back, kept, err := idp.Invert(changes, moved)
		if err != nil || len(kept) > 0 {
			r.Fatal(err, kept)
		}
		after, err := idp.Apply(moved, back)
		if err != nil {
			r.Fatal(err)
		}
		if diff, err := idp.ChangedText(before.Raw, after.Raw, nil); err != nil || len(diff) > 0 {
			r.Fatalf("%v, %v: %s", diff, err, after.Raw)
		}
	})
}

// entryByEntry is the saboteur of TestLaterListEdits: the same move as one
// change per entry.
func entryByEntry(doc idp.Document, whole idp.Change) []idp.Change {
	var before, after []json.RawMessage
	_ = json.Unmarshal(whole.Before, &before)
	_ = json.Unmarshal(whole.After, &after)
	var out []idp.Change
	for i := range before {
		if string(before[i]) != string(after[i]) {
			out = append(out, idp.Change{Pointer: whole.Pointer.Child(string(rune('0' + i))), Before: before[i], After: after[i]})
		}
	}
	return out
}

// spec 4.1: an undo never drops, doubles or invents an endpoint of a list that
// somebody changed after the move; it keeps the list and says so. Entry by
// entry it would not hold.
func TestLaterListEdits(t *testing.T) {
	t.Parallel()
	before := app(t, "/acsUrls", list(east, ireland, west))
	changes, err := pingone.Codec{}.Retarget(before, target("us-west-2"))
	if err != nil || len(changes) != 1 {
		t.Fatal(changes, err)
	}
	lost := 0
	for name, later := range map[string][]string{
		"one added":      {west, east, ireland, "https://ap-south-1.signin.aws.amazon.com/saml"},
		"one removed":    {west, east},
		"order changed":  {east, west, ireland},
		"one replaced":   {west, "https://ap-south-1.signin.aws.amazon.com/saml", ireland},
		"foreign added":  {west, east, ireland, "https://evil.example/saml"},
		"first replaced": {"https://ap-south-1.signin.aws.amazon.com/saml", east, ireland},
	} {
		now := app(t, "/acsUrls", list(later...))
		back, kept, err := idp.Invert(changes, now)
		if err != nil || len(back) > 0 || len(kept) != 1 || kept[0].Code != finding.LaterEdit {
			t.Errorf("%s: %v, %v, %v", name, back, kept, err)
		}
		if undone, _, err := idp.Invert(entryByEntry(before, changes[0]), now); err == nil {
			next, err := idp.Apply(now, undone)
			if err != nil {
				t.Fatal(err)
			}
			if !sameEntries(t, now, next) {
				lost++
			}
		}
	}
	if lost == 0 {
		t.Error("the saboteur lost no endpoint: these edits prove nothing")
	}
}

// sameEntries reports whether two apps hold the same endpoints in any order.
func sameEntries(t *testing.T, a, b idp.Document) bool {
	entries := func(d idp.Document) []string {
		raw, _, err := idp.Get(d.Raw, "/acsUrls")
		var out []string
		if err != nil || json.Unmarshal(raw, &out) != nil {
			t.Fatal(err)
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(entries(a), entries(b))
}

// FuzzRetarget: whatever an app holds, what we would write is in the catalogue.
func FuzzRetarget(f *testing.F) {
	f.Add(east, west, "", "us-west-2")
	f.Add(east+suffix, west, "https://us-east-1.console.aws.amazon.com/x?region=us-east-1", "eu-west-1")
	f.Add("https://signin.aws.amazon.com@evil.example/saml", east, `https://console.aws.amazon.com\@evil.example/`, "us-east-1")
	f.Add(east, "https://evil.example/saml", "https://us-east-1.console.aws.amazon.com.evil.example/", "us-west-2")
	f.Add(alias, alias, "", "us-east-1")
	f.Fuzz(func(t *testing.T, first, second, relay, to string) {
		region, err := signin.ParseRegion(to)
		if err != nil {
			return
		}
		doc := app(t, "/acsUrls", "["+quoted(first)+","+quoted(second)+"]", "/defaultTargetUrl", quoted(relay))
		for _, set := range []bool{false, true} {
			changes, err := pingone.Codec{}.Retarget(doc, signin.Target{From: signin.MustRegion("us-east-1"), To: region, Relay: signin.RelayPolicy{SetWhenEmpty: set}})
			if err != nil && len(changes) > 0 {
				t.Fatalf("changes beside an error: %v, %v", changes, err)
			}
			for _, c := range changes {
				checkWritten(t, c, region)
			}
		}
	})
}

// checkWritten refuses a change that writes anything outside the catalogue.
func checkWritten(t *testing.T, c idp.Change, region signin.Region) {
	switch c.Pointer {
	case "/acsUrls":
		var values []string
		if json.Unmarshal(c.After, &values) != nil || len(values) == 0 {
			t.Fatalf("%s becomes %s", c.Pointer, c.After)
		}
		for i, value := range values {
			acs, err := signin.ParseACS(value)
			if err != nil || i == 0 && (acs.Region() != region || acs.String() != value) {
				t.Fatalf("entry %d becomes %q", i, value)
			}
		}
	case "/defaultTargetUrl":
		var value string
		_ = json.Unmarshal(c.After, &value)
		if r, ok := signin.RegionOfRelayState(value); !ok || r != region {
			t.Fatalf("%s becomes %s", c.Pointer, c.After)
		}
	default:
		t.Fatalf("changes %s", c.Pointer)
	}
}

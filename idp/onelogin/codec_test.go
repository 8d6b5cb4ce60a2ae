package onelogin_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/onelogin"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	east = "https://signin.aws.amazon.com/saml"
	west = "https://us-west-2.signin.aws.amazon.com/saml"
	// suffix is a provider's own endpoint.
	suffix = "/acs/SAMLP0123456789ABCDEFGHIJ"
	// every admits every Region of the partition aws, and nothing else's host.
	every = `^https:\/\/([a-z0-9-]+\.)?signin\.aws\.amazon\.com\/saml(\/acs\/[A-Z0-9]+)?$`

	inACS       = "/configuration/consumer_url"
	inRecipient = "/configuration/recipient"
	inValidator = "/configuration/validator"
	inRelay     = "/configuration/relaystate"
)

// custom is an app of the SAML custom connector as API v2 shows it, cut down to
// what matters, with the changes given as pointer, value pairs; the value ""
// deletes.
func custom(t testing.TB, edits ...string) idp.Document {
	t.Helper()
	raw := json.RawMessage(`{"id":928532,"name":"AWS prod","visible":true,"description":null,"auth_method":2,"policy_id":null,"connector_id":110016,"role_ids":[192513],
 "sso":{"acs_url":"https://acme.onelogin.com/trust/saml2/http-post/sso/928532"},"updated_at":"2026-05-16T19:20:34Z",
 "configuration":{"signature_algorithm":"SHA-256","certificate_id":123,"audience":"urn:amazon:webservices","consumer_url":"` + east + `","recipient":"` + east + `",
 "validator":` + quoted(every) + `,"relaystate":"","login":"https://acme.example/","logout_url":null,"saml_notonorafter":"3"},"parameters":{}}`)
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
	return idp.Document{ID: "928532", Raw: raw}
}

func quoted(s string) string { return string(idp.QuoteJSON(s)) }

func target(to string) signin.Target {
	return signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion(to)}
}

// spec 1.3, 1.4, 2.11
func TestDescribe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		edits   []string
		movable bool
		region  string
		codes   []finding.Code
	}{
		{"a plain app", nil, true, "us-east-1", nil},
		{"the alias host is understood", []string{inACS, quoted("https://us-east-1.signin.aws.amazon.com/saml")}, true, "us-east-1", nil}, // spec 1.2
		{"ACS and recipient disagree", []string{inRecipient, quoted(west)}, true, "us-east-1", []finding.Code{finding.ACSDisagrees}},
		{"foreign ACS", []string{inACS, `"https://evil.example/saml"`}, false, "", []finding.Code{finding.ForeignACS}},
		{"foreign recipient", []string{inRecipient, `"https://signin.aws.amazon.com:443/saml"`}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"ACS is empty", []string{inACS, `""`}, false, "", []finding.Code{finding.ForeignACS}},
		{"ACS is null", []string{inACS, `null`}, false, "", []finding.Code{finding.ForeignACS}},
		{"ACS is a list", []string{inACS, `["` + east + `"]`}, false, "", []finding.Code{finding.ForeignACS}},
		{"recipient is a list", []string{inRecipient, `["` + east + `"]`}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"recipient is empty", []string{inRecipient, `""`}, true, "us-east-1", []finding.Code{finding.RecipientEmpty}},
		{"recipient is absent", []string{inRecipient, ""}, true, "us-east-1", []finding.Code{finding.RecipientEmpty}},
		{"no validator", []string{inValidator, ""}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"null validator", []string{inValidator, "null"}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"validator admits everything", []string{inValidator, `".*"`}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"validator with open dots", []string{inValidator, quoted(`^https://signin.aws.amazon.com/saml$`)}, false, "us-east-1", []finding.Code{finding.ForeignACS}},
		{"validator refuses what is there", []string{inValidator, quoted(`^https://us-west-2\.signin\.aws\.amazon\.com/saml$`)}, true, "us-east-1", []finding.Code{finding.ACSValidator}},
		{"validator that is not understood", []string{inValidator, quoted(`^(?!x)https`)}, false, "us-east-1", []finding.Code{finding.ACSValidator}},
		{"sso.acs_url is OneLogin's own", []string{"/sso/acs_url", `"https://evil.example/"`}, true, "us-east-1", nil},
		{"a key in another spelling is not the ACS", []string{"/configuration/Consumer_URL", `"https://evil.example"`}, true, "us-east-1", nil},
		{"AWS Multi Role has no ACS", []string{"/connector_id", "50534", "/configuration", `{"provider_arn":null,"signature_algorithm":"SHA-1"}`}, false, "", []finding.Code{finding.UnsupportedKind}},
		{"AWS Multi Account has no ACS", []string{"/configuration", `{"idp_list":"arn:aws:iam::1:saml-provider/x"}`}, false, "", []finding.Code{finding.UnsupportedKind}},
		{"no configuration", []string{"/configuration", ""}, false, "", []finding.Code{finding.UnsupportedKind}},
		{"OIDC", []string{"/auth_method", "8", "/configuration", `{"redirect_uri":"x"}`}, false, "", []finding.Code{finding.NotSAML}},
		{"hidden apps work", []string{"/visible", "false"}, true, "us-east-1", nil},
		{"foreign RelayState", []string{inRelay, `"https://evil.example/"`}, true, "us-east-1", []finding.Code{finding.ForeignRelayState}},
		{"RelayState under its other name", []string{inRelay, "", "/configuration/relay", `"https://evil.example/"`}, true, "us-east-1", []finding.Code{finding.ForeignRelayState}},
		{"two RelayStates", []string{inRelay, quoted("https://console.aws.amazon.com/"), "/configuration/relay", quoted("https://console.aws.amazon.com/")}, false, "us-east-1", []finding.Code{finding.UnsupportedKind}},
		{"RelayState is a number", []string{inRelay, "7"}, false, "us-east-1", []finding.Code{finding.IdPAnswer}},
		{"null RelayState", []string{inRelay, "null"}, true, "us-east-1", nil},
		{"audience is an endpoint", []string{"/configuration/audience", quoted(east)}, true, "us-east-1", []finding.Code{finding.AudienceIsEndpoint}},
		{"duplicate key", nil, false, "", []finding.Code{finding.IdPAnswer}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := custom(t, tt.edits...)
			if tt.name == "duplicate key" {
				doc.Raw = json.RawMessage(strings.Replace(string(doc.Raw), `"saml_notonorafter":"3"`, `"consumer_url":"https://evil.example"`, 1))
			}
			app := onelogin.Codec{}.Describe(doc)
			var codes []finding.Code
			for _, f := range app.Findings {
				codes = append(codes, f.Code)
				if f.Subject == "" || f.What == "" || f.Remedy == "" {
					t.Errorf("finding without subject, what or remedy: %+v", f)
				}
			}
			if app.Movable != tt.movable || app.Region().String() != tt.region || !slices.Equal(codes, tt.codes) {
				t.Errorf("movable %v in %q with %v", app.Movable, app.Region(), app.Findings)
			}
			changes, err := onelogin.Codec{}.Retarget(doc, target("us-west-2"))
			if (err == nil) != tt.movable || (err != nil && len(changes) > 0) {
				t.Errorf("Retarget: %v, %v", changes, err)
			}
		})
	}
}

// The advice to move to the custom connector stands where an AWS connector
// keeps its endpoint to itself.
func TestMigrationAdvice(t *testing.T) {
	t.Parallel()
	doc := custom(t, "/connector_id", "50534", "/configuration", `{"provider_arn":null,"signature_algorithm":"SHA-1"}`)
	app := onelogin.Codec{}.Describe(doc)
	if app.Kind != "onelogin:connector-50534" || !strings.Contains(app.Findings[0].Remedy, "SAML Custom Connector (Advanced)") {
		t.Errorf("%s: %v", app.Kind, app.Findings)
	}
}

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
		{"both move together", nil, target("us-west-2"), map[idp.Pointer]string{inACS: west, inRecipient: west}, ""},
		{"only what is not there yet", []string{inACS, quoted(west)}, target("us-west-2"), map[idp.Pointer]string{inRecipient: west}, ""},
		{"an empty recipient stays empty", []string{inRecipient, `""`}, target("us-west-2"), map[idp.Pointer]string{inACS: west}, ""},
		{"nothing to do", nil, target("us-east-1"), nil, ""},
		{"the alias host stays when it names the target", []string{inRecipient, quoted("https://us-east-1.signin.aws.amazon.com/saml")}, target("us-east-1"), nil, ""},
		{"each field keeps its own provider suffix", []string{inACS, quoted(east + suffix)}, target("us-west-2"), map[idp.Pointer]string{inACS: west + suffix, inRecipient: west}, ""},
		{"an empty RelayState is set when asked", []string{inRelay, "null"}, set, map[idp.Pointer]string{inACS: west, inRecipient: west, inRelay: "https://us-west-2.console.aws.amazon.com/"}, ""},
		{"a key that is not there is not added", []string{inRelay, ""}, set, map[idp.Pointer]string{inACS: west, inRecipient: west}, ""},
		{"a RelayState moves", []string{inRelay, quoted(page)}, target("us-west-2"), map[idp.Pointer]string{inACS: west, inRecipient: west, inRelay: moved}, ""},
		{"a RelayState moves under its other name", []string{inRelay, "", "/configuration/relay", quoted(page)}, target("us-west-2"),
			map[idp.Pointer]string{inACS: west, inRecipient: west, "/configuration/relay": moved}, ""},
		{"another partition is refused", nil, target("us-gov-west-1"), nil, finding.OtherPartition},
		{"a validator that would refuse the target", []string{inValidator, quoted(`^https://(us-east-2\.)?signin\.aws\.amazon\.com/saml$`)}, target("us-west-2"), nil, finding.ACSValidator},
		{"a validator that knows no suffix", []string{inACS, quoted(east + suffix), inValidator, quoted(`^https://([a-z0-9-]+\.)?signin\.aws\.amazon\.com/saml$`)}, target("us-west-2"), nil, finding.ACSValidator},
		{"a validator that matches a part only", []string{inValidator, quoted(`^https://([a-z0-9-]+\.)?signin\.aws\.amazon\.com/`)}, target("us-west-2"), nil, finding.ACSValidator},
		{"a validator is not asked when nothing moves", []string{inValidator, quoted(`^https://us-west-2\.signin\.aws\.amazon\.com/saml$`)}, target("us-east-1"), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := custom(t, tt.edits...)
			changes, err := onelogin.Codec{}.Retarget(doc, tt.target)
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
			if again, err := (onelogin.Codec{}).Retarget(next, tt.target); err != nil || len(again) > 0 {
				t.Errorf("a second time: %v, %v", again, err)
			}
		})
	}
}

// spec 1.4: a federation learns before a move which Region an app's validator
// would refuse.
func TestObstacles(t *testing.T) {
	t.Parallel()
	all := signin.Regions(signin.AWS, true)
	if f := idp.Obstacles(onelogin.Codec{}, custom(t), all); len(f) > 0 {
		t.Errorf("the validator for every Region: %v", f)
	}
	narrow := custom(t, inValidator, quoted(`^https://((us-west-2|eu-west-1)\.)?signin\.aws\.amazon\.com/saml$`))
	regions := []signin.Region{signin.MustRegion("us-east-1"), signin.MustRegion("us-west-2"), signin.MustRegion("ap-south-1"), signin.MustRegion("eu-west-1")}
	f := idp.Obstacles(onelogin.Codec{}, narrow, regions)
	if again := idp.Obstacles(onelogin.Codec{}, custom(t, inACS, `"https://evil.example"`), regions); len(again) != 1 {
		t.Errorf("one reason for every Region is told %d times", len(again))
	}
	if len(f) != 1 || f[0].Code != finding.ACSValidator || !strings.Contains(f[0].What, "ap-south-1") {
		t.Errorf("%v", f)
	}
}

// FuzzRetarget: whatever an app holds, what we would write is in the catalogue.
func FuzzRetarget(f *testing.F) {
	f.Add(east, east, every, "", "us-west-2")
	f.Add(east+suffix, west, every, "https://us-east-1.console.aws.amazon.com/x?region=us-east-1", "eu-west-1")
	f.Add("https://signin.aws.amazon.com@evil.example/saml", east, ".*", `https://console.aws.amazon.com\@evil.example/`, "us-east-1")
	f.Add(east, "", every, "https://us-east-1.console.aws.amazon.com.evil.example/", "us-west-2")
	f.Fuzz(func(t *testing.T, acs, recipient, validator, relay, to string) {
		region, err := signin.ParseRegion(to)
		if err != nil {
			return
		}
		doc := custom(t, inACS, quoted(acs), inRecipient, quoted(recipient), inValidator, quoted(validator), inRelay, quoted(relay))
		for _, set := range []bool{false, true} {
			changes, err := onelogin.Codec{}.Retarget(doc, signin.Target{From: signin.MustRegion("us-east-1"), To: region, Relay: signin.RelayPolicy{SetWhenEmpty: set}})
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
				if r, ok := signin.RegionOfRelayState(value); !ok || r != region || c.Pointer != inRelay {
					t.Fatalf("%s becomes %q", c.Pointer, value)
				}
			}
		}
	})
}

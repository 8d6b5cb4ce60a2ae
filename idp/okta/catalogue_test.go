package okta_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/idptest"
	"github.com/samlfailover/samlfailover/idp/okta"
	sim "github.com/samlfailover/samlfailover/sandbox/okta"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signin"
)

// account is an Account Federation app with all overrides null, with the
// changes given as pointer, value pairs.
func account(t *testing.T, edits ...string) idp.Document {
	t.Helper()
	raw := json.RawMessage(`{"id":"0oa1","name":"amazon_aws","label":"AWS","status":"ACTIVE","signOnMode":"SAML_2_0","settings":{
 "app":{"secretKey":null,"accessKey":null,"overrideAcsURL":null,"awsEnvironmentType":"aws.amazon","loginURL":"https://console.aws.amazon.com/ec2/home"},
 "signOn":{"defaultRelayState":null,"ssoAcsUrlOverride":null,"audienceOverride":null,"recipientOverride":null,"destinationOverride":null,"attributeStatements":[]}}}`)
	for i := 0; i < len(edits); i += 2 {
		var err error
		if edits[i+1] == "" {
			raw, err = idp.Delete(raw, idp.Pointer(edits[i]))
		} else {
			raw, err = idp.Set(raw, idp.Pointer(edits[i]), json.RawMessage(edits[i+1]))
		}
		must(t, raw, err)
	}
	return idp.Document{ID: "0oa1", Raw: raw}
}

const (
	so     = "/settings/signOn/"
	envKey = "/settings/app/awsEnvironmentType"
)

// Which fields of a catalogue app move, and when it is refused.
//
// spec 1.4, 2.1
func TestAccountApps(t *testing.T) {
	t.Parallel()
	fieldAt, acsAt, recipientAt, destinationAt := string(field), so+"ssoAcsUrlOverride", so+"recipientOverride", so+"destinationOverride"
	all := func(values ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(values); i += 2 {
			out[values[i]] = values[i+1]
		}
		return out
	}
	tests := []struct {
		name   string
		edits  []string
		region string
		want   map[string]string // fields that a move to us-west-2 writes; nil = refused
		codes  []finding.Code
	}{
		{"nothing set: the standard endpoint, moved by the admin field", nil, "us-east-1", all(fieldAt, west), nil},
		{"empty texts are nothing", []string{fieldAt, `""`, acsAt, `""`}, "us-east-1", all(fieldAt, west), nil},
		{"absent keys are nothing", []string{fieldAt, "", acsAt, ""}, "us-east-1", all(fieldAt, west), nil},
		{"the admin field", []string{fieldAt, quoted(east)}, "us-east-1", all(fieldAt, west), nil},
		{"the admin field decides, a recipient beside it moves along", []string{fieldAt, quoted(east), recipientAt, quoted(east)}, "us-east-1", all(fieldAt, west, recipientAt, west), nil},
		{"the three overrides", []string{acsAt, quoted(east), recipientAt, quoted(east), destinationAt, quoted(east)}, "us-east-1",
			all(acsAt, west, recipientAt, west, destinationAt, west), nil},
		{"one override: a move sets all three", []string{acsAt, quoted(east)}, "us-east-1", all(acsAt, west, recipientAt, west, destinationAt, west), nil},
		{"a recipient without an ACS", []string{recipientAt, quoted(west)}, "us-east-1", all(acsAt, west, destinationAt, west), []finding.Code{finding.ACSDisagrees}},
		{"both ways, the same endpoint", []string{fieldAt, quoted(east), acsAt, quoted(east)}, "us-east-1", all(fieldAt, west, acsAt, west), nil},
		{"both ways, different Regions", []string{fieldAt, quoted(east), acsAt, quoted(west)}, "us-east-1", nil, []finding.Code{finding.ACSDisagrees, finding.ACSDisagrees}},
		{"both ways, different providers", []string{fieldAt, quoted(east), acsAt, quoted(east + suffix)}, "us-east-1", nil, []finding.Code{finding.ACSDisagrees}},
		{"a provider's own endpoint", []string{acsAt, quoted(east + suffix)}, "us-east-1", all(acsAt, west+suffix, recipientAt, west+suffix, destinationAt, west+suffix), nil},
		{"there already, by one override", []string{acsAt, quoted(west)}, "us-west-2", all(), nil},
		{"foreign field", []string{fieldAt, `"https://evil.example/saml"`}, "", nil, []finding.Code{finding.ForeignACS}},
		{"foreign destination", []string{acsAt, quoted(east), destinationAt, `"https://evil.example/saml"`}, "us-east-1", nil, []finding.Code{finding.ForeignACS}},
		{"an override that is no text", []string{acsAt, "7"}, "", nil, []finding.Code{finding.ForeignACS}},
		{"an unknown environment", []string{envKey, `"aws.gov"`}, "", nil, []finding.Code{finding.UnsupportedKind}},
		{"an unknown environment with an endpoint", []string{envKey, `"aws.gov"`, fieldAt, quoted(east)}, "us-east-1", all(fieldAt, west), nil},
		{"no environment", []string{envKey, ""}, "", nil, []finding.Code{finding.UnsupportedKind}},
		{"a custom app's key in it", []string{so + "ssoAcsUrl", quoted(east)}, "us-east-1", nil, []finding.Code{finding.UnsupportedKind}},
		{"browser plugin", []string{"/signOnMode", `"BROWSER_PLUGIN"`, "/settings/signOn", ""}, "", nil, []finding.Code{finding.NotSAML}},
		{"Identity Center", []string{"/name", `"amazon_aws_sso"`}, "", nil, []finding.Code{finding.UnsupportedKind}},
		{"another catalogue app", []string{"/name", `"pagerduty"`, acsAt, quoted(east)}, "us-east-1", nil, []finding.Code{finding.UnsupportedKind}},
		{"audience override is an endpoint", []string{so + "audienceOverride", quoted(east)}, "us-east-1", all(fieldAt, west), []finding.Code{finding.AudienceIsEndpoint}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := account(t, tt.edits...)
			app := proven().Describe(doc)
			var codes []finding.Code
			for _, f := range app.Findings {
				codes = append(codes, f.Code)
			}
			if app.Movable != (tt.want != nil) || app.Region().String() != tt.region && app.Movable || !slices.Equal(codes, tt.codes) {
				t.Errorf("movable %v in %q with %v", app.Movable, app.Region(), codes)
			}
			changes, err := proven().Retarget(doc, target("us-west-2"))
			if (err == nil) != (tt.want != nil) || len(changes) != len(tt.want) {
				t.Fatalf("%v, %v", changes, err)
			}
			for _, c := range changes {
				if string(c.After) != quoted(tt.want[string(c.Pointer)]) {
					t.Errorf("%s becomes %s", c.Pointer, c.After)
				}
			}
			next, err := idp.Apply(doc, changes)
			must(t, next, err)
			if again, err := proven().Retarget(next, target("us-west-2")); err == nil && len(again) > 0 {
				t.Errorf("a second time: %v", again)
			}
		})
	}
}

// spec 2.8: a kind that may hold secrets is watched, not written, until a
// person has tried it in this tenant; a custom app has none.
func TestUnprovenKindsAreNotWritten(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	w.app = w.addAccountApp(t, sim.AccountSettings{OverrideACS: east})
	w.tenant = w.newTenant(t, token)
	before := snapshot(t, w)
	for _, codec := range []okta.Codec{{}, {Proven: []string{okta.CustomKind, "amazon_aws"}}} {
		_, err := idp.Step(t.Context(), w.tenant, codec, w.app, target("us-west-2"), idp.Hooks{})
		if !finding.Is(err, finding.UnprovenKind) || !bytes.Equal(before, snapshot(t, w)) {
			t.Errorf("%+v: %v", codec, err)
		}
	}
	if app := (okta.Codec{}).Describe(idp.Document{ID: w.app, Raw: before}); app.Region().String() != "us-east-1" || app.RelayState != home {
		t.Errorf("it is watched all the same: %+v", app)
	}
	if app := (okta.Codec{}).Describe(custom(t)); !app.Movable {
		t.Errorf("a custom app needs no proof: %v", app.Findings)
	}
}

// nullStaysNull moves an app in which nothing is set and undoes it: every null
// is back (spec 2.1, 4.1).
func nullStaysNull(t *testing.T, c idp.Codec) (err error) {
	synctest.Test(t, func(t *testing.T) {
		w := emptyWorld(t)
		w.app = w.addAccountApp(t, sim.AccountSettings{})
		w.tenant = w.newTenant(t, token)
		before := snapshot(t, w)
		r, e := idp.Step(t.Context(), w.tenant, c, w.app, target("us-west-2"), idp.Hooks{})
		if err = e; err != nil {
			return
		}
		if app := c.Describe(idp.Document{ID: w.app, Raw: snapshot(t, w)}); app.Region().String() != "us-west-2" {
			err = fmt.Errorf("the app is in %s", app.Region())
			return
		}
		if _, err = idp.Undo(t.Context(), w.tenant, c, w.app, r.Changes, idp.Hooks{}); err != nil {
			return
		}
		if diff, e := idp.ChangedText(before, snapshot(t, w), c.Volatile()); e != nil || len(diff) > 0 {
			err = errors.Join(fmt.Errorf("after the undo these differ: %v", diff), e)
		}
	})
	return err
}

// emptier takes null for an empty text.
type emptier struct{ okta.Codec }

func (s emptier) Retarget(d idp.Document, to signin.Target) ([]idp.Change, error) {
	changes, err := s.Codec.Retarget(d, to)
	for i := range changes {
		if string(changes[i].Before) == "null" {
			changes[i].Before = json.RawMessage(`""`)
		}
	}
	return changes, err
}

// clearer forgets what was there before.
type clearer struct{ okta.Codec }

func (s clearer) Retarget(d idp.Document, to signin.Target) ([]idp.Change, error) {
	changes, err := s.Codec.Retarget(d, to)
	for i := range changes {
		changes[i].Before = nil
	}
	return changes, err
}

func TestNullStaysNull(t *testing.T) {
	t.Parallel()
	if err := nullStaysNull(t, proven()); err != nil {
		t.Error(err)
	}
	for name, saboteur := range map[string]idp.Codec{"null is an empty text": emptier{proven()}, "null is absent": clearer{proven()}} {
		if err := nullStaysNull(t, saboteur); err == nil {
			t.Errorf("saboteur %q passes", name)
		} else {
			t.Logf("saboteur %q caught: %v", name, err)
		}
	}
}

// Where null does not clear the field, an undo must not claim that it did.
func TestUndoIsHonestWhenNullDoesNotClear(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := emptyWorld(t)
		w.app = w.addAccountApp(t, sim.AccountSettings{})
		w.tenant = w.newTenant(t, token)
		r, err := idp.Step(t.Context(), w.tenant, proven(), w.app, target("us-west-2"), idp.Hooks{})
		must(t, r, err)
		w.org.SetReadings(sim.Readings{NullKeepsOverride: true})
		_, err = idp.Undo(t.Context(), w.tenant, proven(), w.app, r.Changes, idp.Hooks{})
		if !finding.Is(err, finding.LostUpdate) && !finding.Is(err, finding.NotVisible) {
			t.Errorf("undo: %v", err)
		}
		back := signin.Target{From: signin.MustRegion("us-west-2"), To: signin.MustRegion("us-east-1")}
		if _, err := idp.Step(t.Context(), w.tenant, proven(), w.app, back, idp.Hooks{}); err != nil {
			t.Errorf("a move home works under either reading: %v", err)
		}
	})
}

// Why the kind has to be proven: under one reading a write clears what nobody
// can read back, and no comparison can tell.
func TestSecretsUnderBothReadings(t *testing.T) {
	t.Parallel()
	for _, clears := range []bool{false, true} {
		w := emptyWorld(t)
		w.app = w.addAccountApp(t, sim.AccountSettings{OverrideACS: east})
		w.tenant = w.newTenant(t, token)
		w.org.SetReadings(sim.Readings{NullClearsSecrets: clears})
		w.org.SetSecret(string(w.app), "secretKey", "hush")
		if _, err := idp.Step(t.Context(), w.tenant, proven(), w.app, target("us-west-2"), idp.Hooks{}); err != nil {
			t.Fatal(err)
		}
		if _, kept := w.org.Secret(string(w.app), "secretKey"); kept == clears {
			t.Errorf("reading %v: secret kept %v", clears, kept)
		}
	}
}

// rewriter is a tenant behind a client that encodes what is sent its own way.
type rewriter struct {
	http.RoundTripper
	rewrite func(map[string]any)
}

func (s rewriter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPut {
		return s.RoundTripper.RoundTrip(r)
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	v := map[string]any{}
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	s.rewrite(v)
	if raw, err = json.Marshal(v); err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return s.RoundTripper.RoundTrip(again)
}

// sixKeys writes an attribute statement into an app that came without one of
// the six keys, and moves it: both must be stored.
func sixKeys(t *testing.T, rewrite func(map[string]any)) (err error) {
	synctest.Test(t, func(t *testing.T) {
		w := emptyWorld(t)
		w.app = w.addAccountApp(t, sim.AccountSettings{OverrideACS: east})
		edit(w, signOn+"/audienceOverride", nil)
		w.tenant = w.newTenant(t, token)
		if rewrite != nil {
			w.tenant = w.through(t, rewriter{w, rewrite})
		}
		statement := json.RawMessage(`[{"type":"EXPRESSION","name":"https://aws.amazon.com/SAML/Attributes/SourceIdentity","namespace":"urn:oasis:names:tc:SAML:2.0:attrname-format:uri","values":["user.login"]}]`)
		compute := func(now idp.Document, app idp.App) ([]idp.Change, []finding.Finding, error) {
			changes, err := proven().Retarget(now, target("us-west-2"))
			return append(changes, idp.Change{Pointer: signOn + "/attributeStatements", Before: json.RawMessage(`[]`), After: statement}), nil, err
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err = idp.StepChanges(ctx, w.tenant, lenient{proven()}, w.app, compute, idp.Hooks{})
	})
	return err
}

// lenient lets audienceOverride appear, which the app of this test came without.
type lenient struct{ okta.Codec }

func (l lenient) Volatile() []idp.Pointer {
	return append(l.Codec.Volatile(), signOn+"/audienceOverride")
}

func TestSixKeys(t *testing.T) {
	t.Parallel()
	if err := sixKeys(t, nil); err != nil {
		t.Error(err)
	}
	in := func(v map[string]any) map[string]any {
		return v["settings"].(map[string]any)["signOn"].(map[string]any)
	}
	for name, saboteur := range map[string]func(map[string]any){
		"leaves out one key": func(v map[string]any) { delete(in(v), "audienceOverride") },
		"leaves out nulls, as Okta's own SDK does": func(v map[string]any) {
			for k, e := range in(v) {
				if e == nil {
					delete(in(v), k)
				}
			}
		},
		"adds a custom app's key": func(v map[string]any) { in(v)["ssoAcsUrl"] = west },
	} {
		if err := sixKeys(t, saboteur); err == nil {
			t.Errorf("saboteur %q passes", name)
		} else {
			t.Logf("saboteur %q caught: %v", name, err)
		}
	}
}

// A custom app gets no override keys.
func TestCustomAppsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc, err := w.tenant.Read(t.Context(), w.app)
	must(t, doc, err)
	if err := w.tenant.Write(t.Context(), doc, nil); err != nil {
		t.Fatal(err)
	}
	if sent := string(w.Calls()[1].Body); strings.Contains(sent, "Override") {
		t.Errorf("sent %s", sent)
	}
}

// The decoys of a real org are listed and refused, each with its reason.
func TestDecoys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	decoys := w.org.AddDecoys()
	docs, err := w.tenant.List(t.Context())
	must(t, docs, err)
	got := map[string]string{}
	for _, d := range docs {
		app := proven().Describe(d)
		if err := app.Refusal(); err != nil {
			got[string(d.ID)] = err.Error()
		}
	}
	if len(docs) != 3 || !strings.Contains(got[decoys[0]], "BROWSER_PLUGIN") || !strings.Contains(got[decoys[1]], "Identity Center") || len(got) != 2 {
		t.Errorf("%d apps, refused: %v", len(docs), got)
	}
}

// FuzzAccountRetarget: whatever the four fields hold, what we would write is in
// the catalogue.
func FuzzAccountRetarget(f *testing.F) {
	f.Add(east, "", "", "us-west-2")
	f.Add("", west, east, "eu-west-1")
	f.Add(east, east, "", "us-east-1")
	f.Add("", "https://signin.aws.amazon.com@evil.example/saml", "", "us-west-2")
	f.Fuzz(func(t *testing.T, adminField, acs, recipient, to string) {
		region, err := signin.ParseRegion(to)
		if err != nil {
			return
		}
		doc := account(t, string(field), quoted(adminField), so+"ssoAcsUrlOverride", quoted(acs), so+"recipientOverride", quoted(recipient))
		changes, err := proven().Retarget(doc, signin.Target{From: signin.MustRegion("us-east-1"), To: region})
		if err != nil && len(changes) > 0 {
			t.Fatalf("changes beside an error: %v, %v", changes, err)
		}
		for _, c := range changes {
			var value string
			if json.Unmarshal(c.After, &value) != nil {
				t.Fatalf("%s becomes %s", c.Pointer, c.After)
			}
			if got, err := signin.ParseACS(value); err != nil || got.Region() != region || got.String() != value {
				t.Fatalf("%s becomes %q", c.Pointer, value)
			}
		}
	})
}

// FuzzKeys: no text given as a private key stops the program, and none shows in
// the refusal.
func FuzzKeys(f *testing.F) {
	f.Add("-----BEGIN EC PRIVATE KEY-----\nMARKER\n-----END EC PRIVATE KEY-----", "k")
	f.Add(`{"kty":"EC","kid":"k","crv":"P-256","x":"AA","y":"AA","d":"AA"}`, "")
	f.Add(`{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB","d":"AQAB","p":"Aw","q":"Aw"}`, "")
	f.Add(`{"keys":[{"kty":"RSA"},null]}`, "k")
	f.Fuzz(func(t *testing.T, text, id string) {
		_, err := (&world{Wire: &idptest.Wire{}}).connect(t, okta.Options{OAuth: &okta.OAuth{ClientID: "c", Key: secret.New(text), KeyID: id}})
		if err != nil && len(text) > 40 && strings.Contains(err.Error(), text) {
			t.Fatalf("the refusal shows the key: %v", err)
		}
	})
}

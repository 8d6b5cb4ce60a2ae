package move_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// edit is what another admin does to an app after the move, at each vendor:
// a value that a restore takes back, and one that it must leave.
var edits = map[string]idp.Change{
	"okta":     {Pointer: "/label", After: json.RawMessage(`"Renamed by somebody"`)},
	"ping":     {Pointer: "/description", After: json.RawMessage(`"written by somebody"`)},
	"onelogin": {Pointer: "/configuration/audience", After: json.RawMessage(`"urn:somebody"`)},
}

// spec 4.2: at each vendor the whole stored document goes back, what somebody
// else has edited since with it, and everything compares equal after.
func TestWholeDocumentGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVendorsWorld(t, 0)
		for tenant, edit := range edits {
			i := slices.IndexFunc(w.fed.Apps, func(a federation.AppRef) bool { return a.Tenant == tenant })
			v, id := w.vendors[tenant], idp.AppID(w.fed.Apps[i].ID)
			stored := readDoc(t, v, id)
			moved, err := idp.Step(t.Context(), v.Tenant, v.Codec, id, signin.Target{From: east, To: west}, idp.Hooks{})
			if err != nil {
				t.Fatalf("%s: %v", tenant, err)
			}
			now := readDoc(t, v, id)
			edit.Before, _, _ = idp.Get(now.Raw, edit.Pointer)
			if err := v.Tenant.Write(t.Context(), now, []idp.Change{edit}); err != nil {
				t.Fatalf("%s: the other admin's edit: %v", tenant, err)
			}
			live := readDoc(t, v, id)
			rows, err := idp.ThreeWay(v.Codec, stored, moved.Changes, live)
			if err != nil {
				t.Fatalf("%s: %v", tenant, err)
			}
			ours, theirs := 0, 0
			for _, r := range rows {
				switch {
				case r.Stays:
					t.Errorf("%s: %s stays: %s", tenant, r.Pointer, r.Live)
				case r.Ours && bytes.Equal(r.Wrote, r.Live):
					ours++
				case r.Pointer == edit.Pointer && r.Wrote == nil && bytes.Equal(r.Live, edit.After):
					theirs++
				default:
					t.Errorf("%s: %+v", tenant, r)
				}
			}
			if ours != len(moved.Changes) || theirs != 1 {
				t.Errorf("%s: %d of %d values are ours, %d theirs", tenant, ours, len(moved.Changes), theirs)
			}
			res, err := idp.Undo(t.Context(), v.Tenant, v.Codec, id, idp.Back(rows), idp.Hooks{})
			if err != nil || len(res.Findings) != 0 {
				t.Fatalf("%s: %v, %v", tenant, err, res.Findings)
			}
			if diff, err := idp.Changed(stored.Raw, readDoc(t, v, id).Raw, v.Codec.Volatile()); err != nil || len(diff) > 0 {
				t.Errorf("%s: %v differ from the stored document (%v)", tenant, diff, err)
			}
			w.refusesForeign(t, v, stored, live)
		}
	})
}

// refusesForeign tries stored documents that may not go back: saboteurs.
func (w *vendorsWorld) refusesForeign(t *testing.T, v move.Vendor, stored, live idp.Document) {
	t.Helper()
	bad := stored
	bad.Raw = bytes.ReplaceAll(stored.Raw, []byte("https://signin.aws.amazon.com/saml"), []byte("https://evil.example/saml"))
	if _, err := idp.ThreeWay(v.Codec, bad, nil, live); !finding.Is(err, finding.ForeignACS) || !strings.Contains(err.Error(), "the stored document") {
		t.Errorf("a stored foreign endpoint: %v", err)
	}
	if _, err := idp.ThreeWay(v.Codec, stored, nil, idp.Document{ID: live.ID, Raw: bad.Raw}); !finding.Is(err, finding.ForeignACS) {
		t.Errorf("an app that holds a foreign endpoint now: %v", err)
	}
	other := stored
	other.ID = "another"
	if _, err := idp.ThreeWay(v.Codec, other, nil, live); err == nil {
		t.Error("another app's document passes")
	}
}

// An edit after the comparison was shown is kept: what was approved is what was
// shown (spec 13.4).
func TestEditAfterTheComparisonIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVendorsWorld(t, 0)
		i := slices.IndexFunc(w.fed.Apps, func(a federation.AppRef) bool { return a.Tenant == "okta" })
		v, id := w.vendors["okta"], idp.AppID(w.fed.Apps[i].ID)
		stored := readDoc(t, v, id)
		rename := func(name string) {
			now := readDoc(t, v, id)
			c := edits["okta"]
			c.Before, _, _ = idp.Get(now.Raw, c.Pointer)
			c.After = idp.QuoteJSON(name)
			if err := v.Tenant.Write(t.Context(), now, []idp.Change{c}); err != nil {
				t.Fatal(err)
			}
		}
		rename("one")
		rows, err := idp.ThreeWay(v.Codec, stored, nil, readDoc(t, v, id))
		if err != nil || len(rows) != 1 {
			t.Fatalf("%+v %v", rows, err)
		}
		rename("two")
		res, err := idp.Undo(t.Context(), v.Tenant, v.Codec, id, idp.Back(rows), idp.Hooks{})
		if err != nil || !res.Already || len(res.Findings) != 1 || res.Findings[0].Code != finding.LaterEdit {
			t.Errorf("%+v %v", res.Findings, err)
		}
		if label, _, _ := idp.Get(readDoc(t, v, id).Raw, "/label"); string(label) != `"two"` {
			t.Errorf("the label is %s", label)
		}
	})
}

// Values that are the vendor's own, hold keys or steer people's access stay.
func TestWhatStays(t *testing.T) {
	t.Parallel()
	for tenant, c := range map[string]struct{ goes, stays []idp.Pointer }{
		"okta": {[]idp.Pointer{"/label", "/settings/signOn/ssoAcsUrl", "/visibility/hide/web"},
			[]idp.Pointer{"", "/id", "/status", "/created", "/credentials", "/credentials/signing/kid", "/accessibility/selfService", "/settings/app/secretKey", "/settings"}},
		"ping":     {[]idp.Pointer{"/acsUrls", "/description", "/name"}, []idp.Pointer{"", "/enabled", "/idpSigning/key/id", "/accessControl/group", "/environment", "/createdAt"}},
		"onelogin": {[]idp.Pointer{"/configuration/consumer_url", "/visible"}, []idp.Pointer{"", "/role_ids", "/name", "/configuration", "/configuration/certificate_id", "/policy_id"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			codec := newVendorsWorld(t, 0).vendors[tenant].Codec
			for _, p := range c.goes {
				if !idp.Restorable(codec, p) {
					t.Errorf("%s: %s stays", tenant, p)
				}
			}
			for _, p := range c.stays {
				if idp.Restorable(codec, p) {
					t.Errorf("%s: %q would be sent", tenant, p)
				}
			}
		})
	}
	rows := []idp.Difference{{Pointer: "/label", Stored: json.RawMessage(`1`)}, {Pointer: "/status", Stays: true}}
	if got := idp.Back(rows); len(got) != 1 || got[0].Pointer != "/label" {
		t.Errorf("%+v", got)
	}
	if f, ok := idp.StaysFinding("0oa1", rows); !ok || !strings.Contains(f.What, "/status") {
		t.Errorf("%v %v", f, ok)
	}
}

func readDoc(t *testing.T, v move.Vendor, id idp.AppID) idp.Document {
	t.Helper()
	doc, err := v.Tenant.Read(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

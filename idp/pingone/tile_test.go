package pingone_test

import (
	"testing"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/pingone"
)

// The tile is one key, which PingOne leaves out while nobody has set it.
// spec 2.10
func TestPublish(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why   string
		value string // of hiddenFromAppPortal; "" = absent
		show  bool
		after string
	}{
		{"shown", "true", true, "false"},
		{"hidden", "false", false, "true"},
		{"an absent key is a tile that is shown", "", true, ""},
		{"an absent key is added", "", false, "true"},
		{"hidden already", "true", false, "true"},
	} {
		doc := app(t)
		if c.value != "" {
			doc = app(t, "/hiddenFromAppPortal", c.value)
		}
		if got := (pingone.Codec{}).Describe(doc).Hidden; got != (c.value == "true") {
			t.Errorf("%s: described as hidden: %v", c.why, got)
		}
		changes, err := pingone.Codec{}.Publish(doc, c.show)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		next, err := idp.Apply(doc, changes)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if v, _, err := idp.Get(next.Raw, "/hiddenFromAppPortal"); err != nil || string(v) != c.after {
			t.Errorf("%s: becomes %s (%v)", c.why, v, err)
		}
	}
	for why, value := range map[string]string{"a text": `"true"`, "null": "null"} {
		if changes, err := (pingone.Codec{}).Publish(app(t, "/hiddenFromAppPortal", value), false); err == nil {
			t.Errorf("%s is replaced: %v", why, changes)
		}
	}
	if _, err := (pingone.Codec{}).Publish(app(t, "/acsUrls", list("https://evil.example/saml")), false); err == nil {
		t.Error("an app with a foreign endpoint is written")
	}
}

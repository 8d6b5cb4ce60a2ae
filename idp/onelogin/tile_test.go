package onelogin

import (
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/idp"
)

// A tile's write sends visible alone; beside a move it goes with the whole
// configuration. role_ids, which steer access, are never sent.
// spec 2.7, 2.10
func TestPublish(t *testing.T) {
	t.Parallel()
	shown := tiled(`"visible":true,`)
	hidden := tiled(`"visible":false,`)
	moved := idp.Change{Pointer: relayState, Before: []byte(`""`), After: []byte(`"x"`)}
	for _, c := range []struct {
		why  string
		doc  idp.Document
		show bool
		more []idp.Change
		want string // what is sent; "" = no change
	}{
		{"shown", hidden, true, nil, `{"visible":true}`},
		{"hidden", shown, false, nil, `{"visible":false}`},
		{"shown already", shown, true, nil, ""},
		{"hidden already", hidden, false, nil, ""},
		{"an absent key is a tile that is shown", tiled(""), true, nil, ""},
	} {
		if app := (Codec{}).Describe(c.doc); app.Hidden != (string(mustGet(t, c.doc, visible)) == "false") {
			t.Errorf("%s: described as %+v", c.why, app)
		}
		changes, err := Codec{}.Publish(c.doc, c.show)
		if err != nil || (len(changes) == 0) != (c.want == "") {
			t.Errorf("%s: %v %v", c.why, changes, err)
			continue
		}
		if c.want == "" {
			continue
		}
		if got, err := body(c.doc, changes); err != nil || string(got) != c.want {
			t.Errorf("%s: sends %s (%v)", c.why, got, err)
		}
	}
	both, err := Codec{}.Publish(hidden, true)
	if err != nil {
		t.Fatal(err)
	}
	got, err := body(hidden, append(both, moved))
	if err != nil || string(mustGet(t, idp.Document{Raw: got}, relayState)) != `"x"` || string(mustGet(t, idp.Document{Raw: got}, visible)) != "true" ||
		string(mustGet(t, idp.Document{Raw: got}, "/configuration/login")) != `"https://acme.example/"` || len(mustGet(t, idp.Document{Raw: got}, "/role_ids")) != 0 {
		t.Errorf("sends %s (%v)", got, err)
	}
	foreign := shown
	foreign.Raw = []byte(strings.Replace(string(shown.Raw), "https://signin.aws.amazon.com/saml", "https://evil.example/saml", 1))
	if _, err := (Codec{}).Publish(foreign, false); err == nil {
		t.Error("an app with a foreign endpoint is written")
	}
	if got, err := body(hidden, []idp.Change{{Pointer: "/role_ids", Before: []byte("[192513]"), After: []byte("[1]")}}); err == nil {
		t.Errorf("role_ids are sent: %s", got)
	}
}

// tiled is an app of the custom connector that says this of its tile.
func tiled(visible string) idp.Document {
	return idp.Document{ID: "928532", Raw: []byte(`{"id":928532,"name":"AWS prod",` + visible + `"auth_method":2,"connector_id":110016,"role_ids":[192513],
 "configuration":{"audience":"urn:amazon:webservices","consumer_url":"https://signin.aws.amazon.com/saml","recipient":"https://signin.aws.amazon.com/saml",
 "validator":"^https:\\/\\/([a-z0-9-]+\\.)?signin\\.aws\\.amazon\\.com\\/saml$","relaystate":"","login":"https://acme.example/"}}`)}
}

func mustGet(t *testing.T, doc idp.Document, p idp.Pointer) []byte {
	t.Helper()
	v, _, err := idp.Get(doc.Raw, p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

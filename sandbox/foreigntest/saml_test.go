package foreigntest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/portal"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

const (
	audience       = "urn:amazon:webservices"
	roleAttribute  = "https://aws.amazon.com/SAML/Attributes/Role"
	responseNode   = "urn:oasis:names:tc:SAML:2.0:protocol:Response"
	assertionNode  = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"
	otherRecipient = "https://us-west-2.signin.aws.amazon.com/saml"
)

// swap replaces a text in a signed response.
func swap(t *testing.T, response []byte, from, to string) []byte {
	t.Helper()
	out := bytes.ReplaceAll(response, []byte(from), []byte(to))
	if bytes.Equal(out, response) {
		t.Fatalf("the response does not hold %q", from)
	}
	return out
}

// forged is a response like the app's own, signed by a key that nobody knows;
// its KeyInfo vouches for that key.
func forged(t *testing.T, p place, app seed.App, user string) []byte {
	t.Helper()
	metadata := metadataOf(t, p, app)
	key, err := portal.NewKey("somebody else", nil)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := p.Demo().User(user)
	format := "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
	response, err := portal.Issuer{EntityID: metadata.EntityID, Key: key}.Issue(portal.Statement{
		NameID: user, Destination: app.ACS.String(), Recipient: app.ACS.String(), Audience: audience, SignResponse: true, SignAssertion: true,
		Attributes: []portal.Attribute{
			{Name: roleAttribute, Format: format, Values: []string{u.Roles[app.Label][0] + "," + app.Provider}},
			{Name: "https://aws.amazon.com/SAML/Attributes/RoleSessionName", Format: format, Values: []string{user}},
		}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// metadata is the part of an IdP's SAML metadata that verifiers need.
type metadata struct {
	text        string
	messages    bool   // the app signs the response as well as the assertion
	EntityID    string `xml:"entityID,attr"`
	Certificate string `xml:"IDPSSODescriptor>KeyDescriptor>KeyInfo>X509Data>X509Certificate"`
}

func metadataOf(t *testing.T, p place, app seed.App) metadata {
	t.Helper()
	text, err := p.Metadata(app.ID)
	if err != nil {
		t.Fatal(err)
	}
	// PingOne and OneLogin sign the assertion alone, which is what AWS asks for.
	m := metadata{text: string(text), messages: app.Tenant == seed.Okta}
	if err := xml.Unmarshal(text, &m); err != nil || m.EntityID == "" || m.Certificate == "" {
		t.Fatalf("%v in %s", err, text)
	}
	return m
}

// pointApp changes where an app of Okta sends its responses: some of ssoAcsUrl,
// recipient and destination, which have other names in a catalogue app.
func (p place) pointApp(t *testing.T, app seed.App, acs string, fields ...string) {
	t.Helper()
	err := p.Org().EditApp(app.ID, func(doc map[string]any) {
		settings, _ := doc["settings"].(map[string]any)
		signOn, _ := settings["signOn"].(map[string]any)
		for _, f := range fields {
			if _, catalogue := signOn[f+"Override"]; catalogue {
				f += "Override"
			}
			signOn[f] = acs
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// judgement is what the Python toolkit says.
type judgement struct {
	OK         bool                `json:"ok"`
	Why        string              `json:"why"`
	Name       string              `json:"name"`
	Attributes map[string][]string `json:"attributes"`
}

// onelogin starts Debian's Python, where python3-onelogin-saml2 lives.
func onelogin(t *testing.T) []string {
	t.Helper()
	python := tool(t, "/usr/bin/python3", "python3-onelogin-saml2")
	if err := exec.CommandContext(t.Context(), python, "-c", "import onelogin.saml2.response").Run(); err != nil {
		lacking(t, python+" has no module onelogin.saml2; on Debian: apt-get install python3-onelogin-saml2")
	}
	script, err := filepath.Abs(filepath.Join("testdata", "strict_provider.py"))
	if err != nil {
		t.Fatal(err)
	}
	return []string{python, "-B", script}
}

// judge has a response judged at acs.
func (p place) judge(t *testing.T, m metadata, acs string, response []byte) judgement {
	t.Helper()
	ask, err := json.Marshal(map[string]any{"response": response, "acs": acs, "audience": audience, "metadata": m.text, "messages": m.messages})
	if err != nil {
		t.Fatal(err)
	}
	a := p.feed(t, string(ask), onelogin(t)...)
	if a.code != 0 {
		t.Fatalf("exit code %d\n%s", a.code, a.err)
	}
	return decoded[judgement](t, a.out)
}

// spec 3
func TestOneLoginAcceptsThePortal(t *testing.T) {
	t.Parallel()
	onelogin(t)
	p := running(t)
	for _, app := range p.Demo().Apps {
		const user = "ada@acme.example"
		u, _ := p.Demo().User(user)
		got := p.judge(t, metadataOf(t, p, app), app.ACS.String(), p.signIn(t, app.Label, user).Assertion)
		var want []string
		for _, role := range u.Roles[app.Label] {
			want = append(want, role+","+app.Provider)
		}
		roles := got.Attributes[roleAttribute]
		for i, pair := range roles { // AWS takes either order
			if a, b, _ := strings.Cut(pair, ","); strings.Contains(a, ":saml-provider/") {
				roles[i] = b + "," + a
			}
		}
		slices.Sort(want)
		slices.Sort(roles)
		if !got.OK || got.Name != user || !slices.Equal(roles, want) {
			t.Errorf("%s: %+v, want the roles %v", app.Label, got, want)
		}
	}
}

// Saboteurs: what a strict service provider must refuse, with its reason.
func TestOneLoginRefusesSaboteurs(t *testing.T) {
	t.Parallel()
	onelogin(t)
	p := running(t)
	const user = "katherine@acme.example"
	app, other := p.Demo().Apps[0], p.Demo().Apps[1]
	m := metadataOf(t, p, app)
	response := p.signIn(t, app.Label, user).Assertion
	misdirected := func(fields ...string) []byte {
		p.pointApp(t, app, otherRecipient, fields...)
		defer p.pointApp(t, app, app.ACS.String(), fields...)
		return p.Login(t.Context(), app.Label, user).Assertion
	}
	const signature, confirmation, destination = "Signature validation failed", "A valid SubjectConfirmation was not found", "instead of " + otherRecipient
	for _, c := range []struct {
		why      string
		response []byte
		want     string
	}{
		{"another role after signing", swap(t, response, "payments-operator", "Administrator"), signature},
		{"another person after signing", swap(t, response, user, "mallory@acme.example"), signature},
		{"another recipient after signing", swap(t, response, `Recipient="`+app.ACS.String()+`"`, `Recipient="`+otherRecipient+`"`), confirmation},
		{"a longer life after signing", swap(t, response, "NotOnOrAfter=\"2", "NotOnOrAfter=\"3"), signature},
		{"signed for another recipient", misdirected("recipient"), confirmation},
		{"signed for another destination", misdirected("destination"), destination},
		{"a key that IAM does not know", forged(t, p, app, user), signature},
		{"the key of another app", p.signIn(t, other.Label, user).Assertion, "Invalid issuer"},
	} {
		if got := p.judge(t, m, app.ACS.String(), c.response); got.OK || !strings.Contains(got.Why, c.want) {
			t.Errorf("%s: %+v, want %q", c.why, got, c.want)
		}
	}
	if got := p.judge(t, m, app.ACS.String(), response); !got.OK {
		t.Errorf("what they all come from: %s", got.Why)
	}
}

// verifies says which of the two signatures of a response xmlsec1 accepts under
// the certificate of the metadata, and under no other.
func (p place) verifies(t *testing.T, m metadata, response []byte) (byResponse, byAssertion bool) {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(m.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, file := filepath.Join(dir, "idp.pem"), filepath.Join(dir, "response.xml")
	for path, text := range map[string][]byte{cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), file: response} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(parent string) bool {
		a := p.run(t, tool(t, "xmlsec1", "xmlsec1"), "--verify", "--pubkey-cert-pem", cert, "--enabled-key-data", "raw-x509-cert",
			"--enabled-reference-uris", "same-doc", "--id-attr:ID", responseNode, "--id-attr:ID", assertionNode,
			"--node-xpath", parent+"/*[local-name()='Signature']", file)
		if verdict := strings.HasPrefix(a.err, "OK\n"); (a.code == 0) != verdict {
			t.Fatalf("xmlsec1 contradicts itself: exit code %d\n%s%s", a.code, a.out, a.err)
		}
		return a.code == 0
	}
	const root = "/*[local-name()='Response']"
	return verify(root), verify(root + "/*[local-name()='Assertion']")
}

func TestXMLSecVerifiesBothSignatures(t *testing.T) {
	t.Parallel()
	tool(t, "xmlsec1", "xmlsec1")
	p := running(t)
	const user = "katherine@acme.example"
	app, other := p.Demo().Apps[0], p.Demo().Apps[1]
	m := metadataOf(t, p, app)
	response := p.signIn(t, app.Label, user).Assertion
	if err := signsItsParents(response); err != "" {
		t.Error(err)
	}
	for _, c := range []struct {
		why         string
		response    []byte
		byResponse  bool
		byAssertion bool
	}{
		{"as it came", response, true, true},
		{"another destination", swap(t, response, `Destination="`+app.ACS.String(), `Destination="`+otherRecipient), false, true},
		// Saboteurs: neither signature may stand.
		{"another recipient", swap(t, response, `Recipient="`+app.ACS.String(), `Recipient="`+otherRecipient), false, false},
		{"another role", swap(t, response, "payments-operator", "Administrator"), false, false},
		{"another audience", swap(t, response, audience, audience+":govcloud"), false, false},
		{"a key that IAM does not know", forged(t, p, app, user), false, false},
		{"the key of another app", p.signIn(t, other.Label, user).Assertion, false, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			if r, a := p.verifies(t, m, c.response); r != c.byResponse || a != c.byAssertion {
				t.Errorf("the response's signature: %v, want %v; the assertion's: %v, want %v", r, c.byResponse, a, c.byAssertion)
			}
		})
	}
}

// signsItsParents says what is wrong unless each signature refers to the
// element that it stands in: xmlsec1 verifies whatever a signature refers to.
func signsItsParents(response []byte) string {
	type signed struct {
		ID         string `xml:"ID,attr"`
		References []struct {
			URI string `xml:"URI,attr"`
		} `xml:"Signature>SignedInfo>Reference"`
	}
	var doc struct {
		signed
		Assertions []signed `xml:"Assertion"`
	}
	if err := xml.Unmarshal(response, &doc); err != nil {
		return err.Error()
	}
	if len(doc.Assertions) != 1 {
		return "not one assertion"
	}
	for name, s := range map[string]signed{"response": doc.signed, "assertion": doc.Assertions[0]} {
		if len(s.References) != 1 || s.ID == "" || s.References[0].URI != "#"+s.ID {
			return "the signature of the " + name + " signs something else"
		}
	}
	return ""
}

// Saboteurs: signatures that vouch for something else.
func TestSignsItsParents(t *testing.T) {
	t.Parallel()
	const signature = `<Signature><SignedInfo><Reference URI="#%"/></SignedInfo></Signature>`
	refer := func(id string) string { return strings.Replace(signature, "%", id, 1) }
	rows := map[string]string{
		"the response's refers to the assertion": `<Response ID="r">` + refer("a") + `<Assertion ID="a">` + refer("a") + `</Assertion></Response>`,
		"the assertion's refers to another one":  `<Response ID="r">` + refer("r") + `<Assertion ID="a">` + refer("b") + `</Assertion></Response>`,
		"no signature in the assertion":          `<Response ID="r">` + refer("r") + `<Assertion ID="a"></Assertion></Response>`,
		"no IDs":                                 `<Response>` + refer("") + `<Assertion>` + refer("") + `</Assertion></Response>`,
		"two assertions":                         `<Response ID="r">` + refer("r") + strings.Repeat(`<Assertion ID="a">`+refer("a")+`</Assertion>`, 2) + `</Response>`,
	}
	for _, why := range slices.Sorted(maps.Keys(rows)) {
		if signsItsParents([]byte(rows[why])) == "" {
			t.Errorf("%s: not seen", why)
		}
	}
	good := `<Response ID="r">` + refer("r") + `<Assertion ID="a">` + refer("a") + `</Assertion></Response>`
	if err := signsItsParents([]byte(good)); err != "" {
		t.Error(err)
	}
}

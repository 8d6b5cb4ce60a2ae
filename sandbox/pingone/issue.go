package pingone

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/portal"
)

// StartURL is the documented address at which sign-in to an application begins
// at PingOne; "" for an application that is not there or has no SAML.
func (t *Tenant) StartURL(appID string) string {
	a, ok := t.snapshot(appID)
	if !ok || jsontree.Text(a.doc, "spEntityId") == "" {
		return ""
	}
	return "https://" + t.atHost + startPath(a)
}

func startPath(a app) string {
	return "/" + a.env + "/saml20/idp/startsso?spEntityId=" + url.QueryEscape(jsontree.Text(a.doc, "spEntityId"))
}

// serveStart is sign-in that begins at PingOne.
func (t *Tenant) serveStart(w http.ResponseWriter, r *http.Request) {
	env, entityID := r.PathValue("env"), r.URL.Query().Get("spEntityId")
	pages := t.pages[env]
	if pages == nil {
		t.fail(w, notFound())
		return
	}
	id := ""
	t.mu.Lock()
	for _, a := range t.environment(env).apps {
		if jsontree.Text(a.doc, "protocol") == "SAML" && jsontree.Text(a.doc, "spEntityId") == entityID {
			id = a.id
		}
	}
	t.mu.Unlock()
	opens := tile{id, r.URL.Query().Get("applicationUrl")}.String()
	if pages.SignedIn(r) {
		pages.OpenTile(w, r, opens)
		return
	}
	flow := t.flows.begin(env, opens, time.Now())
	http.Redirect(w, r, "/"+env+"/signon/?"+url.Values{"environmentId": {env}, "flowId": {flow}, "fromURI": {r.URL.RequestURI()}}.Encode(), http.StatusFound)
}

// tile is what Pages hands back to Open: the application and the RelayState
// that the address asked for.
type tile struct{ app, target string }

func (t tile) String() string { return t.app + "\n" + t.target }

// serveNoRequest is the address in the metadata. AWS never sends a request for
// sign-in, so one is refused.
func serveNoRequest(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "the sandbox's PingOne only knows sign-in that starts at PingOne", http.StatusBadRequest)
}

// serveMetadata is public, as in PingOne.
func (t *Tenant) serveMetadata(w http.ResponseWriter, r *http.Request) {
	a, ok := t.appOf(r)
	if !ok {
		t.fail(w, notFound())
		return
	}
	metadata, err := t.Metadata(a.id)
	if err != nil {
		t.fail(w, internal())
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(metadata)
}

// Metadata returns the SAML metadata of an application for IAM's SAML provider.
// PingOne's issuer belongs to the environment; the certificate is the one that
// the application signs with now.
func (t *Tenant) Metadata(appID string) ([]byte, error) {
	a, ok := t.snapshot(appID)
	if !ok || jsontree.Text(a.doc, "protocol") != "SAML" {
		return nil, fmt.Errorf("SAML metadata of app %s in PingOne: there is no such SAML app", appID)
	}
	issuer, err := t.issuer(a)
	if err != nil {
		return nil, fmt.Errorf("SAML metadata of app %s in PingOne: %w", appID, err)
	}
	return issuer.Metadata(), nil
}

// issuer is the environment as a SAML identity provider, with the key that the
// application asks for.
func (t *Tenant) issuer(a app) (portal.Issuer, error) {
	keyID := jsontree.Text(a.doc, "idpSigning", "key", "id")
	t.mu.Lock()
	e := t.environment(a.env)
	k, ok := e.key(cmp.Or(keyID, e.keys[0].id))
	t.mu.Unlock()
	if !ok {
		return portal.Issuer{}, fmt.Errorf("the environment has no signing key %s", keyID)
	}
	key, err := k.key()
	if err != nil {
		return portal.Issuer{}, err
	}
	base := "https://" + t.atHost + "/" + a.env
	return portal.Issuer{EntityID: base, SSOURL: base + "/saml20/idp/sso", Key: key}, nil
}

// directory shows one environment to its sign-on pages.
type directory struct {
	t   *Tenant
	env string
}

// Authenticate compares the password.
func (d directory) Authenticate(login, password string) (string, bool) {
	return d.t.people[d.env].Authenticate(login, password)
}

// Tiles lists the person's SAML applications that are enabled and not hidden.
func (d directory) Tiles(login string) []portal.Tile {
	u, _ := d.t.people[d.env].Find(login)
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	var out []portal.Tile
	for _, a := range d.t.environment(d.env).apps {
		_, assigned := u.Apps[a.id]
		if assigned && jsontree.Text(a.doc, "protocol") == "SAML" && a.doc["enabled"] == true && a.doc["hiddenFromAppPortal"] != true {
			out = append(out, portal.Tile{ID: a.id, Label: jsontree.Text(a.doc, "name"), Href: startPath(*a)})
		}
	}
	return out
}

// Open issues a response from what the application's JSON says now.
func (d directory) Open(login, tileID string) (portal.Form, error) {
	id, target, _ := strings.Cut(tileID, "\n")
	u, _ := d.t.people[d.env].Find(login)
	assignment, assigned := u.Apps[id]
	a, ok := d.t.snapshot(id)
	a.doc = a.signsOnWith(time.Now())
	name := jsontree.Text(a.doc, "name")
	switch {
	case !ok || a.env != d.env:
		return portal.Form{}, &portal.Refusal{Status: http.StatusNotFound, Why: "No application of this environment has that spEntityId."}
	case !assigned:
		return portal.Form{}, &portal.Refusal{Status: http.StatusForbidden, Why: "You do not have access to this application."}
	case a.doc["enabled"] != true:
		return portal.Form{}, &portal.Refusal{Status: http.StatusForbidden, Why: fmt.Sprintf("The application %q is not enabled.", name)}
	}
	return d.t.form(a, visitor{u, assignment}, target)
}

// form is what the browser posts to AWS.
func (t *Tenant) form(a app, v visitor, target string) (portal.Form, error) {
	form := portal.Form{Label: jsontree.Text(a.doc, "name"), RelayState: cmp.Or(target, jsontree.Text(a.doc, "defaultTargetUrl"))}
	form.Action = t.acs(a.doc)
	statement, err := v.statement(a, form.Action)
	if err != nil {
		return form, &portal.Refusal{Status: http.StatusBadRequest, Why: fmt.Sprintf("The application %q cannot sign you in: %v.", form.Label, err)}
	}
	issuer, err := t.issuer(a)
	if err != nil {
		return form, err
	}
	form.Response, err = issuer.Issue(statement, time.Now())
	return form, err
}

// acs is where sign-in goes: the first of acsUrls.
func (t *Tenant) acs(doc object) string {
	if override := jsontree.Text(doc, "template", "configuration", "acsUrl"); t.o.Readings.TemplateOverridesACS && override != "" {
		return override
	}
	if list := jsontree.List(doc, "acsUrls"); len(list) > 0 {
		s, _ := list[0].(string)
		return s
	}
	return ""
}

// visitor is a person who opens one application.
type visitor struct {
	person.User
	person.Assignment
}

// statement reads an application's settings into what its response says.
// Recipient and Destination are the chosen ACS: there is no field for them.
func (v visitor) statement(a app, acs string) (portal.Statement, error) {
	s := portal.Statement{NameIDFormat: jsontree.Text(a.doc, "nameIdFormat"), Destination: acs, Recipient: acs,
		Audience: jsontree.Text(a.doc, "spEntityId"), SignResponse: a.doc["responseSigned"] == true, SignAssertion: a.doc["assertionSigned"] != false}
	algorithm := jsontree.Text(a.doc, "idpSigning", "algorithm")
	duration, ok := whole(a.doc["assertionDuration"])
	switch {
	case acs == "":
		return s, fmt.Errorf("it has no ACS URL")
	case algorithm != "" && algorithm != "SHA256withRSA":
		return s, fmt.Errorf("its signing algorithm is %s, and this sandbox signs with SHA256withRSA only", algorithm)
	case !s.SignResponse && !s.SignAssertion:
		return s, fmt.Errorf("neither the response nor the assertion would be signed")
	case jsontree.Sub(a.doc, "virtualServerIdSettings")["enabled"] == true:
		return s, fmt.Errorf("it uses virtual server ids, which this sandbox does not know")
	case !ok || duration < 1:
		return s, fmt.Errorf("its assertionDuration is no whole number of seconds")
	}
	s.Life = time.Duration(duration) * time.Second
	if session, ok := whole(a.doc["sessionNotOnOrAfterDuration"]); ok {
		s.SessionLife = time.Duration(session) * time.Second
	}
	for _, m := range a.mappings {
		values, err := v.evaluate(jsontree.Text(m.doc, "value"))
		name := jsontree.Text(m.doc, "name")
		if err == nil && len(values) == 0 && m.doc["required"] == true {
			err = fmt.Errorf("it is required and you have no such value")
		}
		if err != nil {
			return s, fmt.Errorf("attribute %s: %w", name, err)
		}
		if jsontree.Text(m.doc, "mappingType") == "CORE" {
			s.NameID = strings.Join(values, "")
			continue
		}
		s.Attributes = append(s.Attributes, portal.Attribute{Name: name, Format: jsontree.Text(m.doc, "nameFormat"), Values: values})
	}
	s.NameID = cmp.Or(s.NameID, v.Login)
	s.Attributes = v.Complete(s.Attributes)
	return s, nil
}

// placeholder finds ${user.<path>} in a mapping's value.
func placeholder() *regexp.Regexp { return regexp.MustCompile(`\$\{([^}]*)\}`) }

// evaluate knows constants and ${user.<path>}, also inside a longer text. The
// attribute awsRoles is this sandbox's own and has one value per role; an
// attribute that the person does not have is empty and is not sent.
func (v visitor) evaluate(value string) ([]string, error) {
	if value == "${user.awsRoles}" {
		return v.RoleValues(), nil
	}
	var bad error
	out := placeholder().ReplaceAllStringFunc(value, func(p string) string {
		path, isUser := strings.CutPrefix(p[2:len(p)-1], "user.")
		if !isUser {
			bad = fmt.Errorf("this sandbox cannot evaluate %s", p)
		}
		return v.profile(path)
	})
	if bad != nil || out == "" {
		return nil, bad
	}
	return []string{out}, nil
}

// profile is one attribute of the person.
func (v visitor) profile(path string) string {
	switch path {
	case "username", "email":
		return v.Login
	case "id":
		return uuid("user " + v.Login)
	case "name.given":
		return v.FirstName
	case "name.family":
		return v.LastName
	case "awsSourceIdentity":
		return v.SourceIdentity
	}
	return ""
}

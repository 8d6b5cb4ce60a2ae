package onelogin

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/person"
	"github.com/samlfailover/samlfailover/sandbox/portal"
)

// fixedACS is where AWS's own connectors send people (their GovCloud versions
// are connectors of their own).
const fixedACS = "https://signin.aws.amazon.com/saml"

// Metadata returns the SAML metadata of an app for IAM's SAML provider: the
// app's own issuer, and the certificate that it signs with now.
func (t *Tenant) Metadata(appID string) ([]byte, error) {
	a, ok := t.snapshot(appID)
	if !ok || !isSAML(a.doc) {
		return nil, fmt.Errorf("SAML metadata of app %s in %s: there is no such SAML app", appID, t.host)
	}
	issuer, err := t.issuer(a)
	if err != nil {
		return nil, fmt.Errorf("SAML metadata of app %s in %s: %w", appID, t.host, err)
	}
	return issuer.Metadata(), nil
}

// serveMetadata serves what sso.metadata_url names, at the account's own host.
func (t *Tenant) serveMetadata(w http.ResponseWriter, r *http.Request) {
	id := ""
	t.mu.Lock()
	for _, a := range t.apps {
		if strings.HasSuffix(jsontree.Text(a.doc, "sso", "metadata_url"), "/"+r.PathValue("uuid")) {
			id = a.id
		}
	}
	t.mu.Unlock()
	metadata, err := t.Metadata(id)
	if err != nil {
		t.fail(w, notFound())
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(metadata)
}

func isSAML(doc object) bool {
	n, ok := whole(doc["auth_method"])
	return ok && n == 2
}

// issuer is the app as a SAML identity provider.
func (t *Tenant) issuer(a app) (portal.Issuer, error) {
	n, ok := number(jsontree.Sub(a.doc, "sso", "certificate")["id"])
	t.mu.Lock()
	c, known := t.cert(n)
	t.mu.Unlock()
	entity := jsontree.Text(a.doc, "sso", "issuer")
	if !ok || !known || entity == "" {
		return portal.Issuer{}, errors.New("the app has no issuer or no certificate of this account")
	}
	return portal.Issuer{EntityID: entity, SSOURL: "https://" + t.host + "/trust/saml2/http-post/sso/" + a.id, Key: c.key}, nil
}

// serveSSO is sso.acs_url, OneLogin's own endpoint: it opens the app too. AWS
// never sends a request for sign-in, so one is refused.
func (t *Tenant) serveSSO(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Query().Has("SAMLRequest") {
		http.Error(w, "the sandbox's OneLogin only knows sign-in that starts at the portal", http.StatusBadRequest)
		return
	}
	t.pages.OpenTile(w, r, r.PathValue("id"))
}

// directory shows the account to its portal pages.
type directory struct{ t *Tenant }

// Authenticate compares the password.
func (d directory) Authenticate(login, password string) (string, bool) {
	return d.t.people.Authenticate(login, password)
}

// Tiles lists the person's visible SAML apps.
func (d directory) Tiles(login string) []portal.Tile {
	u, _ := d.t.people.Find(login)
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	var out []portal.Tile
	for _, a := range d.t.apps {
		if d.t.holds(u, a) && isSAML(a.doc) && a.doc["visible"] == true {
			out = append(out, portal.Tile{ID: a.id, Label: jsontree.Text(a.doc, "name"), Href: "/launch/" + a.id})
		}
	}
	return out
}

// holds says whether a person has an app: assigned, and through a role that the
// app still names. The caller holds mu.
func (t *Tenant) holds(u person.User, a *app) bool {
	_, assigned := u.Apps[a.id]
	return assigned && slices.ContainsFunc(roleIDs(a.doc), func(id string) bool { return slices.Contains(t.roles[lower(u.Login)], id) })
}

// Open issues a response from what the app's JSON says now.
func (d directory) Open(login, appID string) (portal.Form, error) {
	u, _ := d.t.people.Find(login)
	a, ok := d.t.snapshot(appID)
	d.t.mu.Lock()
	holds := ok && d.t.holds(u, &a)
	d.t.mu.Unlock()
	a.doc = a.signsOnWith(time.Now())
	label := jsontree.Text(a.doc, "name")
	switch {
	case !holds:
		return portal.Form{}, &portal.Refusal{Status: http.StatusForbidden, Why: "You do not have access to this app."}
	case !isSAML(a.doc):
		return portal.Form{}, &portal.Refusal{Status: http.StatusBadRequest, Why: fmt.Sprintf("The app %q does not sign in with SAML.", label)}
	}
	return d.t.form(a, visitor{u, u.Apps[appID]})
}

// form is what the browser posts to AWS.
func (t *Tenant) form(a app, v visitor) (portal.Form, error) {
	form := portal.Form{Label: jsontree.Text(a.doc, "name"), RelayState: relayState(a.doc)}
	statement, acs, err := t.statement(a.doc, v)
	if err != nil {
		return form, &portal.Refusal{Status: http.StatusBadRequest, Why: fmt.Sprintf("The app %q cannot sign you in: %v.", form.Label, err)}
	}
	issuer, err := t.issuer(a)
	if err != nil {
		return form, err
	}
	form.Action = acs
	form.Response, err = issuer.Issue(statement, time.Now())
	return form, err
}

// relayState is relaystate, or relay as the older name (onelogin-go-sdk v1).
func relayState(doc object) string {
	c := jsontree.Sub(doc, "configuration")
	return cmp.Or(jsontree.Text(c, "relaystate"), jsontree.Text(c, "relay"))
}

// visitor is a person who opens one app.
type visitor struct {
	person.User
	person.Assignment
}

// statement reads an app's settings into what its response says, and the ACS.
func (t *Tenant) statement(doc object, v visitor) (s portal.Statement, acs string, err error) {
	c := jsontree.Sub(doc, "configuration")
	if algorithm := jsontree.Text(c, "signature_algorithm"); algorithm != "SHA-256" {
		return s, "", fmt.Errorf("its signature_algorithm is %q, and this sandbox signs with SHA-256 only", algorithm)
	}
	if _, custom := c["consumer_url"]; custom {
		acs, err = t.fillCustom(&s, c)
	} else {
		acs, s.Recipient, s.Audience, s.SignAssertion = fixedACS, fixedACS, awsAudience, true
	}
	if err != nil {
		return s, "", err
	}
	s.Destination = acs // there is no field for it
	return s, acs, v.fill(&s, doc)
}

// fillCustom fills in the settings of the custom connector. What the numbers
// mean is console knowledge: sign element 0 response, 1 assertion, 2 both; name
// id format 0 email, 1 transient, 2 unspecified, 3 persistent.
func (t *Tenant) fillCustom(s *portal.Statement, c object) (acs string, err error) {
	acs = jsontree.Text(c, "consumer_url")
	s.Recipient, s.Audience = cmp.Or(jsontree.Text(c, "recipient"), acs), jsontree.Text(c, "audience")
	minutes, ok := number(c["saml_notonorafter"])
	s.Life = time.Duration(minutes) * time.Minute
	if session, ok := number(c["saml_sessionnotonorafter"]); ok {
		s.SessionLife = time.Duration(session) * time.Minute
	}
	element := fmt.Sprint(c["saml_sign_element"])
	s.SignResponse, s.SignAssertion = element == "0" || element == "2", element == "1" || element == "2"
	formats := map[string]string{"0": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "1": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
		"2": portal.UnspecifiedNameID, "3": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"}
	s.NameIDFormat = formats[fmt.Sprint(c["saml_nameid_format_id"])]
	switch {
	case !strings.HasPrefix(acs, "http"):
		return "", errors.New("it has no ACS (Consumer) URL")
	case !t.o.Readings.ValidatorIgnored && !admits(c):
		return "", errors.New("its ACS (Consumer) URL does not match its ACS (Consumer) URL Validator")
	case !ok || minutes < 1:
		return "", errors.New("its saml_notonorafter is no number of minutes")
	case fmt.Sprint(c["encrypt_assertion"]) == "1":
		return "", errors.New("it encrypts its assertion, which this sandbox cannot")
	}
	return acs, nil
}

// fill adds the name id and the attributes.
func (v visitor) fill(s *portal.Statement, doc object) error {
	all := jsontree.Sub(doc, "parameters")
	id, _ := whole(doc["connector_id"])
	brought := broughtParameters(int(id))
	s.NameID = v.Login
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p, _ := all[name].(object)
		values, err := v.evaluate(p)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		}
		_, always := brought[name]
		switch {
		case name == nameID:
			s.NameID = cmp.Or(strings.Join(values, ""), v.Login)
		case p["include_in_saml_assertion"] == true || always:
			s.Attributes = append(s.Attributes, portal.Attribute{Name: name, Values: values})
		}
	}
	s.Attributes = v.Complete(s.Attributes)
	return nil
}

// evaluate knows the mappings that AWS apps use. An attribute that the person
// does not have is empty and is not sent (as if skip_if_blank were set).
func (v visitor) evaluate(p object) ([]string, error) {
	if p["attributes_transformations"] == "amazon_roles" {
		return v.RoleValues(), nil
	}
	mapping, _ := p["user_attribute_mappings"].(string)
	switch mapping {
	case "_macro_":
		return v.macro(jsontree.Text(p, "user_attribute_macros"))
	case "", "none":
		return texts(p["values"], p["default_values"]), nil
	case "custom_attribute_awsroles":
		return v.RoleValues(), nil
	case "email", "username", "firstname", "lastname":
		return texts(v.profile()["{"+mapping+"}"]), nil
	}
	if strings.HasPrefix(mapping, "custom_attribute_") {
		return nil, nil
	}
	return nil, fmt.Errorf("this sandbox cannot evaluate the mapping %q", mapping)
}

func (v visitor) profile() map[string]string {
	return map[string]string{"{email}": v.Login, "{username}": v.Login, "{firstname}": v.FirstName, "{lastname}": v.LastName}
}

// macro fills in {email} and its like.
func (v visitor) macro(text string) ([]string, error) {
	for name, value := range v.profile() {
		text = strings.ReplaceAll(text, name, value)
	}
	if strings.Contains(text, "{") {
		return nil, fmt.Errorf("this sandbox cannot evaluate the macro %q", text)
	}
	return texts(text), nil
}

// texts returns the first of its arguments that is not blank: a text, or a list
// of texts.
func texts(candidates ...any) []string {
	for _, c := range candidates {
		switch c := c.(type) {
		case string:
			if c != "" {
				return []string{c}
			}
		case []any:
			var out []string
			for _, e := range c {
				if s, ok := e.(string); ok {
					out = append(out, s)
				}
			}
			if len(out) > 0 {
				return out
			}
		}
	}
	return nil
}

// serveAssertion is POST /api/2/saml_assertion: the response that the portal
// would send, for a person whose password the caller has.
func (t *Tenant) serveAssertion(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		t.fail(w, wrongMethod())
		return
	}
	sent, refused := readObject(w, r)
	if refused != nil {
		t.fail(w, refused)
		return
	}
	for _, k := range []string{"username_or_email", "password", "app_id", "subdomain"} {
		if jsontree.Text(sent, k) == "" {
			t.fail(w, &apiError{status: http.StatusBadRequest, message: fmt.Sprintf("%q is required and must be a string", k)})
			return
		}
	}
	login, ok := t.people.Authenticate(jsontree.Text(sent, "username_or_email"), jsontree.Text(sent, "password"))
	t.mu.Lock()
	t.tries[lower(jsontree.Text(sent, "username_or_email"))]++
	t.mu.Unlock()
	id := jsontree.Text(sent, "app_id")
	switch _, exists := t.snapshot(id); {
	case jsontree.Text(sent, "subdomain") != t.o.Subdomain || !ok:
		t.fail(w, unauthorized("Authentication Failed: Invalid user credentials"))
		return
	case !exists:
		t.fail(w, notFound())
		return
	}
	if t.asksFactor(login) {
		writeJSON(w, http.StatusOK, encode(t.factorWanted(login)))
		return
	}
	form, err := directory{t}.Open(login, id)
	if err != nil {
		t.fail(w, &apiError{status: http.StatusForbidden, message: err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, encode(object{"data": base64.StdEncoding.EncodeToString(form.Response), "message": "Success"}))
}

func (t *Tenant) asksFactor(login string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mfa[lower(login)]
}

// factorWanted is the documented answer where a second factor is missing.
// Taking one is not simulated.
func (t *Tenant) factorWanted(login string) object {
	return object{"state_token": newToken()[:40], "message": "MFA is required for this user",
		"devices":      []any{object{"device_id": 666666, "device_type": "Google Authenticator"}},
		"callback_url": "https://" + t.host + "/api/2/saml_assertion/verify_factor",
		"user":         object{"id": 88888888, "username": login, "email": login}}
}

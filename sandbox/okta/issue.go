package okta

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
	"github.com/samlfailover/samlfailover/sandbox/portal"
)

const (
	defaultIssuer = "http://www.okta.com/${org.externalKey}"
	defaultACS    = "https://signin.aws.amazon.com/saml" // of awsEnvironmentType aws.amazon
)

// missing says that something named does not exist.
type missing struct{ what, kind string }

func (n *missing) Error() string { return "there is no " + n.what }

// Metadata returns the SAML metadata of an app: its own issuer and its current
// signing key, for IAM's SAML provider.
func (o *Org) Metadata(appID string) ([]byte, error) {
	m, err := o.metadata(appID, "")
	if err != nil {
		return nil, fmt.Errorf("SAML metadata of app %s in %s: %w", appID, o.o.Host, err)
	}
	return m, nil
}

// metadata takes a key id, "" for the current one.
func (o *Org) metadata(appID, keyID string) ([]byte, error) {
	a, ok := o.snapshot(appID)
	if !ok {
		return nil, &missing{"such app", "AppInstance"}
	}
	if keyID == "" {
		keyID = kid(a.doc)
	}
	if a.keys[keyID] == nil {
		return nil, &missing{"such signing key", "JsonWebKey"}
	}
	issuer, err := o.issuer(a, keyID)
	if err != nil {
		return nil, err
	}
	return issuer.Metadata(), nil
}

// issuer is the app as a SAML identity provider.
func (o *Org) issuer(a app, keyID string) (portal.Issuer, error) {
	key, err := a.keys[keyID]()
	if err != nil {
		return portal.Issuer{}, err
	}
	entity := jsontree.Text(a.doc, "settings", "signOn", "idpIssuer")
	if entity == "" {
		entity = defaultIssuer
	}
	return portal.Issuer{
		EntityID: strings.ReplaceAll(entity, "${org.externalKey}", a.externalKey),
		SSOURL:   "https://" + o.o.Host + "/app/" + jsontree.Text(a.doc, "name") + "/" + a.externalKey + "/sso/saml",
		Key:      key,
	}, nil
}

// serveSSO is the address in the metadata: the same as the app link. AWS never
// sends a request for sign-in, so one is refused.
func (o *Org) serveSSO(w http.ResponseWriter, r *http.Request) {
	id := ""
	o.mu.Lock()
	for _, a := range o.apps {
		if a.externalKey == r.PathValue("key") {
			id = a.id
		}
	}
	o.mu.Unlock()
	if r.URL.Query().Has("SAMLRequest") {
		http.Error(w, "the sandbox's Okta only knows sign-in that starts at the portal", http.StatusBadRequest)
		return
	}
	o.pages.OpenTile(w, r, id)
}

// directory shows the org to its portal pages.
type directory struct{ o *Org }

// Authenticate compares the password.
func (d directory) Authenticate(login, password string) (string, bool) {
	d.o.mu.Lock()
	defer d.o.mu.Unlock()
	u, ok := d.o.users[strings.ToLower(login)]
	return u.Login, ok && u.Password == password
}

// Tiles lists the person's apps that are active, SAML and not hidden.
func (d directory) Tiles(login string) []portal.Tile {
	d.o.mu.Lock()
	defer d.o.mu.Unlock()
	u := d.o.users[strings.ToLower(login)]
	var out []portal.Tile
	for n, a := range d.o.apps {
		_, assigned := u.Apps[a.id]
		hidden, _ := jsontree.Get(a.doc, "visibility", "hide", "web")
		if assigned && hidden != true && kindOf(a.doc) != otherApp && jsontree.Text(a.doc, "status") == "ACTIVE" {
			href := fmt.Sprintf("/home/%s/%s/%d", jsontree.Text(a.doc, "name"), a.id, n+1)
			out = append(out, portal.Tile{ID: a.id, Label: jsontree.Text(a.doc, "label"), Href: href})
		}
	}
	return out
}

// Open issues a response from what the app's JSON says now.
func (d directory) Open(login, appID string) (portal.Form, error) {
	d.o.mu.Lock()
	u := d.o.users[strings.ToLower(login)]
	assignment, assigned := u.Apps[appID]
	d.o.mu.Unlock()
	a, ok := d.o.snapshot(appID)
	a.doc = a.signsOnWith(time.Now())
	label := jsontree.Text(a.doc, "label")
	switch {
	case !ok || !assigned:
		return portal.Form{}, &portal.Refusal{Status: http.StatusForbidden, Why: "This app is not assigned to you."}
	case jsontree.Text(a.doc, "status") != "ACTIVE":
		return portal.Form{}, &portal.Refusal{Status: http.StatusForbidden, Why: fmt.Sprintf("The app %q is not active.", label)}
	case kindOf(a.doc) == otherApp:
		return portal.Form{}, &portal.Refusal{Status: http.StatusBadRequest, Why: fmt.Sprintf("The app %q does not sign in with SAML 2.0.", label)}
	}
	return d.o.issue(a, person{u, assignment})
}

func (o *Org) issue(a app, p person) (portal.Form, error) {
	form := portal.Form{Label: jsontree.Text(a.doc, "label"), RelayState: jsontree.Text(a.doc, "settings", "signOn", "defaultRelayState")}
	o.mu.Lock()
	read := o.readings
	o.mu.Unlock()
	statement, acs, err := statementOf(a.doc, p, read)
	if err != nil {
		return form, &portal.Refusal{Status: http.StatusBadRequest, Why: fmt.Sprintf("The app %q cannot sign you in: %v.", form.Label, err)}
	}
	issuer, err := o.issuer(a, kid(a.doc))
	if err != nil {
		return form, err
	}
	form.Action = acs
	form.Response, err = issuer.Issue(statement, time.Now())
	return form, err
}

// statementOf reads an app's settings into what its response says, and the ACS.
func statementOf(doc object, p person, read Readings) (s portal.Statement, acs string, err error) {
	signOn := jsontree.Sub(doc, "settings", "signOn")
	s = portal.Statement{NameID: p.Login, SignResponse: true, SignAssertion: true}
	if kindOf(doc) == customSAML {
		err = fillCustom(&s, signOn, p)
		acs = jsontree.Text(signOn, "ssoAcsUrl")
	} else {
		acs, err = fillCatalogue(&s, doc, signOn, read.FieldMovesACSOnly)
	}
	if err != nil {
		return s, "", err
	}
	attributes, err := p.attributes(signOn, kindOf(doc) == catalogueApp)
	s.Attributes = attributes
	return s, acs, err
}

// fillCustom fills in the settings of a custom app.
func fillCustom(s *portal.Statement, signOn object, p person) error {
	for _, k := range []string{"signatureAlgorithm", "digestAlgorithm"} {
		if v := jsontree.Text(signOn, k); v != "" && !strings.HasSuffix(v, "SHA256") {
			return fmt.Errorf("its %s is %s, and this sandbox signs with SHA-256 only", k, v)
		}
	}
	template := jsontree.Text(signOn, "subjectNameIdTemplate")
	nameID, ok := map[string]string{"${user.userName}": p.Login, "${source.login}": p.Login, "${user.login}": p.Login,
		"${user.email}": p.Login, "": p.Login}[template]
	if !ok {
		return fmt.Errorf("this sandbox cannot evaluate the name ID template %s", template)
	}
	s.NameID, s.NameIDFormat = nameID, jsontree.Text(signOn, "subjectNameIdFormat")
	s.AuthnContext = jsontree.Text(signOn, "authnContextClassRef")
	s.Destination, s.Recipient, s.Audience = jsontree.Text(signOn, "destination"), jsontree.Text(signOn, "recipient"), jsontree.Text(signOn, "audience")
	s.SignResponse, s.SignAssertion = signOn["responseSigned"] == true, signOn["assertionSigned"] == true
	return nil
}

// fillCatalogue fills in the settings of the AWS catalogue app and returns its
// ACS. Which of its two ACS settings wins on a real org is unknown, so two that
// differ are refused; whether the first moves Recipient and Destination is a
// reading.
func fillCatalogue(s *portal.Statement, doc, signOn object, fieldMovesACSOnly bool) (string, error) {
	field, override := jsontree.Text(doc, "settings", "app", "overrideAcsURL"), jsontree.Text(signOn, "ssoAcsUrlOverride")
	if field != "" && override != "" && field != override {
		return "", fmt.Errorf("overrideAcsURL and ssoAcsUrlOverride differ, and nobody here knows which one Okta uses")
	}
	acs := firstOf(override, field, defaultACS)
	follows := acs
	if fieldMovesACSOnly {
		follows = firstOf(override, defaultACS)
	}
	s.Recipient = firstOf(jsontree.Text(signOn, "recipientOverride"), follows)
	s.Destination = firstOf(jsontree.Text(signOn, "destinationOverride"), follows)
	s.Audience = firstOf(jsontree.Text(signOn, "audienceOverride"), awsAudience)
	return acs, nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// person is a user opening one app.
type person struct {
	User
	Assignment
}

// attributes evaluates the app's statements and adds what the assignment holds
// beyond them. A catalogue app sends Role and RoleSessionName by itself.
func (p person) attributes(signOn object, catalogue bool) ([]portal.Attribute, error) {
	var out []portal.Attribute
	add := func(name, format string, values ...string) {
		taken := slices.ContainsFunc(out, func(a portal.Attribute) bool { return a.Name == name })
		if values = slices.DeleteFunc(values, func(v string) bool { return v == "" }); len(values) > 0 && !taken {
			out = append(out, portal.Attribute{Name: name, Format: format, Values: values})
		}
	}
	list, _ := signOn["attributeStatements"].([]any)
	for _, e := range list {
		st, _ := e.(object)
		if jsontree.Text(st, "type") != "EXPRESSION" {
			continue // groups: people here are in none
		}
		values, err := p.evalAll(st)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", jsontree.Text(st, "name"), err)
		}
		add(jsontree.Text(st, "name"), jsontree.Text(st, "namespace"), values...)
	}
	if catalogue {
		add(awsAttribute+"Role", uriFormat, p.roles()...)
		add(awsAttribute+"RoleSessionName", uriFormat, p.Login)
	}
	add(awsAttribute+"SourceIdentity", uriFormat, p.SourceIdentity)
	if p.SessionDuration > 0 {
		add(awsAttribute+"SessionDuration", uriFormat, strconv.Itoa(p.SessionDuration))
	}
	for _, k := range slices.Sorted(maps.Keys(p.Tags)) {
		add(awsAttribute+"PrincipalTag:"+k, uriFormat, p.Tags[k])
	}
	add(awsAttribute+"TransitiveTagKeys", uriFormat, slices.Clone(p.TransitiveTags)...)
	return out, nil
}

func (p person) evalAll(st object) ([]string, error) {
	list, _ := st["values"].([]any)
	var out []string
	for _, v := range list {
		expression, _ := v.(string)
		values, err := p.eval(expression)
		if err != nil {
			return nil, err
		}
		out = append(out, values...)
	}
	return out, nil
}

// eval knows the small part of Okta Expression Language that AWS apps use: a
// profile attribute of the user (one that the sandbox does not have is empty,
// and an empty attribute is not sent), of the assignment, or a quoted text.
func (p person) eval(expression string) ([]string, error) {
	switch expression {
	case "user.login", "user.email", "user.userName":
		return []string{p.Login}, nil
	case "user.firstName":
		return []string{p.FirstName}, nil
	case "user.lastName":
		return []string{p.LastName}, nil
	case "appuser.awsRoles":
		return p.roles(), nil
	case "appuser.awsSourceIdentity":
		return []string{p.SourceIdentity}, nil
	}
	if literal, ok := strings.CutPrefix(expression, `"`); ok && strings.HasSuffix(literal, `"`) {
		return []string{strings.TrimSuffix(literal, `"`)}, nil
	}
	if strings.HasPrefix(expression, "user.") || strings.HasPrefix(expression, "appuser.") {
		return nil, nil
	}
	return nil, fmt.Errorf("this sandbox cannot evaluate the expression %q", expression)
}

func (p person) roles() []string {
	out := make([]string, len(p.Roles))
	for i, r := range p.Roles {
		out[i] = r.Role + "," + r.Provider
	}
	return out
}

package okta

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/signon"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// TestUser is the user of the org that signs in through an app to see what the
// app issues. The paths are where Okta signs a user on; "" = the documented
// ones.
type TestUser struct {
	Name     string
	Password secret.Value
	// SignOnPath takes user name and password (Okta Authentication API, "Primary
	// authentication"); "" = /api/v1/authn.
	SignOnPath string
	// SessionPath turns the session token of that into a cookie and goes on to
	// the app (Okta developer guide, "Session cookie"); "" =
	// /login/sessionCookieRedirect.
	SessionPath string
}

// Asserting is a tenant with a test user. It implements idp.Assertor.
type Asserting struct {
	*Tenant
	user   TestUser
	org    *outbound.Client
	starts signon.Starts
}

var _ idp.Assertor = (*Asserting)(nil)

// WithTestUser gives the tenant that o made a test user; it makes no call.
func (t *Tenant) WithTestUser(u TestUser, o Options) (*Asserting, error) {
	u.SignOnPath = cmp.Or(u.SignOnPath, "/api/v1/authn")
	u.SessionPath = cmp.Or(u.SessionPath, "/login/sessionCookieRedirect")
	org, err := signon.Client(o.Network, outbound.OriginOptions{Name: t.subject, Origin: o.URL, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("okta: %s: test user: %w", t.subject, err)
	}
	return &Asserting{Tenant: t, user: u, org: org}, nil
}

// Assert implements idp.Assertor. Each call is a session of its own.
func (t *Asserting) Assert(ctx context.Context, id idp.AppID) (idp.Assertion, error) {
	out, err := t.assert(ctx, id)
	if err != nil {
		t.starts.Forget(id)
		return idp.Assertion{}, fmt.Errorf("okta: assert: %w", err)
	}
	return out, nil
}

// assert is primary authentication, a session, the app's own link, and the form
// behind it.
func (t *Asserting) assert(ctx context.Context, id idp.AppID) (idp.Assertion, error) {
	link, err := t.starts.Of(ctx, id, t.appLink)
	if err != nil {
		return idp.Assertion{}, err
	}
	v, err := signon.Begin("Okta", id, t.org)
	if err != nil {
		return idp.Assertion{}, err
	}
	token, err := t.authenticate(ctx, v, id)
	if err != nil {
		return idp.Assertion{}, err
	}
	page, err := v.Follow(ctx, t.user.SessionPath+"?"+url.Values{"token": {token.Reveal()}, "redirectUrl": {link}}.Encode())
	if err != nil {
		return idp.Assertion{}, err
	}
	return v.Assertion(page)
}

// appLink reads where the app's tile leads. It has to be on the org's own host.
func (t *Asserting) appLink(ctx context.Context, id idp.AppID) (string, error) {
	doc, err := t.Read(ctx, id)
	if err != nil {
		return "", err
	}
	var app struct {
		Links struct {
			AppLinks []struct {
				Href string `json:"href"`
			} `json:"appLinks"`
		} `json:"_links"`
	}
	if json.Unmarshal(doc.Raw, &app) != nil || len(app.Links.AppLinks) == 0 || app.Links.AppLinks[0].Href == "" {
		return "", idp.Unproved(id, "the app has no link that a test user could open", "Okta lists none under _links.appLinks", "show the app's page in Okta to an administrator")
	}
	u, err := t.org.Resolve(app.Links.AppLinks[0].Href)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// authenticate returns a session token: good once, for some minutes.
func (t *Asserting) authenticate(ctx context.Context, v *signon.Visit, id idp.AppID) (secret.Value, error) {
	body, err := json.Marshal(map[string]string{"username": t.user.Name, "password": t.user.Password.Reveal()})
	if err != nil {
		return secret.Value{}, fmt.Errorf("prepare the sign-on of the test user: %w", err)
	}
	a, err := v.Ask(ctx, http.MethodPost, t.user.SignOnPath, http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}, body)
	if err != nil {
		return secret.Value{}, err
	}
	var said struct {
		Status       string `json:"status"`
		SessionToken string `json:"sessionToken"`
		ErrorCode    string `json:"errorCode"`
	}
	bad := json.Unmarshal(a.Body, &said) != nil
	if a.Status == http.StatusOK && !bad && said.Status == "SUCCESS" && said.SessionToken != "" {
		return secret.New(said.SessionToken), nil
	}
	return secret.Value{}, refusedUser(id, a.Status, cmp.Or(signon.Word(said.Status), signon.Word(said.ErrorCode), "nothing that its API documents"))
}

// refusedUser says why the test user has no session. The words are the states
// of Okta's Authentication API ("Transaction state").
func refusedUser(id idp.AppID, status int, said string) error {
	why := fmt.Sprintf("Okta answered %d with %s", status, said)
	switch said {
	case "MFA_REQUIRED", "MFA_ENROLL", "MFA_CHALLENGE", "MFA_ENROLL_ACTIVATE":
		return idp.Unproved(id, "Okta asks the test user for a second factor", why,
			"give the test user a global session policy and app sign-on rules of its own that ask for a password alone, and bind them to this controller's addresses")
	case "PASSWORD_EXPIRED", "PASSWORD_WARN", "PASSWORD_RESET", "RECOVERY":
		return idp.Unproved(id, "the test user's password has to be changed", why, "give the test user a new password in Okta, put it where the config points, and exempt the user from password age")
	case "LOCKED_OUT":
		return &idp.RefusedError{Err: idp.Unproved(id, "the test user is locked out", why, "unlock the test user in Okta, and see who else uses its name")}
	case "E0000004":
		return &idp.RefusedError{Err: idp.Unproved(id, "Okta refuses the test user's name or password", why,
			"put the test user's present password where the config points, and see whether the user is locked out")}
	}
	return idp.Unproved(id, "Okta does not sign the test user on", why, "sign in as the test user in a browser, and compare proof.sign_on_path with what the org serves")
}

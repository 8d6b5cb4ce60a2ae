package pingone

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/signon"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// TestUser is the user of the environment that signs in through an app to see
// what the app issues. The paths stand below the environment on the sign-on
// host; "" = the documented ones.
type TestUser struct {
	Name     string
	Password secret.Value
	// SignOnPath is where sign-on to an app begins at PingOne (PingOne Platform
	// API, "Identity provider initiated SSO"); "" = /saml20/idp/startsso.
	SignOnPath string
	// SessionPath is where a flow takes user name and password (PingOne Platform
	// API, "Flows"); "" = /flows.
	SessionPath string
}

// Asserting is a tenant with a test user. It implements idp.Assertor.
type Asserting struct {
	*Tenant
	user   TestUser
	signOn *outbound.Client
	starts signon.Starts
}

var _ idp.Assertor = (*Asserting)(nil)

// WithTestUser gives the tenant that o made a test user; it makes no call.
func (t *Tenant) WithTestUser(u TestUser, o Options) (*Asserting, error) {
	u.SignOnPath = cmp.Or(u.SignOnPath, "/saml20/idp/startsso")
	u.SessionPath = cmp.Or(u.SessionPath, "/flows")
	_, auth := o.origins()
	c, err := signon.Client(o.Network, outbound.OriginOptions{Name: t.subject, Origin: auth, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("pingone: %s: test user: %w", t.subject, err)
	}
	return &Asserting{Tenant: t, user: u, signOn: c}, nil
}

// Assert implements idp.Assertor.
func (t *Asserting) Assert(ctx context.Context, id idp.AppID) (idp.Assertion, error) {
	out, err := t.assert(ctx, id)
	if err != nil {
		t.starts.Forget(id)
		return idp.Assertion{}, fmt.Errorf("pingone: assert: %w", err)
	}
	return out, nil
}

// assert is sign-on begun at PingOne, its flow answered
// with user name and password, and the form to which the flow goes on. PingOne
// sends a browser to its sign-on pages, which live on another host; nobody goes
// there, the flow's id is all that is needed of that address.
func (t *Asserting) assert(ctx context.Context, id idp.AppID) (idp.Assertion, error) {
	start, err := t.starts.Of(ctx, id, t.start)
	if err != nil {
		return idp.Assertion{}, err
	}
	v, err := signon.Begin("PingOne", id, t.signOn)
	if err != nil {
		return idp.Assertion{}, err
	}
	flow, err := t.begin(ctx, v, id, start)
	if err != nil {
		return idp.Assertion{}, err
	}
	resume, err := t.answer(ctx, v, id, flow)
	if err != nil {
		return idp.Assertion{}, err
	}
	page, err := v.Follow(ctx, resume)
	if err != nil {
		return idp.Assertion{}, err
	}
	return v.Assertion(page)
}

// start is the address at which sign-on to an app begins. It names the app by
// its entity id, of which an environment has each once.
func (t *Asserting) start(ctx context.Context, id idp.AppID) (string, error) {
	doc, err := t.Read(ctx, id)
	if err != nil {
		return "", err
	}
	var app struct {
		EntityID string `json:"spEntityId"`
	}
	if json.Unmarshal(doc.Raw, &app) != nil || app.EntityID == "" {
		return "", idp.Unproved(id, "the app cannot be opened at PingOne", "it has no spEntityId", "look at the app's SAML settings in PingOne")
	}
	return "/" + t.environment + t.user.SignOnPath + "?" + url.Values{"spEntityId": {app.EntityID}}.Encode(), nil
}

// flowID keeps anything but an id out of a path.
var flowID = regexp.MustCompile(`^[0-9A-Za-z-]{8,64}$`)

// begin starts the sign-on and returns the id of its flow.
func (t *Asserting) begin(ctx context.Context, v *signon.Visit, id idp.AppID, start string) (string, error) {
	a, err := v.Ask(ctx, http.MethodGet, start, nil, nil)
	if err != nil {
		return "", err
	}
	if to, err := url.Parse(a.Redirect()); err == nil {
		if flow := to.Query().Get("flowId"); flowID.MatchString(flow) {
			return flow, nil
		}
	}
	return "", idp.Unproved(id, "PingOne begins no sign-on to the app", fmt.Sprintf("it answered %d and named no flow", a.Status),
		"see whether the app is enabled in PingOne, and compare proof.sign_on_path with what the environment serves")
}

// answer gives the flow user name and password and returns where it goes on.
func (t *Asserting) answer(ctx context.Context, v *signon.Visit, id idp.AppID, flow string) (string, error) {
	body, err := json.Marshal(map[string]string{"username": t.user.Name, "password": t.user.Password.Reveal()})
	if err != nil {
		return "", fmt.Errorf("prepare the sign-on of the test user: %w", err)
	}
	a, err := v.Ask(ctx, http.MethodPost, "/"+t.environment+t.user.SessionPath+"/"+flow,
		http.Header{"Content-Type": {"application/vnd.pingidentity.usernamePassword.check+json"}, "Accept": {"application/json"}}, body)
	if err != nil {
		return "", err
	}
	var said struct {
		Status    string `json:"status"`
		ResumeURL string `json:"resumeUrl"`
		Code      string `json:"code"`
	}
	bad := json.Unmarshal(a.Body, &said) != nil
	if a.Status != http.StatusOK || bad || said.Status != "COMPLETED" || said.ResumeURL == "" {
		return "", refusedUser(id, a.Status, cmp.Or(signon.Word(said.Status), signon.Word(said.Code), "nothing that its API documents"))
	}
	return said.ResumeURL, nil
}

// refusedUser says why the test user's flow did not complete. The words are the
// states of a flow (PingOne Platform API, "Flow status").
func refusedUser(id idp.AppID, status int, said string) error {
	why := fmt.Sprintf("PingOne answered %d with %s", status, said)
	switch said {
	case "OTP_REQUIRED", "DEVICE_SELECTION_REQUIRED", "PUSH_CONFIRMATION_REQUIRED", "ASSERTION_REQUIRED", "MFA_ENROLLMENT_REQUIRED":
		return idp.Unproved(id, "PingOne asks the test user for a second factor", why,
			"give the app an authentication policy whose first rule lets the test user's group in with a password alone, from this controller's addresses")
	case "PASSWORD_EXPIRED", "MUST_CHANGE_PASSWORD":
		return idp.Unproved(id, "the test user's password has to be changed", why, "give the test user a new password in PingOne, put it where the config points, and exempt the user from password age")
	case "INVALID_DATA", "USERNAME_PASSWORD_REQUIRED", "PASSWORD_REQUIRED", "PASSWORD_LOCKED_OUT":
		return &idp.RefusedError{Err: idp.Unproved(id, "PingOne refuses the test user's name or password", why,
			"put the test user's present password where the config points, and see whether the user is locked out")}
	}
	return idp.Unproved(id, "PingOne does not sign the test user on", why, "sign in as the test user in a browser, and compare proof.session_path with what the environment serves")
}

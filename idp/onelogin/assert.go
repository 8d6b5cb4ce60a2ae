package onelogin

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

// maxAssertion bounds the answer that holds a response.
const maxAssertion = 1 << 20

// TestUser is the user of the account that an assertion is made for, and the
// API credential that may ask for one: its own, of the scope Authentication
// Only, so that who steals it can change nothing.
type TestUser struct {
	Name         string
	Password     secret.Value
	ClientID     string
	ClientSecret secret.Value
	// Path is where assertions are made (OneLogin API docs, "Generate SAML
	// Assertion"); "" = /api/2/saml_assertion.
	Path string
}

// Asserting is a tenant with a test user. It implements idp.Assertor.
type Asserting struct {
	*Tenant
	user      TestUser
	subdomain string
	proof     *call.Caller
	asking    *credential
	asked     *call.Tokens
}

var _ idp.Assertor = (*Asserting)(nil)

// WithTestUser gives the tenant that o made a test user; it makes no call.
func (t *Tenant) WithTestUser(u TestUser, o Options) (*Asserting, error) {
	subdomain, own := strings.CutSuffix(strings.TrimPrefix(o.URL, "https://"), ".onelogin.com")
	if !own || strings.Contains(subdomain, ".") {
		return nil, finding.Finding{Code: finding.ConfigInvalid, Subject: t.subject, What: "the account's subdomain is not known, and a test user cannot sign in without",
			Remedy: "write the tenant's url as https://SUBDOMAIN.onelogin.com"}
	}
	u.Path = cmp.Or(u.Path, "/api/2/saml_assertion")
	client, err := o.Network.Origin(outbound.OriginOptions{Name: t.subject, Origin: o.URL, RatePerSecond: 5, Burst: 20,
		MaxBody: maxAssertion, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("onelogin: %s: test user: %w", t.subject, err)
	}
	c := &credential{subject: t.subject + ", credential for the test user", id: u.ClientID, secret: u.ClientSecret}
	c.api = call.New(c.subject, client, c.vendor())
	tokens := call.NewTokens(c.fetch)
	v := vendor(tokens)
	v.Judge, v.TokenFault = judgeAssertion, func(r outbound.Response) bool { return !aboutUser(r) }
	return &Asserting{Tenant: t, user: u, subdomain: subdomain, proof: call.New(t.subject, client, v), asking: c, asked: tokens}, nil
}

// Warm also keeps a token of the test user's credential. Where that fails the
// tenant's own token is kept all the same.
func (t *Asserting) Warm(ctx context.Context) error {
	err := t.Tenant.Warm(ctx)
	if !t.asking.worthAsking(time.Now()) {
		return err
	}
	return errors.Join(err, t.asked.Warm(idp.Calm(ctx)))
}

// Assert implements idp.Assertor. The call returns the response alone: what
// RelayState a browser would take along it does not say.
func (t *Asserting) Assert(ctx context.Context, id idp.AppID) (idp.Assertion, error) {
	if err := checkID(id); err != nil {
		return idp.Assertion{}, err
	}
	body, err := json.Marshal(map[string]string{"username_or_email": t.user.Name, "password": t.user.Password.Reveal(),
		"app_id": string(id), "subdomain": t.subdomain})
	if err != nil {
		return idp.Assertion{}, fmt.Errorf("onelogin: assert: prepare the call: %w", err)
	}
	resp, err := t.proof.Send(ctx, call.Request{Subject: "app " + string(id), Method: http.MethodPost, Path: t.user.Path, Body: body,
		Secrets: []secret.Value{t.user.Password}})
	switch {
	case err != nil && resp.Status == http.StatusUnauthorized && aboutUser(resp):
		return idp.Assertion{}, fmt.Errorf("onelogin: assert: %w", &idp.RefusedError{Err: unproved(err)})
	case err != nil:
		return idp.Assertion{}, fmt.Errorf("onelogin: assert: %w", unproved(err))
	}
	out, err := readAssertion(id, resp)
	if err != nil {
		return idp.Assertion{}, fmt.Errorf("onelogin: assert: %w", err)
	}
	return out, nil
}

// readAssertion reads a 200 of the call: the response, or the request for a
// second factor.
func readAssertion(id idp.AppID, resp outbound.Response) (idp.Assertion, error) {
	var said struct {
		Data       string          `json:"data"`
		StateToken string          `json:"state_token"`
		Devices    json.RawMessage `json:"devices"`
	}
	bad := json.Unmarshal(resp.Body, &said) != nil
	if said.StateToken != "" || len(said.Devices) > 0 {
		return idp.Assertion{}, idp.Unproved(id, "OneLogin asks the test user for a second factor", "the account's policy for the user requires one",
			"give the test user a user policy of its own without a second factor, bound to this controller's addresses")
	}
	text, err := base64.StdEncoding.DecodeString(said.Data)
	if bad || err != nil || len(text) == 0 {
		return idp.Assertion{}, idp.Unproved(id, "OneLogin sent no SAML response for the test user", "the answer is not of the documented form",
			"compare proof.sign_on_path with what the account serves")
	}
	return idp.Assertion{Response: secret.New(string(text))}, nil
}

// unproved makes one kind of finding of what keeps a proof from being made,
// whatever the API's own verdict is called.
func unproved(err error) error {
	f, ok := finding.From(err)
	if !ok {
		return err
	}
	f.Code = finding.ProofMissing
	if again, passing := errors.AsType[*idp.RetryError](err); passing {
		return &idp.RetryError{After: again.After, Err: f}
	}
	return f
}

// aboutUser reports whether a 401 speaks of the user and not of our token.
func aboutUser(r outbound.Response) bool {
	m := strings.ToLower(readError(r.Body).message)
	return strings.Contains(m, "user") || strings.Contains(m, "password")
}

// judgeAssertion says what an answer of the assertion call that is no success
// means.
func judgeAssertion(r outbound.Response) call.Verdict {
	v := judgeAnswer(r)
	switch {
	case r.Status == http.StatusUnauthorized && aboutUser(r):
		v.Finding.What = "OneLogin refuses the test user's name or password"
		v.Finding.Remedy = "put the test user's present password where the config points, and see whether the user is locked or the password has to be changed"
	case r.Status == http.StatusUnauthorized:
		v.Finding.Remedy = "look under Developers, API Credentials in OneLogin whether the credential under proof is still there, enabled, and of the scope Authentication Only"
	case r.Status == http.StatusForbidden:
		v.Finding.What = "OneLogin makes no assertion for the test user"
		v.Finding.Remedy = "assign the app to the test user, and give the credential under proof the scope Authentication Only"
	}
	return v
}

package pingone

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// Worker is a worker application: a client of the admin API. It lives in one
// environment, whose token endpoint knows it; its roles may span others.
type Worker struct {
	Environment      string // id
	ClientID, Secret string
	Auth             TokenAuth // "" = ClientSecretBasic
	Roles            []Role
}

// TokenAuth is a worker app's tokenEndpointAuthMethod.
type TokenAuth string

// The methods that the simulator knows.
const (
	ClientSecretBasic TokenAuth = "CLIENT_SECRET_BASIC"
	ClientSecretPost  TokenAuth = "CLIENT_SECRET_POST"
)

// RoleName is one of PingOne's built-in administrator roles.
type RoleName string

// The roles that matter for applications. The first two read and write all
// applications of an environment, the third those named, the last only reads.
const (
	ClientApplicationDeveloper RoleName = "Client Application Developer"
	EnvironmentAdmin           RoleName = "Environment Admin"
	ApplicationOwner           RoleName = "Application Owner"
	ConfigurationReadOnly      RoleName = "Configuration Read Only"
)

// Role is a role assignment: on an environment, or for ApplicationOwner on one
// application of it.
type Role struct {
	Name        RoleName
	Environment string // id
	App         string // of ApplicationOwner
}

// tokens are the workers and what was issued to them.
type tokens struct {
	life, roleLag time.Duration
	host          string

	mu      sync.Mutex
	workers map[string]*worker // by client id
	issued  map[string]issued
}

type worker struct {
	Worker
	granted time.Time // when roles were last set; zero = long ago
}

type issued struct {
	client string
	ends   time.Time
}

func newTokens(o Options, host string) (*tokens, error) {
	t := &tokens{life: o.TokenLife, roleLag: o.Readings.RoleLag, host: host, workers: map[string]*worker{}, issued: map[string]issued{}}
	for _, w := range o.Workers {
		if w.Auth == "" {
			w.Auth = ClientSecretBasic
		}
		if w.ClientID == "" || w.Secret == "" || t.workers[w.ClientID] != nil {
			return nil, errors.New("make a sandbox PingOne tenant: every worker needs a client id of its own and a secret")
		}
		if w.Auth != ClientSecretBasic && w.Auth != ClientSecretPost {
			return nil, fmt.Errorf("make a sandbox PingOne tenant: worker %s: this simulator does not know the method %q", w.ClientID, w.Auth)
		}
		w.Roles = slices.Clone(w.Roles)
		t.workers[w.ClientID] = &worker{Worker: w}
	}
	return t, nil
}

// ExpireTokens ends every token issued so far.
func (t *Tenant) ExpireTokens() {
	t.tokens.mu.Lock()
	defer t.tokens.mu.Unlock()
	clear(t.tokens.issued)
}

// SetRoles replaces the roles of a worker: none = its rights have ended.
// Roles count after Readings.RoleLag.
func (t *Tenant) SetRoles(clientID string, roles ...Role) error {
	return t.tokens.change(clientID, func(w *worker) { w.Roles, w.granted = slices.Clone(roles), time.Now() })
}

// RotateSecret replaces the secret of a worker. Tokens already issued live on.
func (t *Tenant) RotateSecret(clientID, secret string) error {
	return t.tokens.change(clientID, func(w *worker) { w.Secret = secret })
}

func (t *tokens) change(clientID string, f func(*worker)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.workers[clientID]
	if w == nil {
		return fmt.Errorf("change PingOne worker %s: there is none", clientID)
	}
	f(w)
	return nil
}

// issue makes an access token that looks like a JWT (three base64url parts);
// clients are not to look inside, so the last part is no signature.
func (t *tokens) issue(clientID string, now time.Time) string {
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"default"}`))
	claims := fmt.Sprintf(`{"client_id":"%s","iss":"https://%s","jti":"%s","iat":%d,"exp":%d}`, clientID, t.host, rand.Text(), now.Unix(), now.Add(t.life).Unix())
	token := head + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.issued, func(_ string, i issued) bool { return !now.Before(i.ends) })
	t.issued[token] = issued{clientID, now.Add(t.life)}
	return token
}

// rights says what the bearer of a request may do; ok is false for no token,
// an unknown or an ended one.
func (t *tokens) rights(r *http.Request, now time.Time) (rights, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	t.mu.Lock()
	defer t.mu.Unlock()
	i, known := t.issued[token]
	if !strings.EqualFold(scheme, "Bearer") || !known || !now.Before(i.ends) {
		return rights{}, false
	}
	w := t.workers[i.client]
	if now.Before(w.granted.Add(t.roleLag)) {
		return rights{}, true
	}
	return rights{slices.Clone(w.Roles)}, true
}

// rights are the roles in force.
type rights struct{ roles []Role }

// reads says whether anything of this application may be read; app "" is the
// environment's list.
func (r rights) reads(env, app string) bool {
	return slices.ContainsFunc(r.roles, func(role Role) bool {
		return role.Environment == env && (role.Name != ApplicationOwner || app == "" || role.App == app)
	})
}

// writes says whether this application may be written.
func (r rights) writes(env, app string) bool {
	return slices.ContainsFunc(r.roles, func(role Role) bool {
		switch role.Name {
		case ClientApplicationDeveloper, EnvironmentAdmin:
			return role.Environment == env
		case ApplicationOwner:
			return role.Environment == env && role.App == app
		}
		return false
	})
}

// onlyOwns says whether the environment is open only through Application Owner.
func (r rights) onlyOwns(env string) bool {
	return !slices.ContainsFunc(r.roles, func(role Role) bool { return role.Environment == env && role.Name != ApplicationOwner })
}

// serveToken is POST /{env}/as/token. Its refusals have the shape of OAuth (RFC
// 6749, 5.2).
func (t *Tenant) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if t.environment(r.PathValue("env")) == nil {
		t.fail(w, notFound())
		return
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err != nil || media != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		t.refuseToken(w, http.StatusBadRequest, "invalid_request", "The body must be form-encoded")
		return
	}
	id, ok := t.authenticate(r)
	switch grant := r.PostForm.Get("grant_type"); {
	case !ok:
		t.refuseToken(w, http.StatusUnauthorized, "invalid_client", "Request denied: Invalid client credentials or unsupported authentication method")
	case grant == "":
		t.refuseToken(w, http.StatusBadRequest, "invalid_request", "Missing parameter: grant_type")
	case grant != "client_credentials":
		t.refuseToken(w, http.StatusBadRequest, "unsupported_grant_type", "Unsupported grant type: "+grant)
	default:
		t.writeJSON(w, http.StatusOK, encode(object{"access_token": t.tokens.issue(id, time.Now()), "token_type": "Bearer", "expires_in": int(t.o.TokenLife / time.Second)}))
	}
}

func (t *Tenant) refuseToken(w http.ResponseWriter, status int, code, why string) {
	t.writeJSON(w, status, encode(object{"error": code, "error_description": why}))
}

// authenticate checks client id and secret, given in the one way that the
// worker app is set to and in no other, at the environment that it lives in.
func (t *Tenant) authenticate(r *http.Request) (clientID string, ok bool) {
	method := ClientSecretPost
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if _, has := r.Header["Authorization"]; has {
		basicID, basicSecret, isBasic := r.BasicAuth()
		if !isBasic || r.PostForm.Has("client_secret") || id != "" && id != basicID {
			return "", false
		}
		method, id, secret = ClientSecretBasic, formDecoded(basicID), formDecoded(basicSecret)
	}
	t.tokens.mu.Lock()
	defer t.tokens.mu.Unlock()
	w := t.tokens.workers[id]
	if w == nil || w.Environment != r.PathValue("env") || w.Auth != method {
		return "", false
	}
	return id, subtle.ConstantTimeCompare([]byte(secret), []byte(w.Secret)) == 1
}

// formDecoded undoes the encoding that RFC 6749, 2.3.1 wants inside Basic.
func formDecoded(s string) string {
	if out, err := url.QueryUnescape(s); err == nil {
		return out
	}
	return s
}

// encode writes JSON with the keys in the order of PingOne's examples.
func encode(v any) []byte { return keyOrder().Encode(v) }

var keyOrder = sync.OnceValue(func() jsontree.Order {
	return jsontree.NewOrder(`_links self next environment attributes href _embedded code message details target innerError applications count size
id name description enabled hiddenFromAppPortal icon type protocol createdAt updatedAt assignActorRoles tags homePageUrl loginPageUrl accessControl
role group groups acsUrls assertionDuration assertionSigned responseSigned sessionNotOnOrAfterDuration defaultTargetUrl idpSigning algorithm key
nameIdFormat spEntityId sloBinding sloEndpoint sloResponseEndpoint sloWindow spEncryption spVerification enableRequestedAuthnContext
enableAlwaysAcceptAcsUrlInSignedAuthnRequest corsSettings virtualServerIdSettings template mappingType value required nameFormat
access_token token_type expires_in error error_description`)
})

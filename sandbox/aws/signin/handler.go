package signin

import (
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/assertion"
	"github.com/samlfailover/samlfailover/sandbox/aws/console"
	"github.com/samlfailover/samlfailover/sandbox/aws/login"
	"github.com/samlfailover/samlfailover/sandbox/aws/page"
	"github.com/samlfailover/samlfailover/sandbox/aws/query"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	catalogue "github.com/samlfailover/samlfailover/signin"
)

// NoteHeader carries the sandbox's own remarks about an answer.
const NoteHeader = "X-Sandbox-Note"

// maxForm bounds the posted form: the response, the RelayState, percent-encoded.
const maxForm = 512 << 10

// Handler serves the sign-in host of one Region.
type Handler struct {
	Cloud    *world.Cloud
	Endpoint catalogue.Endpoint
	Metadata *Metadata
}

// ServeHTTP routes one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := query.NewID()
	w.Header().Set("x-amzn-RequestId", id)
	switch {
	case r.URL.Path == "/saml" || strings.HasPrefix(r.URL.Path, "/saml/acs/"):
		h.saml(w, r, id)
	case strings.HasPrefix(r.URL.Path, "/static/"):
		h.Metadata.serve(w, r, h.Cloud)
	case r.URL.Path == "/logout":
		h.logout(w, r)
	case r.URL.Path == "/" || r.URL.Path == "/oauth":
		page.Write(w, http.StatusOK, signedOut, h.Endpoint.Region.String())
	default:
		page.Write(w, http.StatusNotFound, failure, failureData{http.StatusNotFound, "NotFound", "Not Found", "the sandbox has no page at this path"})
	}
}

// saml redeems a posted assertion.
func (h *Handler) saml(w http.ResponseWriter, r *http.Request, id string) {
	if r.Method != http.MethodPost {
		h.fail(w, id, assertion.Misshapen("%s is no way to present an assertion; an IdP posts it", r.Method))
		return
	}
	posted, err := catalogue.ParseACS("https://" + h.Endpoint.SignInHost + r.URL.Path)
	if err != nil {
		h.fail(w, id, assertion.Misshapen("%v", err))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.fail(w, id, assertion.Misshapen("the form cannot be read: %v", err))
		return
	}
	gate := login.Gate{Cloud: h.Cloud, Partition: h.Endpoint.Partition, Region: h.Endpoint.Region, Posted: posted}
	v := visit{Handler: h, w: w, r: r, gate: gate, now: time.Now(), requestID: id}
	if bad := v.run(); bad != nil {
		h.fail(w, id, bad)
	}
}

// visit is one posted assertion.
type visit struct {
	*Handler
	w         http.ResponseWriter
	r         *http.Request
	gate      login.Gate
	now       time.Time
	requestID string
}

// run verifies the response, then opens the only role's console, the chosen
// role's, or shows the chooser.
func (v visit) run() *assertion.Refusal {
	encoded := v.r.PostForm.Get("SAMLResponse")
	if encoded == "" {
		return assertion.Misshapen("the form has no SAMLResponse")
	}
	response, bad := assertion.Open(encoded)
	if bad != nil {
		return bad
	}
	offers, bad := v.offers(response)
	if bad != nil {
		return bad
	}
	chosen := v.r.PostForm.Get("roleIndex")
	if chosen == "" && len(offers) > 1 {
		v.choose(offers, encoded)
		return nil
	}
	for _, o := range offers {
		if chosen == "" || o.role == chosen {
			return v.open(o)
		}
	}
	return assertion.Denied("the assertion does not hold the role %s", chosen)
}

// offer is a role of the assertion, with the provider that vouches for it.
type offer struct {
	role  string
	grant login.Grant
}

// offers verifies the response once for each provider that it names, and lists
// the roles of the signed values. A provider that does not exist or does not
// verify spoils only its own roles; if none is left its refusal is the answer.
func (v visit) offers(response *assertion.Response) ([]offer, *assertion.Refusal) {
	claimed, bad := response.Claimed()
	if bad != nil {
		return nil, bad
	}
	var out []offer
	var refusal *assertion.Refusal
	done := map[string]bool{}
	for _, c := range claimed {
		if done[c.Provider] {
			continue
		}
		done[c.Provider] = true
		grant, bad := v.gate.Verify(response, c.Provider, v.now)
		if bad != nil {
			if refusal == nil {
				refusal = bad
			}
			continue
		}
		for _, p := range grant.Roles {
			if p.Provider == c.Provider {
				out = append(out, offer{p.Role, grant})
			}
		}
	}
	if len(out) == 0 && refusal == nil {
		refusal = assertion.Misshapen("the signed assertion holds no role")
	}
	if len(out) > 0 {
		refusal = nil
	}
	return out, refusal
}

// open asks the role's trust policy and starts the console session.
func (v visit) open(o offer) *assertion.Refusal {
	role, bad := v.gate.Admit(o.grant, o.role)
	if bad != nil {
		return bad
	}
	life, bad := login.Lifetime(o.grant, role, o.grant.SessionDuration, v.now)
	if bad != nil {
		return bad
	}
	who := world.Session{Role: role, Name: o.grant.RoleSessionName, Source: o.grant.SourceIdentity, Allow: role.Allow}.Identity()
	token := v.Cloud.OpenConsole(world.Console{Who: who, Role: role.Name, Session: o.grant.RoleSessionName,
		SignInAt: v.Endpoint.Region, Expires: v.now.Add(life)})
	target, note := landing(v.r.PostForm.Get("RelayState"), v.Endpoint)
	if note != "" {
		v.w.Header().Set(NoteHeader, note)
	}
	http.SetCookie(v.w, &http.Cookie{Name: console.CookieName, Value: token, Path: "/", Domain: console.CookieDomain(v.Endpoint),
		MaxAge: int(life.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if target == "" {
		page.Write(v.w, http.StatusOK, noConsole, v.Endpoint.Region.String())
		return nil
	}
	v.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(v.w, v.r, target, http.StatusFound)
	return nil
}

// landing decides where the browser goes: the RelayState if it is on an AWS
// host, else the Region's console home. AWS itself follows any RelayState as
// far as is known; refusing foreign hosts is this sandbox's strictness. The
// target is "" in a Region whose console host nobody knows.
func landing(relay string, e catalogue.Endpoint) (target, note string) {
	home := ""
	if c, err := e.Region.Console(); err == nil {
		home = c.String()
	}
	if relay == "" {
		return home, ""
	}
	if isAWSPage(relay) {
		return relay, ""
	}
	return home, "the RelayState is not an https URL on an AWS host; the sandbox went to the console home instead"
}

func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(console.CookieName); err == nil {
		h.Cloud.CloseConsole(c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: console.CookieName, Path: "/", Domain: console.CookieDomain(h.Endpoint), MaxAge: -1, Secure: true, HttpOnly: true})
	page.Write(w, http.StatusOK, signedOut, h.Endpoint.Region.String())
}

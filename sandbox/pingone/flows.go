package pingone

import (
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// flowLife is how long a sign-on may take (PingOne documents 15 minutes for a
// flow without activity).
const flowLife = 15 * time.Minute

// checkPassword is the media type of the action that gives a flow user name and
// password (PingOne Platform API, "Flows").
const checkPassword = "application/vnd.pingidentity.usernamePassword.check+json"

// flows are the sign-ons that have begun. The zero value is empty and ready.
type flows struct {
	mu       sync.Mutex
	open     map[string]flow
	obstacle map[string]string // by environment and login in lower case: the state that a right password leads to
	tries    map[string]int    // by the same: passwords given
}

// flow is one sign-on to one tile.
type flow struct {
	env, tile string
	done      bool
	ends      time.Time
}

// begin starts a flow and returns its id.
func (f *flows) begin(env, tile string, now time.Time) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[string]flow{}
	}
	for id, one := range f.open {
		if !now.Before(one.ends) {
			delete(f.open, id)
		}
	}
	id := uuid(rand.Text())
	f.open[id] = flow{env: env, tile: tile, ends: now.Add(flowLife)}
	return id
}

func (f *flows) find(env, id string, now time.Time) (flow, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one, ok := f.open[id]
	return one, ok && one.env == env && now.Before(one.ends)
}

// Obstruct makes the right password of a person lead to a state other than
// COMPLETED, such as OTP_REQUIRED or PASSWORD_EXPIRED; "" clears it.
func (t *Tenant) Obstruct(env, login, state string) {
	t.flows.mu.Lock()
	defer t.flows.mu.Unlock()
	if t.flows.obstacle == nil {
		t.flows.obstacle = map[string]string{}
	}
	t.flows.obstacle[env+" "+strings.ToLower(login)] = state
}

// Tries is how often a flow was given a password of a person.
func (t *Tenant) Tries(env, login string) int {
	t.flows.mu.Lock()
	defer t.flows.mu.Unlock()
	return t.flows.tries[env+" "+strings.ToLower(login)]
}

// serveFlow reads a flow, or gives it user name and password. Other actions are
// not simulated.
func (t *Tenant) serveFlow(w http.ResponseWriter, r *http.Request) {
	env, id := r.PathValue("env"), r.PathValue("flow")
	one, ok := t.flows.find(env, id, time.Now())
	switch {
	case !ok:
		t.fail(w, notFound())
	case r.Method == http.MethodGet:
		t.writeFlow(w, env, id, "USERNAME_PASSWORD_REQUIRED")
	case r.Method != http.MethodPost:
		t.fail(w, wrongMethod())
	case r.Header.Get("Content-Type") != checkPassword || one.done:
		t.fail(w, malformed())
	default:
		t.checkPassword(w, r, env, id)
	}
}

func (t *Tenant) checkPassword(w http.ResponseWriter, r *http.Request, env, id string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		t.fail(w, malformed())
		return
	}
	sent, err := jsontree.Decode(body)
	if err != nil {
		t.fail(w, malformed())
		return
	}
	name := jsontree.Text(sent, "username")
	login, ok := t.people[env].Authenticate(name, jsontree.Text(sent, "password"))
	switch state := t.flows.answer(env, id, name, ok); {
	case !ok:
		t.fail(w, invalid(detail{"INVALID_VALUE", "password", "The provided password did not match provisioned password", nil}))
	case state != "":
		t.writeFlow(w, env, id, state)
	default:
		t.pages[env].Begin(w, login)
		t.writeFlow(w, env, id, "COMPLETED")
	}
}

// answer counts a try and returns the state it ends in; "" completes the flow.
func (f *flows) answer(env, id, name string, ok bool) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := env + " " + strings.ToLower(name)
	if f.tries == nil {
		f.tries = map[string]int{}
	}
	f.tries[key]++
	if state := f.obstacle[key]; state != "" || !ok {
		return state
	}
	one := f.open[id]
	one.done = true
	f.open[id] = one
	return ""
}

func (t *Tenant) writeFlow(w http.ResponseWriter, env, id, status string) {
	base := "https://" + t.atHost + "/" + env
	t.writeJSON(w, http.StatusOK, encode(object{"id": id, "status": status, "resumeUrl": base + "/saml20/resume?flowId=" + id,
		"_links": object{"self": object{"href": base + "/flows/" + id}}, "environment": object{"id": env}}))
}

// serveResume goes on where a flow ends: the page that posts the response. It
// works once, for the session that the flow began.
func (t *Tenant) serveResume(w http.ResponseWriter, r *http.Request) {
	env, id := r.PathValue("env"), r.URL.Query().Get("flowId")
	one, ok := t.flows.find(env, id, time.Now())
	if !ok || !one.done {
		t.fail(w, notFound())
		return
	}
	t.flows.mu.Lock()
	delete(t.flows.open, id)
	t.flows.mu.Unlock()
	t.pages[env].OpenTile(w, r, one.tile)
}

// signsOnWith is what sign-on to the application uses now.
func (a app) signsOnWith(now time.Time) object {
	if now.Before(a.settled) {
		return a.earlier
	}
	return a.doc
}

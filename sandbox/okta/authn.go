package okta

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/jsontree"
)

// sessionTokenLife is how long a session token may be redeemed, once.
const sessionTokenLife = 5 * time.Minute

// signOns are the session tokens that primary authentication gave out, and what
// stands between a person and one. The zero value is empty and ready.
type signOns struct {
	mu       sync.Mutex
	tokens   map[string]sessionToken
	obstacle map[string]string // by login in lower case: the state that authentication ends in
	tries    map[string]int    // by login in lower case: calls of primary authentication
}

type sessionToken struct {
	login string
	ends  time.Time
}

// Obstruct makes primary authentication of a person end in a state other than
// SUCCESS, such as MFA_REQUIRED, PASSWORD_EXPIRED or LOCKED_OUT; "" clears it.
func (o *Org) Obstruct(login, state string) {
	o.signOns.mu.Lock()
	defer o.signOns.mu.Unlock()
	if o.signOns.obstacle == nil {
		o.signOns.obstacle = map[string]string{}
	}
	o.signOns.obstacle[strings.ToLower(login)] = state
}

// Tries is how often primary authentication was asked for a person.
func (o *Org) Tries(login string) int {
	o.signOns.mu.Lock()
	defer o.signOns.mu.Unlock()
	return o.signOns.tries[strings.ToLower(login)]
}

// serveAuthn is primary authentication (Okta Authentication API). It needs no
// credential but the person's own. Going on from another state than SUCCESS is
// not simulated.
func (o *Org) serveAuthn(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Okta-Request-Id", strings.ToLower(rand.Text()))
	if r.Method != http.MethodPost {
		wrongMethod().write(w)
		return
	}
	sent, refused := readObject(w, r)
	if refused != nil {
		refused.write(w)
		return
	}
	name, password := jsontree.Text(sent, "username"), jsontree.Text(sent, "password")
	if name == "" {
		invalid("authRequest", "authRequest: The 'username' and 'password' attributes are required in this context.").write(w)
		return
	}
	login, ok := directory{o}.Authenticate(name, password)
	state, token := o.signOns.answer(name, login, ok, time.Now())
	expires := time.Now().Add(sessionTokenLife).UTC().Format("2006-01-02T15:04:05.000Z")
	switch {
	case !ok:
		(&apiError{http.StatusUnauthorized, "E0000004", "Authentication failed", nil}).write(w)
	case state != "":
		writeJSON(w, http.StatusOK, keyOrder().Encode(object{"status": state, "stateToken": "00" + rand.Text(), "expiresAt": expires,
			"_embedded": object{"user": object{"profile": object{"login": login}}}}))
	default:
		writeJSON(w, http.StatusOK, keyOrder().Encode(object{"status": "SUCCESS", "sessionToken": token, "expiresAt": expires,
			"_embedded": object{"user": object{"profile": object{"login": login}}}}))
	}
}

// answer counts a try and returns the state it ends in, or a new token.
func (s *signOns) answer(name, login string, ok bool, now time.Time) (state, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(name)
	if s.tries == nil {
		s.tries, s.tokens = map[string]int{}, map[string]sessionToken{}
	}
	s.tries[key]++
	if state = s.obstacle[key]; state != "" || !ok {
		return state, ""
	}
	token = "20111" + rand.Text()
	s.tokens[token] = sessionToken{login, now.Add(sessionTokenLife)}
	return "", token
}

// redeem takes a token, which is good once.
func (s *signOns) redeem(token string, now time.Time) (login string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[token]
	delete(s.tokens, token)
	return t.login, ok && now.Before(t.ends)
}

// serveSession turns a session token into the portal's cookie and sends the
// browser on, within the org (Okta developer guide, "Session cookie"). A token
// that is worth nothing leads to the sign-in page, as in Okta.
func (o *Org) serveSession(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("redirectUrl")
	switch {
	case r.Method != http.MethodGet:
		wrongMethod().write(w)
		return
	case !strings.HasPrefix(to, "https://"+o.o.Host+"/"):
		http.Error(w, "The 'redirectUrl' is not in this org nor one of its trusted origins.", http.StatusForbidden)
		return
	}
	if login, ok := o.signOns.redeem(r.URL.Query().Get("token"), time.Now()); ok {
		o.pages.Begin(w, login)
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// signsOnWith is what sign-on to the app uses now.
func (a app) signsOnWith(now time.Time) object {
	if now.Before(a.settled) {
		return a.earlier
	}
	return a.doc
}

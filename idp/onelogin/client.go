package onelogin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp/call"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	tokenPath = "/auth/oauth2/v2/token"
	// askAgain is how long Warm waits until it asks once more for a token that
	// OneLogin will most likely not replace yet.
	askAgain = 10 * time.Minute
	// assumedRate is what an account may call per minute: 5,000 an hour (API
	// docs, "Get Rate Limit"; the text speaks of v1, for v2 nothing is said).
	assumedRate = 83
)

// vendor is how calls to API v2 are made and understood.
func vendor(tokens *call.Tokens) call.Vendor {
	return call.Vendor{Name: "OneLogin", StatusPage: statusPage, RequestID: requestID, Tokens: tokens, Judge: judgeAnswer, Rate: rate,
		Sign: func(h http.Header, t call.Token, _, _ string) error {
			h.Set("Authorization", "bearer "+t.Value.Reveal()) // the spelling of the API docs
			return nil
		}}
}

// credential gets access tokens for one API credential (API docs, "Generate
// Tokens v2"). Only v2: v1 ends the tokens that others hold.
type credential struct {
	subject string
	id      string
	secret  secret.Value
	api     *call.Caller

	mu    sync.Mutex
	asked time.Time // when a token was last given out
	ends  time.Time // and its end
}

// vendor is how calls to the token endpoint are made and understood.
func (c *credential) vendor() call.Vendor {
	return call.Vendor{Name: "OneLogin", StatusPage: statusPage, RequestID: requestID, Judge: judgeToken, Rate: rate,
		Sign: func(h http.Header, _ call.Token, _, _ string) error {
			h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(c.id+":"+c.secret.Reveal())))
			return nil
		}}
}

// fetch asks for a token. OneLogin gives everybody with this credential the
// same one until it ends.
func (c *credential) fetch(ctx context.Context) (call.Token, error) {
	resp, err := c.api.Send(ctx, call.Request{Subject: c.subject, Method: http.MethodPost, Path: tokenPath, Body: []byte(`{"grant_type":"client_credentials"}`)})
	if err != nil {
		return call.Token{}, fmt.Errorf("onelogin: get an access token: %w", err)
	}
	token, err := readToken(resp, time.Now())
	if err != nil {
		return call.Token{}, fmt.Errorf("onelogin: get an access token: %w", finding.Finding{Code: finding.IdPAnswer, Subject: c.subject,
			What: "the answer holds no access token", Why: err.Error(), Remedy: "check that the configured URL is the account's own and that nothing in front of it answers"})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.ends = time.Now(), token.Expires
	return token, nil
}

// worthAsking reports whether asking for a token may bring a newer one. As long
// as the shared token lives OneLogin gives out no other, so it makes no sense
// to ask at every turn.
func (c *credential) worthAsking(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.asked) >= askAgain || c.ends.Sub(now) <= askAgain
}

// readToken reads an answer of the token endpoint. The token may be almost over
// when we get it: its end counts from created_at, on OneLogin's clock. An end
// that would be past already means that expires_in is counted from now, as RFC
// 6749 section 5.1 has it. The answer's text is never part of an error.
func readToken(resp outbound.Response, now time.Time) (call.Token, error) {
	var t struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		CreatedAt   string          `json:"created_at"`
	}
	if json.Unmarshal(resp.Body, &t) != nil {
		return call.Token{}, fmt.Errorf("it is not a JSON object of the documented form")
	}
	var seconds int64
	if json.Unmarshal(t.ExpiresIn, &seconds) != nil || seconds <= 0 || seconds > 10*365*24*3600 {
		return call.Token{}, fmt.Errorf("its expires_in is not a number of seconds")
	}
	if !headerSafe(t.AccessToken) {
		return call.Token{}, fmt.Errorf("its access_token is empty or holds what no header may hold")
	}
	theirs := now
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		theirs = date
	}
	life := time.Duration(seconds) * time.Second
	issued := theirs
	if created, err := time.Parse(time.RFC3339, t.CreatedAt); err == nil && created.Before(theirs) && created.Add(life).After(theirs) {
		issued = created
	}
	ours := now.Add(issued.Sub(theirs)) // the same moment on our clock
	return call.Token{Value: secret.New(t.AccessToken), Type: t.TokenType, Issued: ours, Expires: ours.Add(life)}, nil
}

// headerSafe reports whether a token is one word of visible ASCII.
func headerSafe(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

package sources

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/signature"
)

const (
	key     = "MARKER-key-of-thirty-two-bytes-00"
	nextKey = "MARKER-next-of-thirty-two-bytes-0"
	token   = "MARKER-token"
)

func at() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) }

func signedSource() Source {
	return Source{Kind: HMAC, Secrets: []secret.Value{secret.New(key), secret.New(nextKey)}, MayName: []string{"us-west-2"}}
}

func pagerDutySource() Source {
	return Source{Kind: PagerDuty, Secrets: []secret.Value{secret.New(key), secret.New(nextKey)}, Events: []string{"incident.triggered"}, Own: "samlfailover/"}
}

// signed makes a request as a client of the product's own way would.
func signed(with, body string, when time.Time) Request {
	r := Request{Method: "POST", Path: "/hooks/a", Header: http.Header{}, Body: []byte(body)}
	signature.Sign(r.Header, secret.New(with), when, r.Method, r.Path, r.Body)
	return r
}

func v1(with, body string) string {
	mac := hmac.New(sha256.New, []byte(with))
	mac.Write([]byte(body))
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

func fromPagerDuty(body string, signatures ...string) Request {
	r := Request{Method: "POST", Path: "/hooks/a", Header: http.Header{}, Body: []byte(body)}
	r.Header.Set("X-PagerDuty-Signature", strings.Join(signatures, ","))
	return r
}

// event is a webhook of PagerDuty as its documentation shows one, with members
// that nobody here knows.
func event(id, kind, when, key string) string {
	return fmt.Sprintf(`{"event":{"id":%q,"event_type":%q,"resource_type":"incident","occurred_at":%q,"agent":{"id":"P1"},"client":null,
"data":{"id":"Q2ABC","type":"incident","status":"triggered","incident_key":%q,"title":"us-east-1 \u001b[31mis down","service":{"id":"S1"}}}}`, id, kind, when, key)
}

const now = "2026-11-27T12:00:00.169Z"

func wantRefusal(t *testing.T, why string, err error, code string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Code != code || r.Next == "" || r.Status < 400 {
		t.Errorf("%s: %v (%+v), want %s", why, err, r, code)
		return
	}
	if strings.Contains(r.Detail+r.Next, "MARKER") {
		t.Errorf("%s: the refusal holds a secret: %+v", why, r)
	}
}

// spec 13.1
func TestHMAC(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		r    Request
		code string
	}{
		{"as signed", signed(key, `{"reason":"x"}`, at()), ""},
		{"with the second secret of an exchange", signed(nextKey, `{"reason":"x"}`, at()), ""},
		{"without a body", signed(key, ``, at()), ""},
		{"with a Region that it may name", signed(key, `{"to":"us-west-2"}`, at()), ""},
		{"with another Region", signed(key, `{"to":"eu-west-1"}`, at()), "invalid"},
		{"of five minutes and a second ago", signed(key, `{}`, at().Add(-301*time.Second)), tooOld},
		{"of the future", signed(key, `{}`, at().Add(301*time.Second)), tooOld},
		{"with another secret", signed("another", `{}`, at()), badCredential},
		{"not signed", Request{Method: "POST", Path: "/hooks/a", Header: http.Header{}}, badCredential},
		{"with a key that is not known", signed(key, `{"federation":"labs"}`, at()), unreadable},
		{"with two objects", signed(key, `{}{}`, at()), unreadable},
		{"with a list", signed(key, `[]`, at()), unreadable},
		{"with null", signed(key, `null`, at()), unreadable},
		{"with spaces alone", signed(key, "  ", at()), unreadable},
		{"with a bomb of brackets", signed(key, strings.Repeat(`{"a":`, 50000), at()), unreadable},
		{"with a bomb of lists", signed(key, strings.Repeat(`[`, 100000), at()), unreadable},
	} {
		ask, err := signedSource().Read(c.r, at())
		if c.code != "" {
			wantRefusal(t, c.why, err, c.code)
		} else if err != nil || ask.ID == "" || ask.Keep < 2*HMACWindow || ask.Ignored != "" {
			t.Errorf("%s: %+v, %v", c.why, ask, err)
		}
	}
	r := signed(key, `{}`, at())
	r.Header.Set("Content-Encoding", "gzip")
	_, err := signedSource().Read(r, at())
	wantRefusal(t, "compressed", err, unreadable)
}

// spec 13.1
func TestPagerDuty(t *testing.T) {
	t.Parallel()
	good := event("01E", "incident.triggered", now, "k")
	old, future := event("01E", "incident.triggered", "2026-11-27T11:44:59Z", "k"), event("01E", "incident.triggered", "2026-11-27T12:15:01Z", "k")
	for _, c := range []struct {
		why     string
		r       Request
		code    string
		ignored string
	}{
		{"as signed", fromPagerDuty(good, v1(key, good)), "", ""},
		{"several signatures, one of them right", fromPagerDuty(good, v1("other", good), v1(nextKey, good)), "", ""},
		{"a wrong one after the right one", fromPagerDuty(good, v1(key, good), "v1=00"), "", ""},
		{"fifteen minutes and a second ago", fromPagerDuty(old, v1(key, old)), tooOld, ""},
		{"of the future", fromPagerDuty(future, v1(key, future)), tooOld, ""},
		{"of another body", fromPagerDuty(good+" ", v1(key, good)), badCredential, ""},
		{"of another version", fromPagerDuty(good, strings.Replace(v1(key, good), "v1", "v2", 1)), badCredential, ""},
		{"without a version", fromPagerDuty(good, strings.TrimPrefix(v1(key, good), "v1=")), badCredential, ""},
		{"the right one behind too many", fromPagerDuty(good, append(slices.Repeat([]string{"v1=00"}, 10), v1(key, good))...), badCredential, ""},
		{"none", fromPagerDuty(good), badCredential, ""},
		{"the empty one", fromPagerDuty(good, "v1="), badCredential, ""},
		{"an event without an id", signedEvent(event("", "incident.triggered", now, "k")), unreadable, ""},
		{"an event without a time", signedEvent(event("01E", "incident.triggered", "", "k")), unreadable, ""},
		{"no JSON", signedEvent("hello"), unreadable, ""},
		{"no body", signedEvent(""), unreadable, ""},
		{"a bomb", signedEvent(strings.Repeat("[", 1000)), unreadable, ""},
		{"the test of the webhook", signedEvent(event("01E", "pagey.ping", now, "")), "", "a test of the webhook"},
		{"an event that the hook does not ask on", signedEvent(event("01E", "incident.resolved", now, "k")), "", "incident.resolved"},
		{"an incident that we have made ourselves", signedEvent(event("01E", "incident.triggered", now, "samlfailover/outage corp")), "", "our own making"},
	} {
		ask, err := pagerDutySource().Read(c.r, at())
		if c.code != "" {
			wantRefusal(t, c.why, err, c.code)
			continue
		}
		if err != nil || ask.ID != "01E" || ask.Keep < 2*PagerDutyWindow || (ask.Ignored == "") != (c.ignored == "") || !strings.Contains(ask.Ignored, c.ignored) {
			t.Errorf("%s: %+v, %v", c.why, ask, err)
		}
	}
	ask, _ := pagerDutySource().Read(signedEvent(good), at())
	if ask.Reason != `PagerDuty incident Q2ABC: us-east-1 \u001b[31mis down` {
		t.Errorf("the reason: %q", ask.Reason)
	}
}

func signedEvent(body string) Request { return fromPagerDuty(body, v1(key, body)) }

const notification = `{"version":"4","groupKey":"{}:{alertname=\"SignIn\"}","truncatedAlerts":0,"status":"firing","receiver":"x","groupLabels":{},
"commonLabels":{"alertname":"SignIn\u202e"},"commonAnnotations":{},"externalURL":"http://am","alerts":[
{"status":"firing","labels":{},"startsAt":"2026-11-27T11:00:00Z","fingerprint":"a"},{"status":"firing","labels":{},"startsAt":"2026-11-27T11:01:00Z","fingerprint":"b"}]}`

// spec 13.1
func TestAlertmanager(t *testing.T) {
	t.Parallel()
	with := func(h ...string) Request {
		r := Request{Method: "POST", Path: "/hooks/a", Header: http.Header{}, Body: []byte(notification)}
		for _, v := range h {
			r.Header.Add("Authorization", v)
		}
		return r
	}
	open := Source{Kind: Alertmanager}
	bearer := Source{Kind: Alertmanager, Token: secret.New(token)}
	basic := Source{Kind: Alertmanager, Username: "am", Password: secret.New(token)}
	basicHeader := func(user, password string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for _, c := range []struct {
		why  string
		s    Source
		r    Request
		code string
	}{
		{"unsigned", open, with(), ""},
		{"with its token", bearer, with("Bearer " + token), ""},
		{"with the scheme in other letters", bearer, with("bearer " + token), ""},
		{"with another token", bearer, with("Bearer x"), badCredential},
		{"with the token under another scheme", bearer, with("Basic " + token), badCredential},
		{"with two credentials", bearer, with("Bearer x", "Bearer "+token), badCredential},
		{"with two, the right one first", bearer, with("Bearer "+token, "Bearer x"), badCredential},
		{"without one", bearer, with(), badCredential},
		{"with user and password", basic, with(basicHeader("am", token)), ""},
		{"with another user", basic, with(basicHeader("x", token)), badCredential},
		{"with another password", basic, with(basicHeader("am", "x")), badCredential},
		{"with the password as a token", basic, with("Bearer " + token), badCredential},
	} {
		ask, err := c.s.Read(c.r, at())
		if c.code != "" {
			wantRefusal(t, c.why, err, c.code)
		} else if err != nil || ask.ID == "" || ask.Look || ask.Reason != `Alertmanager: SignIn\u202e firing` {
			t.Errorf("%s: %+v, %v", c.why, ask, err)
		}
	}
	read := func(body string) (Ask, error) {
		r := with()
		r.Body = []byte(body)
		return open.Read(r, at())
	}
	first, _ := read(notification)
	if ask, err := read(strings.ReplaceAll(notification, `"firing"`, `"resolved"`)); err != nil || !ask.Look || ask.ID == first.ID {
		t.Errorf("a resolved one asks for more than a look: %+v, %v", ask, err)
	}
	if ask, _ := read(strings.Replace(notification, `"receiver":"x"`, `"receiver":"y"`, 1)); ask.ID != first.ID {
		t.Error("the same alerts by another Alertmanager are another notification")
	}
	if ask, _ := read(strings.Replace(notification, "11:01:00Z", "11:02:00Z", 1)); ask.ID == first.ID {
		t.Error("another alert is the same notification")
	}
	for why, body := range map[string]string{"of version 3": strings.Replace(notification, `"4"`, `"3"`, 1), "without alerts": `{"version":"4","groupKey":"k","status":"firing","alerts":[]}`,
		"of no status": strings.Replace(notification, `"status":"firing","receiver"`, `"status":"x","receiver"`, 1), "empty": ""} {
		_, err := read(body)
		wantRefusal(t, why, err, unreadable)
	}
}

// The saboteurs: sources that each leave out one check take what the tables
// above want refused, so it is these checks that refuse it.
func TestChecksAreNeeded(t *testing.T) {
	t.Parallel()
	old := event("01E", "incident.triggered", "2026-11-27T11:00:00Z", "k")
	if _, err := pagerDutySource().Read(signedEvent(old), at().Add(-time.Hour)); err != nil {
		t.Errorf("an hour ago the old event was good, so only its age refuses it: %v", err)
	}
	if _, err := signedSource().Read(signed(key, `{}`, at().Add(-time.Hour)), at().Add(-time.Hour)); err != nil {
		t.Errorf("an hour ago the old request was good: %v", err)
	}
	careless := pagerDutySource()
	careless.Own = ""
	if ask, err := careless.Read(signedEvent(event("01E", "incident.triggered", now, "samlfailover/outage corp")), at()); err != nil || ask.Ignored != "" {
		t.Errorf("without our own prefix our own incident asks: %+v, %v", ask, err)
	}
}

// Whatever comes, a source neither panics nor takes what is not signed; what it
// takes has an id and texts that act on nothing.
func FuzzSources(f *testing.F) {
	good := event("01E", "incident.triggered", now, "k")
	f.Add(uint8(0), "", "", `{"reason":"x"}`, true)
	f.Add(uint8(1), v1(key, good), "", good, false)
	f.Add(uint8(2), "", "Bearer "+token, notification, false)
	f.Add(uint8(1), "v1=,v1=", "Basic Og==", `{"event":{"occurred_at":"`+now+`"}}`, true)
	f.Fuzz(func(t *testing.T, which uint8, sig, authorization, body string, sign bool) {
		s := []Source{signedSource(), pagerDutySource(), {Kind: Alertmanager, Token: secret.New(token)}}[which%3]
		r := Request{Method: "POST", Path: "/hooks/a", Header: http.Header{}, Body: []byte(body)}
		r.Header.Set("X-PagerDuty-Signature", sig)
		r.Header.Set("Authorization", authorization)
		r.Header.Set(signature.Header, sig)
		r.Header.Set(signature.TimestampHeader, authorization)
		if sign {
			signature.Sign(r.Header, secret.New(key), at(), r.Method, r.Path, r.Body)
			r.Header.Set("X-PagerDuty-Signature", v1(key, body))
			r.Header.Set("Authorization", "Bearer "+token)
		}
		ask, err := s.Read(r, at())
		if err != nil {
			var refusal *Refusal
			if !errors.As(err, &refusal) || strings.Contains(refusal.Detail, "MARKER") || refusal.Status < 400 || refusal.Status > 499 {
				t.Errorf("%v", err)
			}
			return
		}
		known := sign || sig == v1(key, body) || sig == v1(nextKey, body) || strings.EqualFold(authorization, "Bearer "+token) || strings.Contains(sig, v1(key, body)) || strings.Contains(sig, v1(nextKey, body))
		if !known {
			t.Errorf("taken without a credential: %q %q %q", sig, authorization, body)
		}
		if ask.ID == "" || ask.Keep <= 0 || strings.ContainsAny(ask.Reason+ask.Ignored, "\x1b\n\u202e") || len(ask.Reason) > 4000 {
			t.Errorf("%+v", ask)
		}
	})
}

// The recipe of the documentation, in its own words, makes what is taken.
func TestDocumentedRecipe(t *testing.T) {
	t.Parallel()
	body := `{"reason":"sign-in is down, INC-4711"}`
	stamp := fmt.Sprint(at().Unix())
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "v1\n%s\nPOST\n%s\n%s", stamp, "/hooks/a", body)
	r := Request{Method: "POST", Path: "/hooks/a", Header: http.Header{}, Body: []byte(body)}
	r.Header.Set("Samlfailover-Timestamp", stamp)
	r.Header.Set("Samlfailover-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
	if ask, err := signedSource().Read(r, at()); err != nil || ask.Reason != "sign-in is down, INC-4711" {
		t.Errorf("%+v, %v", ask, err)
	}
}

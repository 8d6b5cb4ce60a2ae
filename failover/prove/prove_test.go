package prove_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/failover/prove"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
)

// TestProve moves the app of each vendor; every row but the first ones has one
// thing wrong, and the prover has to say which.
//
// spec 2.6, 2.8 and 9.1
// spec 3
func TestProve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why     string
		behind  lag
		without string       // vendor that the row does not fit
		after   func(*bench) // what happens after the move
		level   failover.Level
		says    string        // part of the reason
		best    bool          // nothing speaks against the app
		tries   int           // passwords given; 0 = any number
		atMost  time.Duration // until the answer; 0 = 30 s
		atLeast time.Duration
	}{
		{why: "moved", level: failover.P3, tries: 1, atMost: time.Second},
		{why: "sign-on lags 8 s behind", behind: 8 * time.Second, level: failover.P3, atLeast: 7 * time.Second, atMost: 20 * time.Second},
		{why: "sign-on lags for ever", behind: time.Hour, level: failover.P1, says: "names \"https://signin.aws.amazon.com/saml\" as Recipient", atLeast: 25 * time.Second},
		{why: "no scan has read the provider", after: func(b *bench) { b.providers = []inventory.Provider{{ARN: provider}} }, level: failover.P1, best: true, says: "trust scan", tries: 1},
		{why: "the provider's document could not be read", after: func(b *bench) { b.providers[0].Error = &finding.Finding{Code: finding.AccountUnreadable} }, level: failover.P1, best: true, says: "trust scan"},
		{why: "the kind is not proven", after: func(b *bench) { b.kinds = nil }, level: failover.P1, best: true, says: "carries the new endpoint and verifies", tries: 1},
		{why: "neither kind nor certificate, and the app was moved back", after: func(b *bench) {
			b.kinds, b.providers[0].Certificates = nil, nil
			b.change(func(doc map[string]any) { b.point(doc, oldACS) })
		}, level: failover.P1, says: "does not point at us-west-2 any more"},
		{why: "somebody moved the app back", after: func(b *bench) { b.change(func(doc map[string]any) { b.point(doc, oldACS) }) },
			level: failover.P1, says: "somebody changed it after the move", atMost: time.Second},
		{why: "the RelayState was left behind", after: func(b *bench) { b.change(func(doc map[string]any) { b.relay(doc, oldPage) }) },
			level: failover.P1, says: "RelayState leads to the console of us-east-1", tries: 1},
		{why: "the signing key was exchanged", after: func(b *bench) { b.change(b.newKey) },
			level: failover.P1, says: "no certificate that IAM has for the provider verifies it", tries: 1},
		{why: "another issuer is registered", after: func(b *bench) { b.providers[0].Issuer = "http://other" }, level: failover.P1, says: "the IAM provider knows \"http://other\""},
		{why: "the IAM provider has ended", after: func(b *bench) { b.providers[0].ValidUntil = time.Now().Add(-time.Hour) }, level: failover.P1, says: "the IAM provider " + provider + " ended"},
		{why: "the test user has no role of the federation", after: func(b *bench) { b.providers[0].ARN += "x" }, level: failover.P1, says: "has no role at any SAML provider of the federation"},
		{why: "a second provider of the user's has an old certificate", after: func(b *bench) {
			b.providers = append(b.providers, b.providers[0])
			b.providers[1].Certificates = [][]byte{[]byte("not a certificate")}
		}, level: failover.P1, best: true, says: "trust scan"},
		{why: "a second factor is asked for", after: func(b *bench) { b.obstruct("mfa") }, level: failover.P1, says: "second factor", tries: 1, atMost: time.Second},
		{why: "the password has expired", without: "onelogin", after: func(b *bench) { b.obstruct("expired") }, level: failover.P1, says: "password has to be changed", tries: 1, atMost: time.Second},
		{why: "the sign-on is down", after: func(b *bench) { b.on(b.signOn[0], fails(http.StatusBadGateway)) }, level: failover.P1, says: "502", atLeast: 25 * time.Second},
		{why: "a redirect away where the password goes", after: func(b *bench) { b.on(b.signOn[0], away) }, level: failover.P1, atMost: 2 * time.Second},
		{why: "a redirect away where the response comes from", after: func(b *bench) { b.on(b.signOn[len(b.signOn)-1], away) }, level: failover.P1, atMost: 2 * time.Second},
		{why: "HTML without a form", after: func(b *bench) { b.on(b.signOn[len(b.signOn)-1], page("<p>Welcome</p>")) }, level: failover.P1, says: "no SAML response"},
		{why: "the password form again", without: "onelogin", after: func(b *bench) {
			b.on(b.signOn[len(b.signOn)-1], page(`<form method="post"><input name="u"><input type="password" name="p"></form>`))
		}, level: failover.P1, says: "asks for the password again"},
		{why: "two forms", without: "onelogin", after: func(b *bench) {
			const f = `<form method="post" action="https://us-west-2.signin.aws.amazon.com/saml"><input name="SAMLResponse" value="PHg+"></form>`
			b.on(b.signOn[len(b.signOn)-1], page(f+f))
		}, level: failover.P1, says: "several forms"},
		{why: "a page of 100 MB", after: func(b *bench) { b.on(b.signOn[len(b.signOn)-1], large) }, level: failover.P1, says: "larger than"},
		{why: "junk in place of the first answer", after: func(b *bench) { b.on(b.signOn[0], page("}{")) }, level: failover.P1},
	} {
		for name, make := range vendors() {
			if name == c.without {
				continue
			}
			t.Run(name+": "+c.why, func(t *testing.T) {
				t.Parallel()
				keys()
				synctest.Test(t, func(t *testing.T) {
					b := newBench(t, make, c.behind)
					b.move()
					if c.after != nil {
						c.after(b)
					}
					began := time.Now()
					level, err := b.prove()
					took := time.Since(began)
					if level != c.level || (err == nil) != (c.level == failover.P3) {
						t.Fatalf("level %s: %v", level, err)
					}
					if f, ok := finding.From(err); err != nil && (!ok || f.What == "" || f.Remedy == "" || f.Subject != "app AWS") {
						t.Errorf("the reason is no whole finding: %+v", f)
					}
					if err != nil && !strings.Contains(err.Error(), c.says) {
						t.Errorf("the reason does not say %q: %v", c.says, err)
					}
					if errors.Is(err, move.ErrUnprovable) != c.best {
						t.Errorf("best level: %v, %v", !c.best, err)
					}
					if c.tries > 0 && b.tries() != c.tries {
						t.Errorf("%d passwords given, want %d", b.tries(), c.tries)
					}
					if took < c.atLeast || took > 30*time.Second || c.atMost > 0 && took > c.atMost {
						t.Errorf("took %s", took)
					}
					b.stayedHome()
				})
			})
		}
	}
}

// stayedHome checks that nobody went, or tried to go, to another host than the
// vendor's own.
func (b *bench) stayedHome() {
	b.t.Helper()
	entries, _ := b.seen.Since(0)
	for _, e := range entries {
		if !slices.ContainsFunc(b.sites, func(s proxy.Site) bool { return s.Host == e.Host }) {
			b.t.Errorf("somebody went to %s", e.Host)
		}
	}
	if len(entries) == 0 {
		b.t.Error("the log of requests is empty: this check is broken")
	}
}

func (b *bench) change(f func(map[string]any)) {
	b.t.Helper()
	if err := b.edit(f); err != nil {
		b.t.Fatal(err)
	}
}

func fails(status int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func away(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "https://evil.example/collect?flowId=3b9fe2b2-9ba4-4dd6-9d4c-0f6d1c0f4a11", http.StatusTemporaryRedirect)
}

func page(html string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(html))
	}
}

func large(w http.ResponseWriter, _ *http.Request) {
	chunk := []byte(strings.Repeat("<p>", 1<<18))
	for range 100 << 20 / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// A wrong password is given once: trying it again could lock the user out.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	for name, make := range vendors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, make, 0)
				b.move()
				b.tamper = func(_ http.ResponseWriter, r *http.Request) bool { spoil(r); return false }
				level, err := b.prove()
				if level != failover.P1 || err == nil || !strings.Contains(err.Error(), "refuses the test user's name or password") || b.tries() != 1 {
					t.Errorf("%s after %d tries: %v", level, b.tries(), err)
				}
			})
		})
	}
}

// Nor is it given once for each app: the first refusal counts for the tenant, and
// for a while. spec 3
func TestWrongPasswordIsGivenOnceForAllApps(t *testing.T) {
	t.Parallel()
	for name, make := range vendors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, make, 0)
				b.move()
				b.tamper = func(_ http.ResponseWriter, r *http.Request) bool { spoil(r); return false }
				p := must(prove.New(b.config))
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						level, err := p.Prove(t.Context(), b.ref, west)
						if level != failover.P1 || err == nil || !strings.Contains(err.Error(), "refuses the test user's name or password") || errors.Is(err, move.ErrUnprovable) {
							t.Errorf("%s: %v", level, err)
						}
					})
				}
				all.Wait()
				if b.tries() != 1 {
					t.Errorf("%d passwords given", b.tries())
				}
				b.tamper = nil
				if _, err := p.Prove(t.Context(), b.ref, west); err == nil || !strings.Contains(err.Error(), "not given again until") {
					t.Errorf("at once: %v", err)
				}
				time.Sleep(11 * time.Minute)
				for range 8 {
					all.Go(func() {
						if level, err := p.Prove(t.Context(), b.ref, west); level != failover.P3 {
							t.Errorf("later: %s: %v", level, err)
						}
					})
				}
				all.Wait()
			})
		})
	}
}

// A page that answers in the vendor's place and repeats the password does not get
// it into a message. spec 15.1
func TestRepeatedPassword(t *testing.T) {
	t.Parallel()
	for name, make := range vendors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, make, 0)
				b.move()
				repeated := 0
				b.tamper = func(w http.ResponseWriter, r *http.Request) bool {
					body, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(body))
					if strings.Contains(string(body), password) {
						repeated++
						w.Header().Set("Content-Type", "application/json")
						w.Header().Set("X-Echo", password)
						w.WriteHeader(http.StatusUnauthorized)
						_, _ = fmt.Fprintf(w, `{"status":%[1]q,"errorCode":%[1]q,"code":%[1]q,"name":%[1]q,"message":"password %[1]s of the user is wrong"}`, password)
						return true
					}
					return false
				}
				if level, err := b.prove(); level != failover.P1 || err == nil || repeated != 1 { // prove looks for the password
					t.Errorf("%s, repeated %d times: %v", level, repeated, err)
				}
			})
		})
	}
}

// A federation without anything prepared is told what is missing, and no call
// is made.
func TestReach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newOkta, 0)
		reach := func() (failover.Level, string) {
			level, why := must(prove.New(b.config)).Reach(b.ref, b.kind())
			if why == nil {
				return level, ""
			}
			return level, why.Error()
		}
		if level, why := reach(); level != failover.P3 || why != "" {
			t.Errorf("%s %s", level, why)
		}
		b.kinds = nil
		if level, why := reach(); level != failover.P1 || !strings.Contains(why, "proven_kinds") {
			t.Errorf("%s %s", level, why)
		}
		b.providers[0].Certificates = nil
		if level, why := reach(); level != failover.P1 || !strings.Contains(why, "trust scan") {
			t.Errorf("%s %s", level, why)
		}
		b.config.Assertor = func(string) (idp.Assertor, bool) { return nil, false }
		if level, why := reach(); level != failover.P1 || !strings.Contains(why, "no section proof") {
			t.Errorf("%s %s", level, why)
		}
		level, err := b.prove()
		if level != failover.P1 || !errors.Is(err, move.ErrUnprovable) || !strings.Contains(err.Error(), "test user") || b.tries() != 0 {
			t.Errorf("%s %v", level, err)
		}
	})
}

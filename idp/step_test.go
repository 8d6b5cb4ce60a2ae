package idp_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/idp/okta"
	"github.com/samlfailover/samlfailover/signin"
)

const (
	east       = "https://signin.aws.amazon.com/saml"
	west       = "https://us-west-2.signin.aws.amazon.com/saml"
	eastPage   = "https://us-east-1.console.aws.amazon.com/"
	westPage   = "https://us-west-2.console.aws.amazon.com/"
	acsPointer = "/settings/signOn/ssoAcsUrl"
	relay      = "/settings/signOn/defaultRelayState"
)

// doc is a small custom SAML app.
func doc(acs, relayState string) json.RawMessage {
	b, _ := json.Marshal(map[string]any{"id": "0oa1", "name": "acme_aws_1", "label": "AWS", "status": "ACTIVE", "signOnMode": "SAML_2_0", "lastUpdated": "1",
		"settings": map[string]any{"notes": nil, "signOn": map[string]any{"ssoAcsUrl": acs, "recipient": acs, "destination": acs, "defaultRelayState": relayState}}})
	return b
}

// memory is a vendor that holds one app. Its hooks see each call before it
// takes effect; n counts the calls of that kind from 1.
type memory struct {
	mu            sync.Mutex
	raw           json.RawMessage
	past          []json.RawMessage // every version, oldest first
	reads, writes int
	onRead        func(m *memory, n int) (json.RawMessage, error) // nil, nil = the current app
	onWrite       func(m *memory, n int, next json.RawMessage) (store bool, err error)
}

func newMemory(raw json.RawMessage) *memory { return &memory{raw: raw} }

func (m *memory) List(context.Context) ([]idp.Document, error) { return nil, nil }
func (m *memory) Warm(context.Context) error                   { return nil }

func (m *memory) Read(ctx context.Context, id idp.AppID) (idp.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	raw := m.raw
	if m.onRead != nil {
		other, err := m.onRead(m, m.reads)
		if err != nil {
			return idp.Document{}, err
		}
		if raw = m.raw; other != nil {
			raw = other
		}
	}
	return idp.Document{ID: id, Raw: raw, ReadAt: time.Now()}, ctx.Err()
}

func (m *memory) Write(_ context.Context, d idp.Document, changes []idp.Change) error {
	next, err := idp.Apply(d, changes)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	store := true
	if m.onWrite != nil {
		store, err = m.onWrite(m, m.writes, next.Raw)
	}
	if store {
		m.past = append(m.past, m.raw)
		m.raw = next.Raw
	}
	return err
}

// put changes a value behind everybody's back.
func (m *memory) put(p idp.Pointer, value string) {
	next, err := idp.Set(m.raw, p, json.RawMessage(value))
	if err != nil {
		panic(err)
	}
	m.raw = next
}

func (m *memory) get(p idp.Pointer) string {
	raw, _, _ := idp.Get(m.raw, p)
	return string(raw)
}

func toWest() signin.Target {
	return signin.Target{From: signin.MustRegion("us-east-1"), To: signin.MustRegion("us-west-2")}
}

func step(ctx context.Context, m *memory, h idp.Hooks) (idp.StepResult, error) {
	return idp.Step(ctx, m, okta.Codec{}, "0oa1", toWest(), h)
}

// fault is an error that another try may cure.
func fault() error {
	return &idp.RetryError{After: time.Second, Err: finding.Finding{Code: finding.IdPUnreachable, What: "a fault"}}
}

// spec 2.2
func TestStepSettles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(*memory)
		code    finding.Code // "" = done
		writes  int
		check   func(*testing.T, *memory, idp.StepResult, error)
	}{
		{"a plain move takes four calls", func(*memory) {}, "", 1, func(t *testing.T, m *memory, r idp.StepResult, _ error) {
			if r.Calls != 4 || r.Polls != 0 || m.reads != 3 || r.App.Region() != signin.MustRegion("us-west-2") || !r.Sent || r.Already {
				t.Errorf("calls %d, polls %d, reads %d, result %+v", r.Calls, r.Polls, m.reads, r.App)
			}
		}},
		{"a write that shows late is awaited", func(m *memory) {
			m.onRead = func(m *memory, n int) (json.RawMessage, error) {
				if m.writes > 0 && n < 8 {
					return m.past[0], nil
				}
				return nil, nil
			}
		}, "", 1, func(t *testing.T, _ *memory, r idp.StepResult, _ error) {
			if r.Calls != 4 || r.Polls != 5 {
				t.Errorf("calls %d, polls %d; want 4 and 5", r.Calls, r.Polls)
			}
		}},
		{"a success that stores nothing is no success", func(m *memory) {
			m.onWrite = func(*memory, int, json.RawMessage) (bool, error) { return false, nil }
		}, finding.NotVisible, 1, nil},
		{"a half-stored write is a lost update with evidence", func(m *memory) {
			m.onWrite = func(m *memory, _ int, _ json.RawMessage) (bool, error) {
				m.put(acsPointer, `"`+west+`"`)
				return false, nil
			}
		}, finding.LostUpdate, 1, func(t *testing.T, _ *memory, _ idp.StepResult, err error) {
			f, _ := finding.From(err)
			if got := f.Evidence["/settings/signOn/recipient"]; got != `before "`+east+`", sent "`+west+`", after "`+east+`"` {
				t.Errorf("evidence: %q", f.EvidenceLines())
			}
		}},
		{"a null that became a text is a lost update, its value is not shown", func(m *memory) {
			m.onWrite = func(m *memory, _ int, next json.RawMessage) (bool, error) {
				m.raw = next
				m.put("/settings/notes", `"hunter2"`)
				return false, nil
			}
		}, finding.LostUpdate, 1, func(t *testing.T, _ *memory, _ idp.StepResult, err error) {
			f, _ := finding.From(err)
			if f.Evidence["others', not as before"] != "/settings/notes" || strings.Contains(strings.Join(f.EvidenceLines(), " "), "hunter2") {
				t.Errorf("evidence: %q", f.EvidenceLines())
			}
		}},
		{"a vendor that writes numbers its own way loses nothing", func(m *memory) {
			m.put("/settings/n", `1.50`)
			m.onWrite = func(m *memory, _ int, next json.RawMessage) (bool, error) {
				m.raw = next
				m.put("/settings/n", `1.5`)
				m.put("/lastUpdated", `"2"`)
				return false, nil
			}
		}, "", 1, nil},
		{"a lost answer of an applied write is settled by reading", func(m *memory) {
			m.onWrite = func(*memory, int, json.RawMessage) (bool, error) { return true, fault() }
		}, "", 1, nil},
		{"an untyped error of an applied write too", func(m *memory) {
			m.onWrite = func(*memory, int, json.RawMessage) (bool, error) { return true, errors.New("reset") }
		}, "", 1, nil},
		{"passing faults are tried again", func(m *memory) {
			m.onWrite = func(_ *memory, n int, _ json.RawMessage) (bool, error) {
				if n < 4 {
					return false, fault()
				}
				return true, nil
			}
		}, "", 4, nil},
		{"but not for ever", func(m *memory) {
			m.onWrite = func(*memory, int, json.RawMessage) (bool, error) { return false, fault() }
		}, finding.IdPUnreachable, 4, nil},
		{"a refusal ends the step at once", func(m *memory) {
			m.onWrite = func(*memory, int, json.RawMessage) (bool, error) {
				return false, finding.Finding{Code: finding.IdPPermission, What: "no"}
			}
		}, finding.IdPPermission, 1, func(t *testing.T, _ *memory, r idp.StepResult, _ error) {
			if r.Polls != 0 {
				t.Errorf("%d polls after a refusal", r.Polls)
			}
		}},
		{"an edit after a failed write is not written over", func(m *memory) {
			m.onWrite = func(m *memory, _ int, _ json.RawMessage) (bool, error) {
				m.put("/label", `"renamed"`)
				return false, fault()
			}
		}, finding.IdPUnreachable, 1, func(t *testing.T, m *memory, _ idp.StepResult, _ error) {
			if m.get("/label") != `"renamed"` || m.get(acsPointer) != `"`+east+`"` {
				t.Errorf("the app became %s", m.raw)
			}
		}},
		{"a failed write that shows later counts", func(m *memory) {
			m.onWrite = func(*memory, int, json.RawMessage) (bool, error) { return true, fault() }
			m.onRead = func(m *memory, n int) (json.RawMessage, error) {
				if n == 3 {
					return nil, fault()
				}
				return nil, nil
			}
		}, "", 1, nil},
		{"an app that cannot be read back is not called done", func(m *memory) {
			m.onRead = func(_ *memory, n int) (json.RawMessage, error) {
				if n > 2 {
					return nil, finding.Finding{Code: finding.IdPUnreachable, What: "gone"}
				}
				return nil, nil
			}
		}, finding.NotVisible, 1, func(t *testing.T, _ *memory, r idp.StepResult, _ error) {
			if !r.Sent {
				t.Error("the result does not say that a write was sent")
			}
		}},
		{"an edit within the same second is seen", func(m *memory) {
			m.onRead = func(m *memory, n int) (json.RawMessage, error) {
				if n == 2 {
					m.put("/settings/notes", `"x"`)
				}
				return nil, nil
			}
		}, finding.ChangedMeanwhile, 0, nil},
		{"so is one that only touched the time stamp", func(m *memory) {
			m.onRead = func(m *memory, n int) (json.RawMessage, error) {
				if n == 2 {
					m.put("/lastUpdated", `"2"`)
				}
				return nil, nil
			}
		}, finding.ChangedMeanwhile, 0, nil},
		{"broken JSON is refused", func(m *memory) { m.raw = json.RawMessage(`{"id":"0oa1","id":"0oa1"}`) }, finding.IdPAnswer, 0, nil},
		{"a foreign endpoint is refused", func(m *memory) { m.put("/settings/signOn/recipient", `"https://evil.example/saml"`) }, finding.ForeignACS, 0, nil}, // spec 1.4
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(doc(east, eastPage))
				tt.prepare(m)
				r, err := step(t.Context(), m, idp.Hooks{})
				if tt.code == "" && err != nil || tt.code != "" && !finding.Is(err, tt.code) {
					t.Errorf("got error %v, want finding %q", err, tt.code)
				}
				if m.writes != tt.writes {
					t.Errorf("%d writes, want %d", m.writes, tt.writes)
				}
				if tt.code == "" && (m.get(acsPointer) != `"`+west+`"` || m.get(relay) != `"`+westPage+`"`) {
					t.Errorf("done, but the app is %s", m.raw)
				}
				if tt.check != nil {
					tt.check(t, m, r, err)
				}
			})
		})
	}
}

func TestStepAlready(t *testing.T) {
	t.Parallel()
	m := newMemory(doc(west, westPage))
	planned := false
	r, err := step(t.Context(), m, idp.Hooks{Planned: func(context.Context, idp.Document, []idp.Change) error { planned = true; return nil }})
	if err != nil || !r.Already || r.Calls != 1 || m.writes != 0 || planned || r.Sent {
		t.Errorf("%+v, %v, planned %v", r, err, planned)
	}
}

// Record first: an error of a hook stops the step before anything is written.
func TestStepHooks(t *testing.T) {
	t.Parallel()
	boom := errors.New("disk full")
	var order []string
	m := newMemory(doc(east, eastPage))
	m.onRead = func(*memory, int) (json.RawMessage, error) { order = append(order, "read"); return nil, nil }
	m.onWrite = func(*memory, int, json.RawMessage) (bool, error) { order = append(order, "write"); return true, nil }
	fails := idp.Hooks{Planned: func(_ context.Context, before idp.Document, changes []idp.Change) error {
		if string(before.Raw) != string(doc(east, eastPage)) || len(changes) != 4 {
			t.Errorf("planned with %s and %d changes", before.Raw, len(changes))
		}
		return boom
	}}
	if r, err := step(t.Context(), m, fails); !errors.Is(err, boom) || m.writes != 0 || r.Sent {
		t.Errorf("planned failed: %v, %d writes", err, m.writes)
	}
	fails = idp.Hooks{Writing: func(context.Context) error { return boom }}
	if r, err := step(t.Context(), m, fails); !errors.Is(err, boom) || m.writes != 0 || r.Sent {
		t.Errorf("writing failed: %v, %d writes", err, m.writes)
	}
	order = nil
	h := idp.Hooks{
		Planned: func(context.Context, idp.Document, []idp.Change) error { order = append(order, "planned"); return nil },
		Writing: func(context.Context) error { order = append(order, "writing"); return nil },
	}
	if _, err := step(t.Context(), m, h); err != nil {
		t.Fatal(err)
	}
	if want := []string{"read", "planned", "read", "writing", "write", "read"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

// The caller's deadline ends the waiting; what was sent is said.
func TestStepDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(doc(east, eastPage))
		m.onWrite = func(*memory, int, json.RawMessage) (bool, error) {
			return false, &idp.RetryError{After: time.Hour, Err: finding.Finding{Code: finding.IdPThrottled, What: "slow"}}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		r, err := step(ctx, m, idp.Hooks{})
		if !finding.Is(err, finding.IdPThrottled) || !r.Sent || m.writes != 1 || time.Since(begun) > time.Minute {
			t.Errorf("%v, sent %v, %d writes, after %v", err, r.Sent, m.writes, time.Since(begun))
		}
	})
}

// evil is a codec that computes a foreign value: promise 1 holds all the same.
type evil struct {
	okta.Codec
	pointer idp.Pointer
}

func (e evil) Retarget(d idp.Document, _ signin.Target) ([]idp.Change, error) {
	now, _, err := idp.Get(d.Raw, e.pointer)
	return []idp.Change{{Pointer: e.pointer, Before: now, After: json.RawMessage(`"https://evil.example/saml"`)}}, err
}

func TestStepWritesNoForeignValue(t *testing.T) {
	t.Parallel()
	for p, code := range map[idp.Pointer]finding.Code{acsPointer: finding.ForeignACS, relay: finding.ForeignRelayState} {
		m := newMemory(doc(east, eastPage))
		_, err := idp.Step(t.Context(), m, evil{pointer: p}, "0oa1", toWest(), idp.Hooks{})
		if !finding.Is(err, code) || m.writes != 0 {
			t.Errorf("%s: %v, %d writes", p, err, m.writes)
		}
	}
}

// careless is a codec whose Retarget mends a foreign endpoint instead of
// refusing the app; the step asks Describe first.
type careless struct{ okta.Codec }

func (careless) Retarget(d idp.Document, _ signin.Target) ([]idp.Change, error) {
	now, _, err := idp.Get(d.Raw, acsPointer)
	return []idp.Change{{Pointer: acsPointer, Before: now, After: idp.QuoteJSON(west)}}, err
}

// spec 1.4
func TestStepDoesNotMendAForeignEndpoint(t *testing.T) {
	t.Parallel()
	m := newMemory(doc(east, eastPage))
	m.put(acsPointer, `"https://evil.example/saml"`)
	_, err := idp.Step(t.Context(), m, careless{}, "0oa1", toWest(), idp.Hooks{})
	if !finding.Is(err, finding.ForeignACS) || m.writes != 0 {
		t.Errorf("%v, %d writes", err, m.writes)
	}
}

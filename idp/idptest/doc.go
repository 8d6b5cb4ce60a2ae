// Package idptest is for proving an IdP adapter: one conformance suite that
// every vendor's adapter runs against a stateful simulator of that vendor, and
// a set of saboteurs (adapters with one fault each) that the suite must catch
// there, so that a green suite means something.
//
// It must never be linked into the product, and never know a vendor.
package idptest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Harness is one adapter in front of one simulator with one movable app in it.
// The app points at From with every endpoint field, holds a console page of
// From as RelayState, and no Regional surprises. The hooks reach past the
// adapter into the simulator. Everything works in virtual time
// (testing/synctest): no real sockets.
type Harness struct {
	Tenant   idp.Tenant
	Codec    idp.Codec
	App      idp.AppID
	From, To signin.Region

	// ACS are all fields that hold the endpoint, the deciding one first;
	// RelayState is the landing page; Bystander a text that no move touches.
	ACS        []idp.Pointer
	RelayState idp.Pointer
	Bystander  idp.Pointer
	// Around are values that a move of ACS may change with it, such as the list
	// whose first entry is the endpoint; Further are values that name endpoints
	// too, are never the active one, and forbid a write if one is foreign.
	Around, Further []idp.Pointer
	// Objects are objects of the app in which the vendor keeps unknown keys.
	Objects []idp.Pointer

	// Secret is the credential that the tenant is configured with.
	Secret string
	// Lags: what was written shows only after a while.
	Lags bool
	// Sim is the simulator behind Wire, and Wire is all that the adapter has of a
	// network.
	Sim  Simulator
	Wire *Wire
	// SetReadOnly switches the vendor's read-only mode; nil = it has none.
	SetReadOnly func(on bool)
	// ExpireToken ends every access token given out so far; nil = the
	// credential does not expire.
	ExpireToken func()
	// SetRights takes away, or gives back, the right to change the app; nil = the
	// vendor knows no rights.
	SetRights func(on bool)
}

// Simulator is the state behind a vendor's simulated API: what other
// administrators see and do, and what goes wrong inside.
type Simulator interface {
	// App returns the app as it is held now.
	App(id string) (json []byte, ok bool)
	// EditApp changes it as another administrator would; numbers are
	// json.Number.
	EditApp(id string, edit func(map[string]any)) error
	// IgnoreNextWrite: the next write is answered with success and dropped.
	IgnoreNextWrite()
	// LoseFieldOnWrite: the next write loses the value at a JSON pointer.
	LoseFieldOnWrite(pointer string)
	// LoseNextAnswer: the next write is applied, then the connection is cut.
	LoseNextAnswer()
}

// Case is one property of an adapter. Check returns why it does not hold; an
// error of type Skipped says why it does not apply to this vendor.
type Case struct {
	Name   string
	Reason string
	Check  func(ctx context.Context, h Harness) error
}

// Skipped is why a case does not apply to a vendor.
type Skipped string

// Error is the reason.
func (s Skipped) Error() string { return string(s) }

// Run proves an adapter: every case on a fresh harness, in virtual time, with
// every exchange held against the vendor's contract. Cases that need what the
// harness does not declare are skipped and say so.
func Run(t *testing.T, harness func(*testing.T) Harness) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			var err error
			synctest.Test(t, func(t *testing.T) {
				h := harness(t)
				if err = check(t, c, h); err == nil {
					err = h.Wire.keeps()
				}
			})
			skip(t, err)
			if err != nil {
				t.Errorf("%v\n(%s)", err, c.Reason)
			}
		})
	}
}

// RunSaboteurs proves the suite: each saboteur must fail the case that is meant
// for it, in front of this vendor's simulator.
func RunSaboteurs(t *testing.T, harness func(*testing.T) Harness) {
	t.Helper()
	for _, s := range Saboteurs() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			var err error
			synctest.Test(t, func(t *testing.T) { err = check(t, byName(s.Case), s.Wrap(harness(t))) })
			skip(t, err)
			if err == nil {
				t.Fatalf("case %q did not catch the saboteur", s.Case)
			}
			t.Log("caught:", err)
		})
	}
}

// skip ends a test whose case does not apply.
func skip(t *testing.T, err error) {
	if why, ok := errors.AsType[Skipped](err); ok {
		t.Skip("does not apply:", why)
	}
}

func check(t *testing.T, c Case, h Harness) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	return c.Check(ctx, h)
}

func byName(name string) Case {
	for _, c := range Cases() {
		if c.Name == name {
			return c
		}
	}
	panic("idptest: no case " + name)
}

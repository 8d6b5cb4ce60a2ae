// Package otheradmin is for another administrator of the simulated AWS: somebody
// who edits the trust policies of federated roles at random moments, as people
// and their scripts do, and knows nothing of samlfailover.
//
// It must never take away what lets people sign in at home, so that a world that
// it works in stays one that people work in; and never write anything that IAM
// would refuse.
package otheradmin

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/aws/world"
)

// Options say how the administrator works.
type Options struct {
	Cloud *world.Cloud
	// Every is the mean time between two edits: each comes after half to one and a
	// half times that.
	Every time.Duration
	// Seed makes the edits repeatable, given the same clock.
	Seed uint64
}

// Edit is one edit: the role and its whole trust policy before and after.
type Edit struct {
	At            time.Time
	Account, Role string // number and name
	ARN           string
	Before, After string
	// Mark is a text that stands in After and in no other edit's: whoever still
	// sees it sees that the edit has survived.
	Mark string
}

// Admin is the administrator. Safe for concurrent use.
type Admin struct {
	o    Options
	draw *rand.Rand // Run's alone

	mu    sync.Mutex
	edits []Edit
}

// New returns an administrator who has not begun.
func New(o Options) *Admin {
	return &Admin{o: o, draw: rand.New(rand.NewPCG(o.Seed, 0x6f74686572))} //nolint:gosec // a simulated person needs no secret randomness
}

// Run edits until ctx ends.
func (a *Admin) Run(ctx context.Context) {
	for {
		// The odd nanosecond keeps an edit from falling on the very tick at which a
		// program under test acts in virtual time.
		wait := a.o.Every/2 + time.Duration(a.draw.Int64N(int64(max(a.o.Every, 1)))) | 1
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			a.edit()
		}
	}
}

// Edits returns what was edited so far, oldest first.
func (a *Admin) Edits() []Edit {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Edit(nil), a.edits...)
}

// edit changes one federated role, if there is one.
func (a *Admin) edit() {
	var roles []world.Role
	var accounts []*world.Account
	for _, acc := range a.o.Cloud.Accounts() {
		for _, r := range acc.Roles() {
			if !r.Protected() && strings.Contains(r.Written(), ":saml-provider/") {
				roles, accounts = append(roles, r), append(accounts, acc)
			}
		}
	}
	if len(roles) == 0 {
		return
	}
	i := a.draw.IntN(len(roles))
	a.mu.Lock()
	defer a.mu.Unlock()
	mark := fmt.Sprintf("Admin%dEdit%d", a.o.Seed, len(a.edits)+1)
	after, ok := a.change(roles[i].Written(), mark)
	if !ok || len(after) > accounts[i].TrustQuota() || !accounts[i].WriteTrust(roles[i].Name, after) {
		return
	}
	a.edits = append(a.edits, Edit{At: time.Now(), Account: accounts[i].ID(), Role: roles[i].Name, ARN: roles[i].ARN(), Before: roles[i].Written(), After: after, Mark: mark})
}

// change adds a statement of the administrator's own, which replaces the one of
// an earlier edit; the rest is kept, sometimes written in another way.
func (a *Admin) change(text, mark string) (string, bool) {
	var doc map[string]json.RawMessage
	var statements []json.RawMessage
	if json.Unmarshal([]byte(text), &doc) != nil || json.Unmarshal(doc["Statement"], &statements) != nil {
		return "", false
	}
	var kept []json.RawMessage
	for _, s := range statements {
		var one struct{ Sid string }
		if json.Unmarshal(s, &one) != nil || !strings.HasPrefix(one.Sid, "Admin") {
			kept = append(kept, s)
		}
	}
	service := []string{"ec2", "lambda", "ecs-tasks", "states"}[a.draw.IntN(4)]
	kept = append(kept, json.RawMessage(`{"Sid":"`+mark+`","Effect":"Allow","Principal":{"Service":"`+service+`.amazonaws.com"},"Action":"sts:AssumeRole"}`))
	all, err := json.Marshal(kept)
	if err != nil {
		return "", false
	}
	doc["Statement"] = all
	if a.draw.IntN(2) == 0 {
		doc["Id"] = json.RawMessage(`"` + mark + `"`)
	}
	out, err := json.Marshal(doc)
	return string(out), err == nil
}

package prove

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
)

// restTime is how long a test user whose password was refused is left alone.
const restTime = 10 * time.Minute

// users keeps what is known of the test users, by tenant. The zero value is
// ready. Safe for concurrent use.
type users struct {
	mu    sync.Mutex
	known map[string]*testUser
}

func (u *users) of(tenant string) *testUser {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known == nil {
		u.known = map[string]*testUser{}
	}
	if u.known[tenant] == nil {
		u.known[tenant] = &testUser{turn: make(chan struct{}, 1)}
	}
	return u.known[tenant]
}

// testUser sees to it that a wrong password is given once and not once for each
// of a tenant's apps, which would lock the user out. Safe for concurrent use.
type testUser struct {
	turn chan struct{} // held by who signs in while nobody knows whether the password is right

	mu       sync.Mutex
	accepted bool // the password was right the last time
	refused  error
	until    time.Time
}

// signIn signs the user in: one at a time until a password was accepted, and not
// at all for a while after it was refused.
func (u *testUser) signIn(ctx context.Context, assert func() (idp.Assertion, error)) (idp.Assertion, error) {
	leave, err := u.enter(ctx)
	if err != nil {
		return idp.Assertion{}, err
	}
	defer leave()
	if err := u.resting(time.Now()); err != nil {
		return idp.Assertion{}, err
	}
	got, err := assert()
	u.learn(err, time.Now())
	return got, err
}

// enter waits until it is known that the password is right, or it is this
// caller's turn to find out.
func (u *testUser) enter(ctx context.Context) (leave func(), err error) {
	if u.trusted() {
		return func() {}, nil
	}
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait until the test user has signed in through another app: %w", ctx.Err())
	}
	if u.trusted() {
		<-u.turn
		return func() {}, nil
	}
	return func() { <-u.turn }, nil
}

func (u *testUser) trusted() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.accepted
}

func (u *testUser) learn(err error, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	refused, no := errors.AsType[*idp.RefusedError](err)
	switch {
	case no:
		u.accepted, u.refused, u.until = false, refused.Err, now.Add(restTime)
	case err == nil:
		u.accepted = true
	}
}

// resting is the refusal of before, with the time from which on the password may
// be given again; nil once that has come.
func (u *testUser) resting(now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !now.Before(u.until) {
		return nil
	}
	f, ok := finding.From(u.refused)
	if !ok {
		return u.refused
	}
	f.Why += fmt.Sprintf("; that was a sign-in before this one, and to keep the user from being locked out the password is not given again until %s",
		u.until.UTC().Format("15:04:05 UTC"))
	return f
}

package demo

import (
	"context"
	"fmt"
	"sync"

	"github.com/samlfailover/samlfailover/signin"
)

// person is who signs in through every app.
func (s *story) person() string { return s.world.Demo().Users[0].Login }

// logins signs in through every app at the same time, each at its own
// provider's portal, and keeps the results.
func (s *story) logins(ctx context.Context, phase string) []Login {
	apps, user := s.world.Demo().Apps, s.person()
	out := make([]Login, len(apps))
	var wg sync.WaitGroup
	for i, a := range apps {
		wg.Go(func() {
			res := s.world.Login(ctx, a.Label, user)
			out[i] = Login{Phase: phase, App: a.Label, User: user, OK: res.OK, Region: res.Region, Landing: res.Landing, Reason: res.Reason}
		})
	}
	wg.Wait()
	if s.landAsBefore(out) {
		s.tell.say("%s signs in through all %d apps, and lands exactly where she did before the outage", user, len(out))
	} else {
		s.tellLogins(user, out)
	}
	s.sum.Logins = append(s.sum.Logins, out...)
	return out
}

// landAsBefore reports whether every login reached the page that the first one
// through its app did.
func (s *story) landAsBefore(ls []Login) bool {
	if len(s.sum.Logins) < len(ls) || s.o.JSON {
		return false
	}
	for i, l := range ls {
		if was := s.sum.Logins[i]; !l.OK || !was.OK || was.App != l.App || was.Landing != l.Landing {
			return false
		}
	}
	return true
}

// tellLogins tells of logins in one sentence if the same became of all, else
// one by one.
func (s *story) tellLogins(user string, ls []Login) {
	got, reasons := 0, map[string]bool{}
	var lines []string
	for _, l := range ls {
		if l.OK {
			got++
			lines = append(lines, fmt.Sprintf("%-*s  %s", s.widest(), l.App, l.Landing))
			continue
		}
		reasons[l.Reason] = true
		lines = append(lines, fmt.Sprintf("%-*s  NO: %s", s.widest(), l.App, l.Reason))
	}
	switch {
	case got == len(ls):
		s.tell.say("%s signs in through all %d apps, each at its own portal, and lands on", user, len(ls))
	case got == 0 && len(reasons) == 1:
		s.tell.say("%s tries all %d apps, and every one fails: %s", user, len(ls), ls[0].Reason)
		return
	default:
		s.tell.say("%s gets in through %d of %d apps:", user, got, len(ls))
	}
	s.tell.list(lines)
}

// widest is the length of the longest label of an app.
func (s *story) widest() int {
	n := 0
	for _, a := range s.world.Demo().Apps {
		n = max(n, len(a.Label))
	}
	return n
}

// mustLand checks that every login worked and landed in a Region.
func (s *story) mustLand(ls []Login, region string) {
	s.check(len(ls) == len(s.world.Demo().Apps), "a login through every app was tried (got %d)", len(ls))
	for _, l := range ls {
		r, ok := signin.RegionOfRelayState(l.Landing)
		s.check(l.OK && l.Region == region && ok && r.String() == region,
			"a login through %s %s works and lands in %s (got: %s %s %s)", l.App, l.Phase, region, l.Region, l.Landing, l.Reason)
	}
}

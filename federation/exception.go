package federation

import (
	"time"

	"github.com/samlfailover/samlfailover/signin"
)

// Exception keeps a role, or all roles of an account, out of some Regions on
// purpose, such as for data residency: its trust policy is not written for them,
// and it is counted apart. It has an owner, a reason, and an end, from which on
// the role counts again.
type Exception struct {
	Role    string          `json:"role,omitempty"` // ARN; "" = every role of Account
	Account string          `json:"account"`
	Regions []signin.Region `json:"regions"`
	Owner   string          `json:"owner"`
	Reason  string          `json:"reason"`
	Expires time.Time       `json:"expires"` // the first moment at which it does not hold any more
}

// String names what it is about, for people.
func (e Exception) String() string {
	if e.Role != "" {
		return e.Role
	}
	return "account " + e.Account
}

// Holds reports whether it is in force.
func (e Exception) Holds(now time.Time) bool { return now.Before(e.Expires) }

// Covers reports whether it is about a role in a Region, in force or not.
func (e Exception) Covers(account, role string, r signin.Region) bool {
	if e.Role != "" && e.Role != role || e.Account != account {
		return false
	}
	for _, have := range e.Regions {
		if have == r {
			return true
		}
	}
	return false
}

// Excepted returns the exception that keeps a role out of a Region now; of
// several, the one that is about the role itself.
func (p Policy) Excepted(account, role string, r signin.Region, now time.Time) (Exception, bool) {
	var out Exception
	found := false
	for _, e := range p.Exceptions {
		if e.Holds(now) && e.Covers(account, role, r) && (!found || e.Role != "") {
			out, found = e, true
		}
	}
	return out, found
}

// NextExpiry is when the next exception ends, zero if none is in force.
func (p Policy) NextExpiry(now time.Time) time.Time {
	var out time.Time
	for _, e := range p.Exceptions {
		if e.Holds(now) && (out.IsZero() || e.Expires.Before(out)) {
			out = e.Expires
		}
	}
	return out
}

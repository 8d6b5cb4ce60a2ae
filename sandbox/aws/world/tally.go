package world

import "maps"

// Tally says what IAM was asked for in one account since the account was made:
// every call that was signed by somebody of it, whatever came of it.
type Tally struct {
	Calls     map[string]int // by action
	Throttled int            // of these, those that SetThrottle's limit refused
	Writes    map[string]int // UpdateAssumeRolePolicy that was carried out, by role name
}

// Tally returns the account's counts so far.
func (a *Account) Tally() Tally {
	a.cloud.mu.Lock()
	defer a.cloud.mu.Unlock()
	return Tally{Calls: maps.Clone(a.tally.Calls), Throttled: a.tally.Throttled, Writes: maps.Clone(a.tally.Writes)}
}

// CountCall counts a call of an action.
func (a *Account) CountCall(action string, throttled bool) {
	a.set(func() {
		count(&a.tally.Calls, action)
		if throttled {
			a.tally.Throttled++
		}
	})
}

// CountWrite counts a trust policy that was written.
func (a *Account) CountWrite(role string) { a.set(func() { count(&a.tally.Writes, role) }) }

func count(in *map[string]int, key string) {
	if *in == nil {
		*in = map[string]int{}
	}
	(*in)[key]++
}

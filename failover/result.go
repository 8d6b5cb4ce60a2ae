package failover

import (
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// Level says how much a move has proven (spec 3). Levels compare with <; the
// zero value proves nothing.
type Level uint8

// The levels.
const (
	Unproven Level = iota
	P1             // read-back: the IdP stored it
	P2             // sts-canary: our canary's assertion is accepted by the Region's STS
	P3             // assertion: one issued by the moved app carries the new Region and verifies
	P4             // login: such an assertion was redeemed at the new Region
)

var levelNames = [...]string{"none", "P1 read-back", "P2 sts-canary", "P3 assertion", "P4 login"}

// String names the level for people.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return levelNames[0]
}

var levelCodes = [...]string{"", "P1", "P2", "P3", "P4"}

// MarshalText encodes "P1" to "P4", "" for none.
func (l Level) MarshalText() ([]byte, error) {
	if int(l) >= len(levelCodes) {
		return nil, fmt.Errorf("encode proof level: %d is none of P1 to P4", uint8(l))
	}
	return []byte(levelCodes[l]), nil
}

// UnmarshalText decodes what MarshalText wrote.
func (l *Level) UnmarshalText(b []byte) error {
	for i, c := range levelCodes {
		if c == string(b) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("decode proof level: %q is none of P1 to P4", b)
}

// Status is how a move ended.
type Status string

// The ways a move ends. Verified needs P3 or better for every app (spec 3).
const (
	Verified   Status = "verified"
	Partial    Status = "verified: partial"
	Incomplete Status = "incomplete"
)

// Result is how a move ended. Proof is the lowest level over the moved apps:
// never rounded up. HandSteps is what a person still has to do in the IdP.
type Result struct {
	ID         MoveID        `json:"id"`
	Federation string        `json:"federation"`
	Cause      Cause         `json:"cause"`
	To         signin.Region `json:"to"`
	Undoes     MoveID        `json:"undoes,omitempty"` // the move that this one took back
	Status     Status        `json:"status"`
	Why        string        `json:"why,omitempty"` // why not verified
	Proof      Level         `json:"proof"`
	Apps       []AppResult   `json:"apps"`
	Stuck      int           `json:"stuck,omitempty"` // apps that should move but must not be written
	HandSteps  []HandStep    `json:"hand_steps,omitempty"`
	Started    time.Time     `json:"started"`
	Finished   time.Time     `json:"finished"`
	UserText   []string      `json:"user_text,omitempty"` // what to tell the people who sign in
}

// Meant counts the apps that should move: those of the plan and those that
// must not be written.
func (r Result) Meant() int { return len(r.Apps) + r.Stuck }

// Moved counts the apps that were read back at the target.
func (r Result) Moved() int {
	n := 0
	for _, a := range r.Apps {
		if a.Moved {
			n++
		}
	}
	return n
}

// AppResult is how one app ended. Moved means: read back whole and as meant.
type AppResult struct {
	App      federation.AppRef `json:"app"`
	Moved    bool              `json:"moved"`
	Proof    Level             `json:"proof"`
	Attempts int               `json:"attempts"`
	Finding  *finding.Finding  `json:"finding,omitempty"`
	// Notes are worth showing although they stopped nothing, such as a value that
	// was kept because somebody had edited it.
	Notes []finding.Finding `json:"notes,omitempty"`
}

// HandStep is one field that a person has to change in the IdP's own pages.
type HandStep struct {
	App      federation.AppRef `json:"app"`
	AdminURL string            `json:"admin_url,omitempty"`
	Field    string            `json:"field"`
	Current  string            `json:"current"`
	Target   string            `json:"target"`
}

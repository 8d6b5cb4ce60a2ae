package inventory

import (
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/signin"
)

// AppRead is one app as last read well from its IdP (spec 2.4). The texts are
// exactly as found; ACS is zero when the endpoint is not AWS's.
type AppRead struct {
	Ref        federation.AppRef `json:"ref"`
	ReadAt     time.Time         `json:"read_at"`
	Label      string            `json:"label"`
	Kind       string            `json:"kind"`
	Status     string            `json:"status"`
	ACS        signin.ACS        `json:"acs"`
	ACSText    string            `json:"acs_text"`
	RelayState string            `json:"relay_state"`
	Audience   string            `json:"audience,omitempty"`
	Hidden     bool              `json:"hidden,omitempty"` // people do not see its tile
	Movable    bool              `json:"movable"`
	Findings   []finding.Finding `json:"findings,omitempty"`
	// Issuer and Certificates (DER) are what IAM has to know of the app; empty
	// where nobody asked the IdP for them.
	Issuer       string   `json:"issuer,omitempty"`
	Certificates [][]byte `json:"certificates,omitempty"`
}

// AppSnapshot is the state of one federation's apps, for a controller that
// starts while an IdP does not answer.
type AppSnapshot struct {
	Federation string    `json:"federation"`
	TakenAt    time.Time `json:"taken_at"`
	Apps       []AppRead `json:"apps"`
}

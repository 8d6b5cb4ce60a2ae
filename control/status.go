package control

import (
	"context"
	"time"

	"github.com/samlfailover/samlfailover/approval"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// Status is how everything stands.
type Status struct {
	Controller  Info               `json:"controller"`
	At          time.Time          `json:"at"`
	Federations []FederationStatus `json:"federations"`
	Store       *StoreReport       `json:"store,omitempty"` // with who leads
	Schedules   []JobStatus        `json:"schedules,omitempty"`
	Reload      *ReloadStatus      `json:"reload,omitempty"` // the last one, if there was any
	Sinks       []SinkStatus       `json:"sinks,omitempty"`  // of the leader
}

// FederationStatus is how one federation stands. Notes are sentences that must
// be seen with it, such as the one about a single vantage.
type FederationStatus struct {
	Name     string            `json:"name"`
	Mode     federation.Mode   `json:"mode"`
	Home     signin.Region     `json:"home"`
	Notes    []string          `json:"notes,omitempty"`
	Apps     []AppStatus       `json:"apps"`
	Regions  []RegionStatus    `json:"regions"`
	Brakes   []Brake           `json:"brakes,omitempty"` // pauses and locks, also those that have run out
	Decision failover.Decision `json:"decision"`
	Proposal *failover.Plan    `json:"proposal,omitempty"` // the controller's own
	// Proposals are those that wait for people, the controller's own with them; their
	// plans are left out.
	Proposals []approval.Proposal  `json:"proposals,omitempty"`
	Moving    bool                 `json:"moving"`
	Incident  *controller.Incident `json:"incident,omitempty"`
	LastMove  *failover.Result     `json:"last_move,omitempty"`
}

// AppStatus is one app as last read. Region is where logins through it go now.
type AppStatus struct {
	App        string            `json:"app"`
	Tenant     string            `json:"tenant"`
	ID         string            `json:"id"`
	Label      string            `json:"label"`
	Lead       bool              `json:"lead,omitempty"`
	Region     signin.Region     `json:"region"`
	Standbys   []StandbyStatus   `json:"standbys,omitempty"`
	ACS        string            `json:"acs"`
	RelayState string            `json:"relay_state"`
	ReadAt     time.Time         `json:"read_at,omitzero"`
	AgeSeconds int               `json:"age_seconds"`
	Movable    bool              `json:"movable"`
	Findings   []finding.Finding `json:"findings,omitempty"`
	Error      *finding.Finding  `json:"error,omitempty"`
}

// StandbyStatus is an app that stands in for another one. Shown: people see its
// tile; it is false as well while the app was never read.
type StandbyStatus struct {
	App        string            `json:"app"`
	Tenant     string            `json:"tenant"`
	ID         string            `json:"id"`
	Region     signin.Region     `json:"region"`      // for which it stands in
	SignsInAt  signin.Region     `json:"signs_in_at"` // where it signs in: the same, if all is well
	Shown      bool              `json:"shown"`
	Unhide     bool              `json:"unhide"` // a move may show and hide the tile
	ReadAt     time.Time         `json:"read_at,omitzero"`
	AgeSeconds int               `json:"age_seconds"`
	Findings   []finding.Finding `json:"findings,omitempty"`
	Error      *finding.Finding  `json:"error,omitempty"`
}

// RegionStatus is the health of a Region and how many roles are ready for it.
type RegionStatus struct {
	Region     signin.Region     `json:"region"`
	State      health.State      `json:"state"`
	Suspect    bool              `json:"suspect"`
	Since      time.Time         `json:"since,omitzero"`
	Reason     string            `json:"reason"`
	Ready      int               `json:"ready"`
	Roles      int               `json:"roles"`
	Excepted   int               `json:"excepted,omitempty"`  // kept out on purpose, in neither Ready nor Roles
	ScannedAt  time.Time         `json:"scanned_at,omitzero"` // zero: never scanned
	NotReady   []finding.Finding `json:"not_ready,omitempty"`
	Verdict    *health.Verdict   `json:"verdict,omitempty"`
	Unverified []string          `json:"unverified,omitempty"`
}

// Status returns how everything stands now, as far as the actor may see it. It
// asks nobody outside.
func (c *Control) Status(ctx context.Context, actor Actor) Status {
	out := Status{Controller: c.Info, At: time.Now().UTC()}
	all := actor.Sees("") // schedules, reloads and the store's findings speak of every federation
	if c.Jobs != nil && all {
		out.Schedules = c.Jobs()
	}
	if c.Sinks != nil && all {
		out.Sinks = c.Sinks()
	}
	if c.Reload != nil && all {
		out.Reload = c.Reload()
	}
	if c.Storage != nil {
		report := c.Storage.Report()
		if !all {
			report = StoreReport{Standing: report.Standing, At: report.At}
		}
		out.Store = &report
	}
	brakes, err := c.Brakes.Brakes(ctx)
	waiting, errWaiting := c.waiting(ctx)
	for _, f := range c.visible(actor) {
		st := federationStatus(f, c.Loops[f.Name].Status(), len(c.Info.Vantages), out.At)
		for _, b := range brakes {
			if b.Applies(f.Name) {
				st.Brakes = append(st.Brakes, b)
			}
		}
		for _, p := range waiting {
			if p.Federation == f.Name {
				st.Proposals = append(st.Proposals, p)
			}
		}
		if err != nil {
			st.Notes = append(st.Notes, "The pauses and locks cannot be read: "+err.Error())
		}
		if errWaiting != nil {
			st.Notes = append(st.Notes, "The proposals cannot be read: "+errWaiting.Error())
		}
		out.Federations = append(out.Federations, st)
	}
	return out
}

func federationStatus(f federation.Federation, s controller.Status, vantages int, now time.Time) FederationStatus {
	out := FederationStatus{Name: f.Name, Mode: f.Policy.Mode, Home: f.Home(), Apps: []AppStatus{}, Decision: s.Decision,
		Proposal: s.Proposal, Moving: s.Moving, Incident: s.Incident, LastMove: s.LastMove, Notes: notes(f, vantages)}
	states := map[string]failover.AppState{}
	for _, a := range s.Apps {
		states[a.Ref.String()] = a
	}
	for _, ref := range f.Apps {
		a := appStatus(ref, states[ref.String()], f.Lead, now)
		for _, sb := range f.StandbysOf(ref) {
			a.Region = failover.Active(f, ref, s.Apps, now)
			a.Standbys = append(a.Standbys, standbyStatus(sb, states[sb.App.String()], now))
		}
		out.Apps = append(out.Apps, a)
	}
	for _, r := range f.Regions {
		out.Regions = append(out.Regions, regionStatus(r, s.Verdicts, s.Shares))
	}
	return out
}

// notes are what every status says as long as it is so (spec 7.3).
func notes(f federation.Federation, vantages int) []string {
	var out []string
	if vantages < 2 {
		out = append(out, "One vantage only: a fault of this machine's own network can look like an outage.")
	}
	if vantages < 3 && f.Policy.Mode == federation.Auto && f.Policy.AcceptFewerVantages {
		out = append(out, "Mode auto acts on fewer than three vantages, because accept_fewer_vantages is set.")
	}
	return out
}

func appStatus(ref federation.AppRef, st failover.AppState, lead string, now time.Time) AppStatus {
	a := AppStatus{App: ref.Name, Tenant: ref.Tenant, ID: ref.ID, Label: st.App.Label, Lead: ref.Name == lead, Region: st.App.Region(),
		ACS: st.App.ACSText, RelayState: st.App.RelayState, ReadAt: st.ReadAt, Movable: st.App.Movable, Findings: st.App.Findings, Error: st.Error}
	if !st.ReadAt.IsZero() {
		a.AgeSeconds = int(now.Sub(st.ReadAt).Seconds())
	}
	return a
}

func standbyStatus(s federation.Standby, st failover.AppState, now time.Time) StandbyStatus {
	a := appStatus(s.App, st, "", now)
	return StandbyStatus{App: a.App, Tenant: a.Tenant, ID: a.ID, Region: s.Region, SignsInAt: a.Region, Shown: !st.ReadAt.IsZero() && !st.App.Hidden,
		Unhide: s.Unhide, ReadAt: a.ReadAt, AgeSeconds: a.AgeSeconds, Findings: a.Findings, Error: a.Error}
}

func regionStatus(r signin.Region, verdicts []health.Verdict, shares []inventory.Share) RegionStatus {
	out := RegionStatus{Region: r, State: health.Unknown, Reason: "not probed yet"}
	for _, v := range verdicts {
		if v.Region == r {
			out.State, out.Suspect, out.Since, out.Reason, out.Verdict = v.State, v.Suspect, v.Since, v.Reason, &v
		}
	}
	for _, s := range shares {
		if s.Region == r {
			out.Ready, out.Roles, out.Excepted, out.ScannedAt, out.NotReady = s.Ready, s.Total, s.Excepted, s.TakenAt, s.NotReady
		}
	}
	if e, ok := r.Endpoint(); ok {
		out.Unverified = e.Unverified
	}
	return out
}

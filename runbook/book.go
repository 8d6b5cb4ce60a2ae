package runbook

import (
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/signin"
)

// Contact is somebody to call.
type Contact struct {
	Who string `json:"who"`
	How string `json:"how"` // a number, a channel, a place
}

// Input is what one federation's runbook is made of. Apps and Roles are as last
// read; an app that is missing was never read, and a zero Roles.TakenAt means
// that the roles never were.
type Input struct {
	Federation federation.Federation
	Apps       []inventory.AppRead
	Roles      inventory.Snapshot
	// Kind is the vendor of a tenant in the config's word, and AdminURL the page
	// on which a person changes an app, "" if unknown.
	Kind     func(tenant string) string
	AdminURL func(federation.AppRef) string
	Contacts []Contact
	// Missing are facts that could not be had, in words, such as why no roles
	// are known.
	Missing []string
	// Last is the newest move, nil if there is none or nobody could be asked.
	Last    *LastMove
	Config  string // digest of the config
	Version string // of this program
	Now     time.Time
}

// Book is one federation's runbook, with nothing left to compute.
type Book struct {
	Federation   string          `json:"federation"`
	Written      time.Time       `json:"written"`
	ConfigDigest string          `json:"config_digest"`
	Version      string          `json:"version"`
	Regions      []signin.Region `json:"regions"` // home first
	Contacts     []Contact       `json:"contacts"`
	Missing      []string        `json:"missing,omitempty"`
	Apps         []App           `json:"apps"` // the lead first
	Paths        []Path          `json:"paths"`
	Last         *LastMove       `json:"last_move,omitempty"`
	Moves        []Move          `json:"moves"` // one per Region, those last in which every app is already
}

// LastMove is a finished move: how it ended, what it left to do by hand, and what
// takes it back by hand.
type LastMove struct {
	ID        string              `json:"id"`
	At        time.Time           `json:"at"`
	To        signin.Region       `json:"to"`
	Status    string              `json:"status"`
	Remaining []failover.HandStep `json:"remaining,omitempty"`
	Back      []failover.HandStep `json:"back,omitempty"`
}

// App is one app as it was last read: also what to go back to.
type App struct {
	App        federation.AppRef `json:"app"`
	Lead       bool              `json:"lead,omitempty"`
	For        string            `json:"for,omitempty"` // the app that it stands in for
	Kind       string            `json:"kind"`
	AdminURL   string            `json:"admin_url,omitempty"`
	Region     signin.Region     `json:"region"`
	ACS        string            `json:"acs"` // as found, "" when never read
	RelayState string            `json:"relay_state"`
	Tile       failover.Tile     `json:"tile,omitempty"`     // of an app that takes part in standing in
	ReadAt     time.Time         `json:"read_at,omitzero"`   // zero: never
	Warnings   []finding.Finding `json:"warnings,omitempty"` // worse than info
}

// Move is what a person does to bring the federation to one Region.
type Move struct {
	To       signin.Region `json:"to"`
	Home     bool          `json:"home,omitempty"`
	Ready    Readiness     `json:"readiness"`
	Steps    []Step        `json:"steps"` // in order, the lead first
	Verify   []string      `json:"verify"`
	UserText []string      `json:"user_text"` // what to tell the people who sign in (spec 9.4)
}

// idle reports whether every app was in the Region already.
func (m Move) idle() bool {
	return !slices.ContainsFunc(m.Steps, func(s Step) bool { return len(s.Fields) > 0 })
}

// Readiness is how many roles will let people in at the Region, and the names of
// those that will not, at most maxNames of them.
type Readiness struct {
	Ready    int       `json:"ready"`
	Total    int       `json:"total"`
	TakenAt  time.Time `json:"taken_at,omitzero"` // zero: never scanned
	NotReady []Gap     `json:"not_ready,omitempty"`
	More     int       `json:"more,omitempty"` // how many more there are
}

// Gap is a role that is not ready, and why.
type Gap struct {
	Role string `json:"role"`
	Why  string `json:"why"`
}

// Step is one app of a move: the fields to set, in order. No fields means that
// there is nothing to do, and a note says why.
type Step struct {
	App  federation.AppRef `json:"app"`
	Lead bool              `json:"lead,omitempty"`
	// AdminURL is the page on which the app is changed, "" if unknown; Path is the
	// title of the way there.
	AdminURL string              `json:"admin_url,omitempty"`
	Path     string              `json:"path"`
	Fields   []failover.HandStep `json:"fields,omitempty"`
	Notes    []string            `json:"notes,omitempty"`
}

// maxNames bounds the names of roles per Region: paper has an end.
const maxNames = 60

// New works a runbook out.
func New(in Input) Book {
	f := in.Federation
	out := Book{Federation: f.Name, Written: in.Now.UTC(), ConfigDigest: in.Config, Version: in.Version, Regions: f.Regions,
		Contacts: in.Contacts, Missing: in.Missing, Last: in.Last}
	b := builder{in: in, lead: leadOf(f)}
	order := b.order()
	for _, ref := range order {
		out.Apps = append(out.Apps, b.app(ref))
		for _, s := range f.StandbysOf(ref) {
			out.Apps = append(out.Apps, b.app(s.App))
		}
	}
	for _, r := range f.Regions {
		m := Move{To: r, Home: r == f.Home(), Ready: b.readiness(r), Verify: verify(r, f), UserText: failover.UserText(f, r)}
		for _, ref := range order {
			m.Steps = append(m.Steps, b.steps(ref, r)...)
		}
		out.Moves = append(out.Moves, m)
	}
	slices.SortStableFunc(out.Moves, func(x, y Move) int { // what there is to do stands first
		switch {
		case x.idle() == y.idle():
			return 0
		case y.idle():
			return -1
		}
		return 1
	})
	out.Paths = b.paths(out.Moves)
	return out
}

// builder holds what every part of a book is made from.
type builder struct {
	in   Input
	lead federation.AppRef
}

// leadOf returns the app that is moved and proved first.
func leadOf(f federation.Federation) federation.AppRef {
	if lead, ok := f.App(f.Lead); ok || len(f.Apps) == 0 {
		return lead
	}
	return f.Apps[0]
}

// order returns the federation's own apps, the lead first.
func (b builder) order() []federation.AppRef {
	out := slices.Clone(b.in.Federation.Apps)
	slices.SortStableFunc(out, func(x, y federation.AppRef) int {
		switch {
		case x.Same(y):
			return 0
		case x.Same(b.lead):
			return -1
		case y.Same(b.lead):
			return 1
		}
		return 0
	})
	return out
}

// read returns an app as last read; zero if it never was.
func (b builder) read(ref federation.AppRef) inventory.AppRead {
	for _, a := range b.in.Apps {
		if a.Ref.Same(ref) {
			return a
		}
	}
	return inventory.AppRead{Ref: ref}
}

func (b builder) app(ref federation.AppRef) App {
	was, f := b.read(ref), b.in.Federation
	out := App{App: ref, Lead: ref.Same(b.lead), Kind: was.Kind, AdminURL: b.in.AdminURL(ref), Region: was.ACS.Region(), ACS: was.ACSText,
		RelayState: was.RelayState, ReadAt: was.ReadAt}
	s, standby := f.Standby(ref)
	if standby {
		out.For = s.For.Name
	}
	if !was.ReadAt.IsZero() && (standby || len(f.StandbysOf(ref)) > 0) {
		out.Tile = tileOf(was)
	}
	for _, w := range was.Findings {
		if w.Severity() != finding.Info {
			out.Warnings = append(out.Warnings, w)
		}
	}
	return out
}

func tileOf(a inventory.AppRead) failover.Tile {
	if a.Hidden {
		return failover.TileHidden
	}
	return failover.TileShown
}

func (b builder) readiness(r signin.Region) Readiness {
	if b.in.Roles.TakenAt.IsZero() {
		return Readiness{}
	}
	share := b.in.Roles.Share(r)
	out := Readiness{Ready: share.Ready, Total: share.Total, TakenAt: share.TakenAt}
	for _, n := range share.NotReady {
		if len(out.NotReady) == maxNames {
			out.More++
			continue
		}
		// Not the remedy: on that day neither this program nor IAM may answer.
		why := n.Why
		if why == "" {
			why = n.What
		}
		out.NotReady = append(out.NotReady, Gap{Role: n.Subject, Why: why})
	}
	return out
}

package failover

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Plan is the exact steps of a move. The lead app's step comes first, the
// others in the federation's order. Left names the apps that do not move and
// why. Digest binds federation, target, before-values, overrides and config
// (spec 13.4): any difference gives another digest.
type Plan struct {
	Federation   string          `json:"federation"`
	Cause        Cause           `json:"cause"`
	From         []signin.Region `json:"from"` // Regions being left, in step order
	To           signin.Region   `json:"to"`
	Steps        []StepPlan      `json:"steps"`
	Left         []Left          `json:"left,omitempty"`
	Overrides    []string        `json:"overrides,omitempty"`
	ConfigDigest string          `json:"config_digest,omitempty"`
	Digest       string          `json:"digest"`
}

// StepPlan is one app's step. Before is zero when the app could not be read; a
// step always reads for itself before it writes.
type StepPlan struct {
	App          federation.AppRef   `json:"app"`
	For          string              `json:"for,omitempty"`  // name of the app that App stands in for
	Tile         Tile                `json:"tile,omitempty"` // what becomes of App's tile; its endpoint stays then
	Lead         bool                `json:"lead,omitempty"`
	From         signin.Region       `json:"from"`
	To           signin.Region       `json:"to"`
	Before       signin.ACS          `json:"before"`
	After        signin.ACS          `json:"after"`
	RelayBefore  string              `json:"relay_before"`
	RelayAfter   string              `json:"relay_after"`
	RelayOutcome signin.RelayOutcome `json:"relay_outcome,omitempty"`
	ReadAt       time.Time           `json:"read_at,omitzero"`
	Findings     []finding.Finding   `json:"findings,omitempty"`
}

// Target returns where the step points its app.
func (s StepPlan) Target(relay signin.RelayPolicy) signin.Target {
	return signin.Target{From: s.From, To: s.To, Relay: relay}
}

// Left is an app that stays where it is. Blocking means that it should have
// moved and cannot: the move ends incomplete (spec 1.4).
type Left struct {
	App        federation.AppRef `json:"app"`
	Region     signin.Region     `json:"region"`
	ACSText    string            `json:"acs_text,omitempty"`
	RelayState string            `json:"relay_state,omitempty"`
	Why        string            `json:"why"`
	Blocking   bool              `json:"blocking,omitempty"`
	Findings   []finding.Finding `json:"findings,omitempty"`
}

// ErrNothingToMove is returned instead of an empty plan.
var ErrNothingToMove = errors.New("no app is left to move")

// Route names the move for people: "us-east-1 to us-west-2".
func (p Plan) Route() string {
	names := make([]string, len(p.From))
	for i, r := range p.From {
		names[i] = r.String()
	}
	if len(names) == 0 {
		return "to " + p.To.String()
	}
	return strings.Join(names, ", ") + " to " + p.To.String()
}

// Check reports what makes the plan unfit to run: nothing to do, a step to
// another Region than the plan's, or a digest that does not match its content.
func (p Plan) Check() error {
	if len(p.Steps) == 0 {
		return fmt.Errorf("plan for federation %s: %w", p.Federation, ErrNothingToMove)
	}
	if p.To.IsZero() {
		return fmt.Errorf("plan for federation %s names no Region to move to", p.Federation)
	}
	for _, s := range p.Steps {
		if s.To != p.To {
			return fmt.Errorf("plan for federation %s moves app %s to %s, not to %s", p.Federation, s.App.Name, s.To, p.To)
		}
	}
	want, err := p.digest()
	if err != nil {
		return err
	}
	if want != p.Digest {
		return fmt.Errorf("plan for federation %s was changed after it was made (digest %.12s, content says %.12s); make it again with: samlfailover plan", p.Federation, p.Digest, want)
	}
	return nil
}

// bound is what a plan's digest covers.
type bound struct {
	Federation string        `json:"federation"`
	To         signin.Region `json:"to"`
	Apps       []boundApp    `json:"apps"`
	Overrides  []string      `json:"overrides"`
	Config     string        `json:"config"`
}

type boundApp struct {
	App    string        `json:"app"`
	From   signin.Region `json:"from"`
	Before signin.ACS    `json:"before"`
	Relay  string        `json:"relay"`
	Tile   Tile          `json:"tile,omitempty"`
}

func (p Plan) digest() (string, error) {
	b := bound{Federation: p.Federation, To: p.To, Overrides: slices.Sorted(slices.Values(p.Overrides)), Config: p.ConfigDigest}
	for _, s := range p.Steps {
		b.Apps = append(b.Apps, boundApp{s.App.String(), s.From, s.Before, s.RelayBefore, s.Tile})
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return "", fmt.Errorf("digest of the plan for federation %s: %w", p.Federation, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// plan makes the plan of the view's job.
func (v *view) plan() (*Plan, error) {
	if len(v.moving) == 0 || v.to.IsZero() {
		return nil, ErrNothingToMove
	}
	p := &Plan{Federation: v.s.Federation.Name, Cause: v.cause, To: v.to, Left: v.left, ConfigDigest: v.s.ConfigDigest}
	if v.s.Request != nil {
		p.Overrides = v.s.Request.Overrides
	}
	lead := leadOf(v.s.Federation, v.moving)
	for _, a := range v.moving {
		steps, err := v.steps(a)
		if err != nil {
			return nil, err
		}
		if a.ref == lead && len(steps) > 0 {
			steps[0].Lead = true
			p.Steps = slices.Concat(steps, p.Steps)
			continue
		}
		p.Steps = append(p.Steps, steps...)
	}
	if len(p.Steps) == 0 {
		return nil, ErrNothingToMove
	}
	for _, s := range p.Steps {
		if !s.From.IsZero() && !slices.Contains(p.From, s.From) {
			p.From = append(p.From, s.From)
		}
	}
	var err error
	p.Digest, err = p.digest()
	return p, err
}

// leadOf returns the federation's lead app if it moves, else the first that does.
func leadOf(f federation.Federation, moving []appView) federation.AppRef {
	for _, a := range moving {
		if f.Lead != "" && (a.ref.Name == f.Lead || a.ref.ID == f.Lead) {
			return a.ref
		}
	}
	return moving[0].ref
}

// steps plans one app: one step, or one for each standby app's tile.
func (v *view) steps(a appView) ([]StepPlan, error) {
	if len(a.standbys) > 0 {
		return v.tileSteps(a), nil
	}
	s, err := v.step(a)
	return []StepPlan{s}, err
}

// step plans one app.
func (v *view) step(a appView) (StepPlan, error) {
	s := StepPlan{App: a.ref, From: a.region, To: v.to, ReadAt: a.state.ReadAt}
	if a.region.IsZero() {
		return s, nil
	}
	after, err := a.state.App.ACS.In(v.to)
	if err != nil {
		return s, fmt.Errorf("plan app %s: %w", a.ref.Name, err)
	}
	s.Before, s.After, s.RelayBefore = a.state.App.ACS, after, a.state.App.RelayState
	target := s.Target(v.s.Federation.Policy.Relay)
	relay, outcome := target.Rewrite(s.RelayBefore)
	s.RelayAfter, s.RelayOutcome = s.RelayBefore, outcome
	if outcome.Changes() {
		s.RelayAfter = relay.String()
	}
	s.Findings = stepFindings(a, target)
	return s, nil
}

// stepFindings returns the app's own findings and the one of this rewrite.
func stepFindings(a appView, target signin.Target) []finding.Finding {
	out := slices.Clone(a.state.App.Findings)
	f, ok := idp.RelayFinding("app "+a.ref.Name, a.state.App.RelayState, target)
	if !ok || slices.ContainsFunc(out, func(have finding.Finding) bool { return have.Code == f.Code }) {
		return out
	}
	return append(out, f)
}

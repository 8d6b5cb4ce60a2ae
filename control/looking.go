package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/people"
)

// ReadinessRequest narrows a readiness report; zero fields do not.
type ReadinessRequest struct {
	Federation string
	Region     string
	Why        string // roles that are so in one of the Regions: ready, not-ready, conditional, unknown
}

// Readiness reports a federation's last scan, from what is kept: it asks nobody
// outside.
func (c *Control) Readiness(_ context.Context, actor Actor, r ReadinessRequest) (ReadinessReport, error) {
	f, _, err := c.federation(actor, people.Viewer, r.Federation)
	if err != nil {
		return ReadinessReport{}, err
	}
	if c.Roles == nil {
		return ReadinessReport{}, fail(NotFound, "this controller keeps no scans")
	}
	q := ReadinessQuery{Why: inventory.Readiness(r.Why)}
	if r.Why != "" && !slices.Contains(ReadinessStates(), q.Why) {
		return ReadinessReport{}, fail(Invalid, "%.40q is no state of a role; the states are %v", r.Why, ReadinessStates())
	}
	if r.Region != "" {
		if q.Region, err = RegionOf(f.Name, f.Regions, r.Region); err != nil {
			return ReadinessReport{}, err
		}
	}
	return Trust{Federation: f, Keeper: c.Roles}.Readiness(q, time.Now())
}

// AuditRecord is one entry of the audit record.
type AuditRecord = audit.Record

// AuditRequest narrows what is read of the audit record; zero fields do not.
type AuditRequest struct {
	Federation string
	Action     string // an action, or the part before its dot: "move" is every "move.*"
	Since      time.Time
	Limit      int // the newest so many; 100
}

// AuditTrail reads the audit record, oldest first, checking its chain on the
// way.
type AuditTrail interface {
	Read(visit func(AuditRecord) error) error
}

// AuditAnswer are records, oldest first.
type AuditAnswer struct {
	Records []AuditRecord `json:"records"`
	More    int           `json:"more,omitempty"` // how many older ones the limit left out
}

// concerns are the subjects of records about some federations.
type concerns map[string]bool

func subjects(in []federation.Federation) concerns {
	out := concerns{}
	for _, f := range in {
		out["federation "+f.Name] = true
		for _, a := range f.Members() {
			out["app "+a.String()] = true
		}
	}
	return out
}

// has reports whether a record is about one of the federations: by its subject,
// or, for a proposal, by what its detail says. What cannot be told is not.
func (c concerns) has(r AuditRecord) bool {
	if c[r.Subject] {
		return true
	}
	var of struct {
		Federation string `json:"federation"`
	}
	return strings.HasPrefix(r.Subject, "proposal ") && json.Unmarshal(r.Detail, &of) == nil && c["federation "+of.Federation]
}

// defaultAudit is how many records are shown when nobody says.
const defaultAudit = 100

// Audit reads the audit record, as far as the actor may see it: who sees not
// every federation gets the records about those alone (spec 13.5).
func (c *Control) Audit(_ context.Context, actor Actor, r AuditRequest) (AuditAnswer, error) {
	if c.Trail == nil {
		return AuditAnswer{}, fail(NotFound, "this controller keeps no audit record")
	}
	in, err := c.within(actor, r.Federation)
	if err != nil {
		return AuditAnswer{}, err
	}
	all := r.Federation == "" && actor.Sees("")
	if !all && len(in) == 0 {
		_, _, err := c.federation(actor, people.Viewer, r.Federation)
		return AuditAnswer{}, err
	}
	about := subjects(in)
	if r.Limit <= 0 {
		r.Limit = defaultAudit
	}
	out := AuditAnswer{Records: []AuditRecord{}}
	err = c.Trail.Read(func(rec AuditRecord) error {
		if rec.Time.Before(r.Since) || !all && !about.has(rec) || r.Action != "" && rec.Action != r.Action && !strings.HasPrefix(rec.Action, r.Action+".") {
			return nil
		}
		out.Records = append(out.Records, rec)
		if n := len(out.Records); n > 2*r.Limit { // memory stays bounded by the limit
			out.Records, out.More = append(out.Records[:0], out.Records[n-r.Limit:]...), out.More+n-r.Limit
		}
		return nil
	})
	if n := len(out.Records); n > r.Limit {
		out.Records, out.More = out.Records[n-r.Limit:], out.More+n-r.Limit
	}
	if errors.Is(err, audit.ErrBroken) {
		return AuditAnswer{}, &Failure{Kind: Failed, Message: "the audit record is broken: what it says cannot be relied on; next: run samlfailover audit verify on the controller's machine"}
	}
	if err != nil {
		return AuditAnswer{}, fmt.Errorf("read the audit record: %w", err)
	}
	return out, nil
}

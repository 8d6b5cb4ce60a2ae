package move

import (
	"context"
	"fmt"
	"time"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// Apps is what a move needs of the IdPs: one app at a time, each through the
// read-change-write-compare of spec 2.2. Safe for concurrent use.
type Apps interface {
	// Publish shows or hides a standby app's tile; it never moves its endpoint.
	Publish(ctx context.Context, app federation.AppRef, tile idp.Tile, h idp.Hooks) (idp.StepResult, error)
	Step(ctx context.Context, app federation.AppRef, target signin.Target, h idp.Hooks) (idp.StepResult, error)
	Undo(ctx context.Context, app federation.AppRef, wrote []idp.Change, h idp.Hooks) (idp.StepResult, error)
	// AdminURL is the page on which a person changes the app, "" if unknown.
	AdminURL(app federation.AppRef) string
}

// Vendor is one configured tenant with the knowledge of its vendor's JSON.
// AdminURL may be nil.
type Vendor struct {
	Tenant   idp.Tenant
	Codec    idp.Codec
	AdminURL func(idp.AppID) string
}

// Vendors are the tenants by their configured name. It implements Apps.
type Vendors map[string]Vendor

var _ Apps = Vendors(nil)

func (vs Vendors) of(app federation.AppRef) (Vendor, error) {
	v, ok := vs[app.Tenant]
	if !ok {
		return Vendor{}, finding.Finding{Code: finding.NotMember, Subject: "app " + app.Name,
			What: fmt.Sprintf("tenant %q of the app is not configured", app.Tenant), Remedy: "name the tenant under tenants: in the config"}
	}
	return v, nil
}

// Read reads one app now.
func (vs Vendors) Read(ctx context.Context, app federation.AppRef) (idp.App, time.Time, error) {
	v, err := vs.of(app)
	if err != nil {
		return idp.App{}, time.Time{}, err
	}
	doc, err := v.Tenant.Read(ctx, idp.AppID(app.ID))
	if err != nil {
		return idp.App{}, time.Time{}, fmt.Errorf("read app %s: %w", app.Name, err)
	}
	return v.Codec.Describe(doc), doc.ReadAt, nil
}

// Step implements Apps. An app that has left target.From for a third Region is
// somebody else's decision and is not written (spec 2.9, 8.2).
func (vs Vendors) Step(ctx context.Context, app federation.AppRef, target signin.Target, h idp.Hooks) (idp.StepResult, error) {
	v, err := vs.of(app)
	if err != nil {
		return idp.StepResult{}, err
	}
	return idp.Step(ctx, v.Tenant, standing{v.Codec}, idp.AppID(app.ID), target, h)
}

// Publish implements Apps.
func (vs Vendors) Publish(ctx context.Context, app federation.AppRef, tile idp.Tile, h idp.Hooks) (idp.StepResult, error) {
	v, err := vs.of(app)
	if err != nil {
		return idp.StepResult{}, err
	}
	return idp.StepTile(ctx, v.Tenant, v.Codec, idp.AppID(app.ID), tile, h)
}

// Undo implements Apps.
func (vs Vendors) Undo(ctx context.Context, app federation.AppRef, wrote []idp.Change, h idp.Hooks) (idp.StepResult, error) {
	v, err := vs.of(app)
	if err != nil {
		return idp.StepResult{}, err
	}
	return idp.Undo(ctx, v.Tenant, v.Codec, idp.AppID(app.ID), wrote, h)
}

// AdminURL implements Apps.
func (vs Vendors) AdminURL(app federation.AppRef) string {
	if v, err := vs.of(app); err == nil && v.AdminURL != nil {
		return v.AdminURL(idp.AppID(app.ID))
	}
	return ""
}

// standing is a codec that stands down when an app is neither where the plan
// saw it nor where it shall go.
type standing struct{ idp.Codec }

// Retarget implements idp.Codec.
func (s standing) Retarget(d idp.Document, t signin.Target) ([]idp.Change, error) {
	at := s.Describe(d).Region()
	if t.From.IsZero() || at.IsZero() || at == t.From || at == t.To {
		return s.Codec.Retarget(d, t)
	}
	return nil, finding.Finding{Code: finding.AppDrifted, Subject: "app " + string(d.ID),
		What:   fmt.Sprintf("the app signs in at %s, and the plan saw it at %s; it was not written", at, t.From),
		Why:    "somebody else has moved it since",
		Remedy: "make a new plan if it shall move from there"}
}

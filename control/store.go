package control

import (
	"context"
	"path/filepath"
	"time"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/people"
	"github.com/samlfailover/samlfailover/store"
)

type (
	// StoreStatus is how the store itself is.
	StoreStatus = store.Status
	// StoreManifest describes a backup of the store.
	StoreManifest = store.Manifest
	// Peer is a controller that lives.
	Peer = store.Controller
)

// Standing is this controller's part among the controllers. Leader is "" when
// nobody is known to lead.
type Standing struct {
	Name   string `json:"name"`
	Leads  bool   `json:"leads"`
	Leader string `json:"leader,omitempty"`
}

// Words says who leads.
func (s Standing) Words() string {
	switch {
	case s.Leads:
		return "this controller, " + s.Name + ", leads"
	case s.Leader != "":
		return "controller " + s.Leader + " leads, this one is " + s.Name
	}
	return "no controller leads now, so nothing is moved; this one is " + s.Name
}

// StoreReport is what is known of the store and of who leads, as of At; Findings
// are what a person should look at. Unavailable says why the store cannot be
// asked now.
type StoreReport struct {
	Standing    Standing          `json:"standing"`
	At          time.Time         `json:"at,omitzero"`
	Store       StoreStatus       `json:"store"`
	Controllers []Peer            `json:"controllers,omitempty"`
	Unavailable string            `json:"unavailable,omitempty"`
	Findings    []finding.Finding `json:"findings,omitempty"`
}

// Storage is what the use cases about the store need.
type Storage interface {
	Report() StoreReport
	Backup(ctx context.Context, path string) (StoreManifest, error)
}

// standing returns who leads; without a store this controller does.
func (c *Control) standing() Standing {
	if c.Storage == nil {
		return Standing{Leads: true}
	}
	return c.Storage.Report().Standing
}

// mayAct refuses what only the leader does, and says where to ask (spec 9.5).
func (c *Control) mayAct() error {
	s := c.standing()
	if s.Leads {
		return nil
	}
	f := finding.Finding{Code: finding.NotLeader, Subject: "controller " + s.Name, What: "it does not lead, and only the leader carries this out",
		Why: s.Words(), Remedy: "run the command on the machine of controller " + s.Leader}
	if s.Leader == "" {
		f.Remedy = "bring a majority of the controllers back (samlfailover store status); the hand steps of: samlfailover plan work without"
	}
	return &Failure{Kind: Held, Message: f.What + ": " + f.Why + "; next: " + f.Remedy, Rule: failover.NotLeader, Finding: &f}
}

// StoreReport tells how the store is.
func (c *Control) StoreReport(_ context.Context, actor Actor) (StoreReport, error) {
	if err := mayIn(actor, people.Viewer, ""); err != nil {
		return StoreReport{}, err
	}
	if c.Storage == nil {
		return StoreReport{}, fail(NotFound, "this controller has no store")
	}
	return c.Storage.Report(), nil
}

// BackupRequest names the file to write, on the controller's machine.
type BackupRequest struct {
	File string `json:"file"`
}

// Backup writes the whole store to a file, and records that. Any controller may.
func (c *Control) Backup(ctx context.Context, actor Actor, r BackupRequest) (StoreManifest, error) {
	if err := mayIn(actor, people.Admin, ""); err != nil {
		return StoreManifest{}, err
	}
	switch {
	case c.Storage == nil:
		return StoreManifest{}, fail(NotFound, "this controller has no store")
	case !filepath.IsAbs(r.File):
		return StoreManifest{}, fail(Invalid, "name the file of the backup with its whole path")
	}
	if err := c.Record.Record(ctx, actor.String(), "store.backup", r.File, nil); err != nil {
		return StoreManifest{}, notRecorded(err)
	}
	return c.Storage.Backup(ctx, r.File)
}

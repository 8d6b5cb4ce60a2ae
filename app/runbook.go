package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover/controller"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/runbook"
)

// Runbook is one federation's paper for the day on which everything else is
// dead.
type Runbook = runbook.Book

// RunbookMove is what one does to bring a federation to one Region.
type RunbookMove = runbook.Move

// RunbookFormats are what a runbook can be written as.
func RunbookFormats() []string { return []string{"markdown", "html"} }

// PastMoves returns a federation's moves, newest first; nil where nobody can be
// asked.
type PastMoves func(federation string) ([]move.Record, error)

// Runbooks works out the runbooks of one federation, or of all for "". It reads
// the files in which a controller keeps what it last read and needs nothing
// else: no credential, no network, no controller. Only what the last move wrote
// is in nobody's file: past may be nil, and the runbook says so.
func Runbooks(c *config.Config, version, name string, past PastMoves, now time.Time) ([]Runbook, error) {
	feds := c.Federations()
	if name != "" {
		f, err := control.Pick(feds, name)
		if err != nil {
			return nil, err
		}
		feds = []federation.Federation{f}
	}
	var out []Runbook
	keeper := inventory.Keeper{Dir: inventoryDir(c.Store.Dir)}
	for _, f := range feds {
		in := runbook.Input{Federation: f, Kind: kindOf(c), AdminURL: adminURL(c), Config: c.Digest(), Version: version, Now: now}
		for _, call := range c.Runbook.Call {
			if call.Federation == "" || call.Federation == f.Name {
				in.Contacts = append(in.Contacts, runbook.Contact{Who: call.Who, How: call.How})
			}
		}
		apps, err := keeper.LoadApps(f.Name)
		in.Apps = apps.Apps
		if err != nil {
			in.Missing = append(in.Missing, missing("The apps are not known: no controller has read them yet (samlfailover serve does). The present values below are empty.", err))
		}
		roles, err := keeper.LoadRoles(f.Name)
		in.Roles = roles
		if err != nil && len(f.Accounts) > 0 {
			in.Missing = append(in.Missing, missing("Which roles are ready is not known: they were never scanned (samlfailover trust scan does).", err))
		}
		if in.Last, err = lastMove(past, f.Name, in.AdminURL); err != nil {
			in.Missing = append(in.Missing, "Which move was the last, and what it wrote, is not known: "+err.Error())
		}
		out = append(out, runbook.New(in))
	}
	return out, nil
}

// lastMove is the newest finished move, nil if there was none.
func lastMove(past PastMoves, federation string, adminURL func(federation.AppRef) string) (*runbook.LastMove, error) {
	if past == nil {
		return nil, errors.New("no controller answered")
	}
	all, err := past(federation)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Result != nil {
			return &runbook.LastMove{ID: string(r.ID), At: r.Result.Finished, To: r.To, Status: string(r.Result.Status),
				Remaining: r.Result.HandSteps, Back: r.HandBack(adminURL)}, nil
		}
	}
	return nil, nil
}

// RunningPast asks the controller that runs on a data folder for past moves; nil
// if none answers.
func RunningPast(ctx context.Context, dataDir string) PastMoves {
	if !Answers(dataDir) {
		return nil
	}
	return func(federation string) ([]move.Record, error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		client, err := Dial(dataDir)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		h, err := client.History(ctx, control.HistoryRequest{Federation: federation, Limit: 2})
		var out []move.Record
		for _, m := range h.Moves {
			out = append(out, m.Record)
		}
		return out, err
	}
}

// missing says why a fact could not be had: never read, or not readable now.
func missing(never string, err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return never
	}
	return "Not all that was read is known: " + err.Error()
}

func kindOf(c *config.Config) func(string) string {
	return func(tenant string) string {
		t, _ := c.Tenant(tenant)
		return t.Kind
	}
}

func adminURL(c *config.Config) func(federation.AppRef) string {
	return func(app federation.AppRef) string {
		t, _ := c.Tenant(app.Tenant)
		return adminPage(t)(idp.AppID(app.ID))
	}
}

// RenderRunbook renders a runbook in one of RunbookFormats.
func RenderRunbook(b Runbook, format string) ([]byte, error) {
	switch format {
	case "markdown":
		return b.Markdown(), nil
	case "html":
		return b.HTML()
	}
	return nil, fmt.Errorf("render the runbook: there is no format %q", format)
}

// WriteRunbooks writes each runbook into a folder as runbook-FEDERATION.md and
// .html, each in one step: a reader sees the old or the new one, whole. The
// files have mode 0644, since others than the controller's user must be able to
// read them in need and no secret is in them; who may is for the folder to say.
// It returns the files in their order. What cannot be written keeps nothing else
// from it.
func WriteRunbooks(dir string, books []Runbook, formats []string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of runbooks: %w", err)
	}
	var files []string
	var errs []error
	for _, b := range books {
		for _, format := range formats {
			text, err := RenderRunbook(b, format)
			if err == nil {
				path := filepath.Join(dir, "runbook-"+b.Federation+map[string]string{"markdown": ".md", "html": ".html"}[format])
				if err = writeShared(path, text); err == nil {
					files = append(files, path)
				}
			}
			errs = append(errs, err)
		}
	}
	return files, errors.Join(errs...)
}

// writeShared replaces a file that others may read in one step.
func writeShared(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	if err == nil && runtime.GOOS != "windows" {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// runbook is the job that writes the runbooks. A failure is a finding and stops
// nothing: what was written before stays.
func (s *engine) runbook(ctx context.Context, moves controller.Moves) error {
	r := s.o.Config.Runbook
	past := func(federation string) ([]move.Record, error) { return moves.Past(ctx, federation) }
	books, err := Runbooks(s.o.Config, s.o.Version, "", past, time.Now().UTC())
	var files []string
	if err == nil {
		files, err = WriteRunbooks(r.Dir, books, r.Formats)
	}
	if err != nil {
		return finding.Finding{Code: finding.RunbookStale, Subject: "runbook", What: "it could not be written to " + r.Dir, Why: err.Error(),
			Remedy: "see that the folder is there and that the controller's user may write to it; then: samlfailover runbook export --out " + r.Dir}
	}
	s.o.Log.Info("runbooks written", "files", files)
	return nil
}

// runbookAt is when the runbooks are written.
func runbookAt(r config.Runbook) string {
	if r.Dir == "" {
		return config.Off
	}
	return r.Schedule
}

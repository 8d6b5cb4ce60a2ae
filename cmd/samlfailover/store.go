package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/samlfailover/samlfailover/app"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/escape"
	"github.com/samlfailover/samlfailover/finding"
)

// backupTime bounds a backup: the store may have a gigabyte.
const backupTime = 10 * time.Minute

func newStore(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "The store of moves, pauses, inventory and audit: how it is, backup, restore",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStoreStatus(p), newStoreBackup(p), newStoreRestore(p))
	return cmd
}

func newStoreStatus(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Who leads, the members, the size, the last backup, what is wrong",
		Long: `status asks the running controller how its store is: who leads, which controllers live
and with which config, the members of the cluster, its size, its last backup, and what a
person should look at. It answers without a majority too.

With --output json it prints one object: standing, at, store, controllers, findings.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				r, err := client.Store(ctx)
				if err != nil {
					return asUsage(err)
				}
				if p.json() {
					return p.printJSON(r)
				}
				p.showStore(r, time.Now())
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	return cmd
}

func newStoreBackup(p *program) *cobra.Command {
	var c configured
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the whole store to a file, and a manifest beside it",
		Long: `backup has the running controller write the whole store to FILE (mode 0600) on its
machine, and FILE.manifest beside it, which is signed with the store key. Any controller
may do it, at any time. It writes over nothing. Keep both files elsewhere, and the store
key in another place: records are in a backup as they are in the store, signed or
encrypted.

With --output json it prints the manifest.`,
		Args: oneArgument("the FILE of the backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := args[0]
			if c.server == "" { // else the folder is another machine's
				var err error
				if file, err = filepath.Abs(file); err != nil {
					return fmt.Errorf("find %s: %w", args[0], err)
				}
			}
			return withController(cmd.Context(), p, c, func(ctx context.Context, client *app.Client) error {
				ctx, cancel := context.WithTimeout(ctx, backupTime)
				defer cancel()
				m, err := client.Backup(ctx, control.BackupRequest{File: file})
				if err != nil {
					return asUsage(err)
				}
				if p.json() {
					return p.printJSON(m)
				}
				p.line("Written: %s and %s.manifest, %s, SHA-256 %s", escape.Terminal(file), escape.Terminal(file), bytesOf(m.Size), m.SHA256)
				p.line("Keep both elsewhere, and the store key in another place.")
				return nil
			})
		},
	}
	c.flags(cmd, false)
	c.remote(cmd)
	return cmd
}

func newStoreRestore(p *program) *cobra.Command {
	var c configured
	var into string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Fill an empty store folder from a backup; no controller may run on it",
		Long: `restore checks FILE against FILE.manifest with the store key, and fills an empty folder
from it: the store folder of the config unless --into names another. It overwrites
nothing: put a damaged folder away first. It needs no controller, and none may run on the
folder. In a cluster every member restores the same file, all before any of them starts.

Afterwards nothing moves by itself on the word of the backup: a move that was open in it
is void and ends as incomplete, and so are proposals. Look where each app points
(samlfailover status), then move again if need be.

With --output json it prints {"into":..,"manifest":{..}}.`,
		Args: oneArgument("the FILE of the backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.setup(p, slog.LevelError)
			if err != nil {
				return err
			}
			m, dir, err := app.RestoreStore(cmd.Context(), s, args[0], into)
			if err != nil {
				return err
			}
			if p.json() {
				return p.printJSON(map[string]any{"into": dir, "manifest": m})
			}
			p.line("Restored into %s: the store as of %s.", escape.Terminal(dir), m.At.UTC().Format(time.RFC3339))
			p.line("Moves that were open then are void. Start the controller, and look where each app points: samlfailover status")
			return nil
		},
	}
	c.flags(cmd, false)
	cmd.Flags().StringVar(&into, "into", "", "the empty `DIR` to fill (default: the folder store in the config's store.dir)")
	return cmd
}

// showAlarms puts first what a person must look at now.
func (p *program) showAlarms(r *control.StoreReport) {
	if r == nil {
		return
	}
	shown := false
	for _, f := range r.Findings {
		if f.Severity() == finding.Page {
			p.line("!! %s", escape.Terminal(f.Error()))
			shown = true
		}
	}
	if shown {
		p.line("")
	}
}

// showStanding tells in a line or two who leads and how the store is.
func (p *program) showStanding(r *control.StoreReport) {
	if r == nil {
		return
	}
	if r.Store.Kind != "single" || !r.Standing.Leads {
		p.line("Controllers: %s.", escape.Terminal(r.Standing.Words()))
	}
	p.line("Store: %s", storeLine(*r, time.Now()))
	p.line("")
}

// storeLine tells of the store in one line.
func storeLine(r control.StoreReport, now time.Time) string {
	s := r.Store
	what := map[string]string{"single": "one embedded member", "cluster": fmt.Sprintf("%d embedded members", len(s.Members)), "existing": "an existing cluster"}[s.Kind]
	if what == "" {
		what = "not known yet"
	}
	parts := []string{what, bytesOf(s.Size)}
	if s.LastBackup != nil {
		parts = append(parts, "last backup "+now.Sub(s.LastBackup.At).Round(time.Second).String()+" ago")
	} else {
		parts = append(parts, "never backed up")
	}
	switch {
	case r.Unavailable != "":
		parts = append(parts, "CANNOT BE ASKED NOW")
	case !s.Quorum && s.Kind != "":
		parts = append(parts, "WITHOUT A MAJORITY: nothing is moved, and what is shown may be old")
	}
	return strings.Join(parts, ", ")
}

func (p *program) showStore(r control.StoreReport, now time.Time) {
	p.showAlarms(&r)
	p.line("Controllers: %s.", escape.Terminal(r.Standing.Words()))
	if len(r.Controllers) > 0 {
		rows := [][]string{{"CONTROLLER", "VERSION", "CONFIG", "SINCE", ""}}
		for _, o := range r.Controllers {
			note := ""
			if o.Name == r.Standing.Leader {
				note = "leads"
			}
			rows = append(rows, []string{escape.Terminal(o.Name), dash(escape.Terminal(o.Version)), escape.Terminal(o.Digest), o.Since.UTC().Format(time.RFC3339), note})
		}
		p.table(rows)
	}
	p.line("")
	p.line("Store: %s", storeLine(r, now))
	s := r.Store
	if s.Folder != "" {
		p.line("  folder %s, %s in use, quota %s, key %s", escape.Terminal(s.Folder), bytesOf(s.InUse), bytesOf(s.Quota), s.KeyID)
	}
	if !s.Certificate.IsZero() {
		p.line("  certificate until %s", s.Certificate.UTC().Format(time.RFC3339))
	}
	if !s.RestoredAt.IsZero() {
		p.line("  restored from a backup at %s", s.RestoredAt.UTC().Format(time.RFC3339))
	}
	if len(s.Members) > 1 {
		rows := [][]string{{"MEMBER", "URL", ""}}
		for _, m := range s.Members {
			note := ""
			if m.Leader {
				note = "leads etcd"
			}
			if m.Self {
				note = strings.TrimSpace(note + " this one")
			}
			rows = append(rows, []string{escape.Terminal(m.Name), dash(escape.Terminal(m.URL)), note})
		}
		p.table(rows)
	}
	for _, f := range r.Findings {
		if f.Severity() != finding.Page {
			p.showFinding(f)
		}
	}
}

// bytesOf shows a size to people.
func bytesOf(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"

	"github.com/samlfailover/samlfailover/failover"
)

// revisionBump moves a restored store's revisions ahead of every one that the
// lost store can have used since the backup.
const revisionBump = 1 << 30

// restoredBody is the mark that Restore leaves in the folder; the next leader
// carries out what it asks for.
type restoredBody struct {
	// ID is the backup's own digest: the same for every member of a cluster, and
	// never in the backup itself.
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// From is the backup.
	From Manifest `json:"from"`
}

// Restore fills an empty data folder from a backup. Members of a cluster each
// restore the same file, all before any of them starts. Afterwards nothing moves
// by itself: open moves are ended as void, boxes are emptied, and a new Epoch makes every
// proposal and approval void. A single member does that at once; a cluster does it when
// its first leader begins.
func Restore(ctx context.Context, o Options, path string) (Manifest, error) {
	m, err := restore(ctx, o, path)
	if err != nil {
		return m, fmt.Errorf("restore the store: %w", err)
	}
	return m, nil
}

func restore(ctx context.Context, o Options, path string) (Manifest, error) {
	o, err := o.settled()
	if err != nil {
		return Manifest{}, err
	}
	if o.Embedded == nil {
		return Manifest{}, setup("a cluster that others run is restored by them", errors.New("use etcdutl snapshot restore on its members"))
	}
	m, err := ReadManifest(path, o.Seal)
	if err != nil {
		return m, err
	}
	if err := unpackInto(o, path, m); err != nil {
		return m, err
	}
	if len(o.Embedded.Peers) > 0 {
		return m, nil
	}
	s, err := Open(ctx, o)
	if err != nil {
		return m, err
	}
	t, err := s.Campaign(ctx)
	if err == nil {
		err = t.Resign(ctx)
	}
	return m, errors.Join(err, s.Close())
}

// unpackInto writes the data of a member and the mark.
func unpackInto(o Options, path string, m Manifest) error {
	e := o.Embedded
	f, err := takeFolder(e)
	if err != nil {
		return err
	}
	err = f.unpack(o, path, m)
	return errors.Join(err, f.release())
}

func (f *folder) unpack(o Options, path string, m Manifest) error {
	data := f.path(dataFolder)
	if entries, err := os.ReadDir(data); err == nil && len(entries) > 0 {
		return trouble(f.dir, "it is not empty", "keep the present folder under another name first: nothing is overwritten", fmt.Errorf("%s holds the data of a store", data))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s := &Store{opts: o, folder: f}
	c := memberConfig{single: len(o.Embedded.Peers) == 0}
	s.place(o.Embedded, &c)
	// The mark and the identity first: a folder that is only half restored must not
	// start as if nothing had been.
	mark := restoredBody{ID: m.SHA256, At: time.Now().UTC(), From: m}
	if err := errors.Join(f.writeJSON(restoredFile, mark), f.writeJSON(identityFile, identity{Store: m.Store})); err != nil {
		return err
	}
	log := newBridge(o.Log)
	err := snapshot.NewV3(log.zap()).Restore(snapshot.RestoreConfig{SnapshotPath: path, Name: o.Name, OutputDataDir: data,
		PeerURLs: []string{c.peer.String()}, InitialCluster: c.cluster, InitialClusterToken: "samlfailover",
		RevisionBump: revisionBump, MarkCompacted: true})
	if err != nil {
		return errors.Join(fmt.Errorf("unpack %s: %w", filepath.Base(path), err), os.RemoveAll(data))
	}
	return nil
}

// afterRestore makes void what was under way when the backup was taken, once
// (spec 11.1).
func (t *Term) afterRestore(ctx context.Context, root rootBody, at slot) error {
	if t.s.folder == nil {
		return nil
	}
	var mark restoredBody
	err := t.s.folder.readJSON(restoredFile, &mark)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && root.Restored == mark.ID:
		return nil
	case err != nil:
		return err
	}
	open, err := t.journal.Open(ctx)
	if err != nil {
		return err
	}
	for _, r := range open {
		res := failover.Result{ID: r.ID, Federation: r.Federation, Cause: r.Cause, To: r.To, Status: failover.Incomplete,
			Why:     fmt.Sprintf("void: it was open in the backup of %s that the store was restored from; see where each app points now, and move again if need be", mark.From.At.Format(time.RFC3339)),
			Started: r.Started, Finished: time.Now().UTC(), Stuck: len(r.Steps)}
		if err := t.journal.Finish(ctx, r.ID, res); err != nil {
			return fmt.Errorf("make move %s void after the restore: %w", r.ID, err)
		}
		t.s.log.Warn("store: a move that was open in the backup is void", "move", r.ID, "federation", r.Federation)
	}
	if err := t.emptyBoxes(ctx, root); err != nil {
		return fmt.Errorf("make void what waited in the backup: %w", err)
	}
	// The journal may have changed the root record: read it again.
	if root, at, err = t.reads.rootSlot(ctx); err != nil {
		return err
	}
	root.Epoch++
	root.Restored, root.RestoredAt = mark.ID, mark.At
	return t.replace(ctx, &at, root, nil, nil)
}

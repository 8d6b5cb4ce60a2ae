package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
)

// snapshotBox is the box of the store that whole documents are kept in.
const snapshotBox = "snapshot"

// What bounds it: at most 32 MiB of a store of 64 MiB and more. A document of an
// app is some KiB, and less compressed.
const (
	snapshotMoves = 3        // of one federation
	snapshotMost  = 1000     // documents in all
	snapshotSize  = 32 << 10 // of one, compressed
	documentSize  = 8 << 20  // of one, as read
)

// snapshotKeeper is the part of a store.Box that snapshots need.
type snapshotKeeper interface {
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, keys ...string) error
	Get(ctx context.Context, key string) ([]byte, bool, error)
	Keys(ctx context.Context) ([]string, error)
}

// snapshots keeps apps' documents of before the last moves, of one leadership. It
// implements move.Snapshots and move.KeptDocuments.
type snapshots struct{ box snapshotKeeper }

func snapshotKey(federation string, id failover.MoveID, app federation.AppRef) string {
	return federation + "/" + string(id) + "/" + app.String()
}

// Keep implements move.Snapshots.
func (s snapshots) Keep(ctx context.Context, one move.Snapshot) error {
	if len(one.Document.Raw) > documentSize {
		return fmt.Errorf("keep the document of app %s: it has %d bytes, and at most %d are kept", one.App, len(one.Document.Raw), documentSize)
	}
	raw, err := json.Marshal(one.Document)
	if err != nil {
		return fmt.Errorf("keep the document of app %s: %w", one.App, err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(raw)
	if err = errors.Join(err, z.Close()); err != nil {
		return fmt.Errorf("compress the document of app %s: %w", one.App, err)
	}
	if b.Len() > snapshotSize {
		return fmt.Errorf("keep the document of app %s: it has %d bytes compressed, and at most %d are kept", one.App, b.Len(), snapshotSize)
	}
	keys, err := s.box.Keys(ctx)
	if err != nil {
		return err
	}
	key := snapshotKey(one.Federation, one.Move, one.App)
	if len(keys) >= snapshotMost && !slices.Contains(keys, key) {
		old := oldest(keys, string(one.Move))
		if len(old) == 0 {
			return fmt.Errorf("keep the document of app %s: %d of this move are kept already, which is the most", one.App, len(keys))
		}
		if err := s.box.Delete(ctx, old...); err != nil {
			return err
		}
	}
	return s.box.Put(ctx, key, b.Bytes())
}

// oldest returns the keys of the move that is longest ago, of any federation but
// not of the one that asks: where there is no room for all, the newest moves are
// the ones that somebody may want back.
func oldest(keys []string, but string) (of []string) {
	first := ""
	for _, k := range keys {
		_, id, _ := strings.Cut(k, "/")
		id, _, _ = strings.Cut(id, "/")
		switch {
		case id == but || first != "" && id > first:
		case id == first:
			of = append(of, k)
		default:
			first, of = id, []string{k}
		}
	}
	return of
}

// Drop implements move.Snapshots.
func (s snapshots) Drop(ctx context.Context, federation string) error {
	keys, err := s.box.Keys(ctx)
	if err != nil {
		return err
	}
	var moves []string // ids begin with their time
	for _, k := range keys {
		if id, ok := moveOfKey(k, federation); ok && !slices.Contains(moves, id) {
			moves = append(moves, id)
		}
	}
	slices.Sort(moves)
	slices.Reverse(moves)
	if len(moves) <= snapshotMoves {
		return nil
	}
	old := slices.DeleteFunc(keys, func(k string) bool {
		id, ok := moveOfKey(k, federation)
		return !ok || slices.Contains(moves[:snapshotMoves], id)
	})
	return s.box.Delete(ctx, old...)
}

// moveOfKey returns the move that a key is of, if it is of a federation.
func moveOfKey(key, federation string) (string, bool) {
	rest, ok := strings.CutPrefix(key, federation+"/")
	id, _, there := strings.Cut(rest, "/")
	return id, ok && there
}

// Kept implements move.KeptDocuments.
func (s snapshots) Kept(ctx context.Context, federation string, id failover.MoveID, app federation.AppRef) (doc idp.Document, ok bool, err error) {
	raw, ok, err := s.box.Get(ctx, snapshotKey(federation, id, app))
	if err != nil || !ok {
		return doc, false, err
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return doc, false, fmt.Errorf("read the kept document of app %s: %w", app, err)
	}
	if err := json.NewDecoder(io.LimitReader(z, 2*documentSize)).Decode(&doc); err != nil {
		return doc, false, fmt.Errorf("read the kept document of app %s: %w", app, err)
	}
	return doc, true, nil
}

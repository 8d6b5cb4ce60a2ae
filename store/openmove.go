package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/store/seal"
)

// openMove is a federation's open move as read, each note with its key.
type openMove struct {
	at     slot
	head   headBody
	record move.Record
	tag    seal.Tag
	notes  map[string]seal.Tag
	began  int64 // etcd's revision, which orders moves
}

// openMove reads and verifies a federation's head and its open move.
func (r Reads) openMove(ctx context.Context, federation string) (openMove, error) {
	var m openMove
	var err error
	if m.at, err = r.bound(ctx, journalHead(federation), &m.head); err != nil {
		return m, err
	}
	kvs, err := r.list(ctx, openPrefix(federation))
	if err != nil {
		return m, err
	}
	if m.head.Open == "" {
		if len(kvs) > 0 {
			return m, seal.Refuse(string(kvs[0].Key), "it belongs to an open move, and the federation's head record knows of none")
		}
		return m, nil
	}
	f := openFederation{notes: map[string]seal.Tag{}}
	var notes []keptNote
	for _, kv := range kvs {
		if string(kv.Key) == r.s.key(openRecord(federation)) {
			if f.record, err = r.s.openSigned(kv, &m.record); err != nil {
				return m, err
			}
			m.began = kv.CreateRevision
			continue
		}
		n := keptNote{kv: kv}
		tag, err := r.s.openSigned(kv, &n.note)
		if err != nil {
			return m, err
		}
		f.notes[string(kv.Key)] = tag
		notes = append(notes, n)
	}
	headKey := r.s.key(journalHead(federation))
	if f.record == "" || m.record.ID != m.head.Open || len(f.notes) != m.head.Notes || !r.s.opts.Seal.SameDigest(headKey, f.tags(), m.head.Digest) {
		return m, seal.Refuse(headKey, fmt.Sprintf("the record and the notes of the open move %s are not those that were written: one was deleted, added, or an older one was put back", m.head.Open))
	}
	slices.SortFunc(notes, func(a, b keptNote) int { return int(a.kv.CreateRevision - b.kv.CreateRevision) })
	for _, n := range notes {
		m.record.Notes = append(m.record.Notes, n.note)
	}
	m.tag, m.notes = f.record, f.notes
	return m, nil
}

type keptNote struct {
	kv   *mvccpb.KeyValue
	note move.StepNote
}

// Open returns the open moves of all federations, oldest first.
func (r Reads) Open(ctx context.Context) ([]move.Record, error) {
	names, err := r.journals(ctx)
	if err != nil {
		return nil, err
	}
	var all []openMove
	for _, name := range names {
		m, err := r.openMove(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return inOrder(all), nil
}

// inOrder returns the records of those that are open, oldest first.
func inOrder(all []openMove) []move.Record {
	slices.SortFunc(all, func(a, b openMove) int { return int(a.began - b.began) })
	var out []move.Record
	for _, m := range all {
		if m.head.Open != "" {
			out = append(out, m.record)
		}
	}
	return out
}

// journals returns the federations that have a journal, as the root record
// knows them: one that was deleted whole is missed.
func (r Reads) journals(ctx context.Context) ([]string, error) {
	root, err := r.root(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range root.Born {
		middle, ok := strings.CutPrefix(name, "journal/")
		if middle, isHead := strings.CutSuffix(middle, "/head"); ok && isHead {
			plain, err := unescape(middle)
			if err != nil {
				return nil, err
			}
			out = append(out, plain)
		}
	}
	return out, nil
}

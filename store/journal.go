package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/store/seal"
)

// headBody is a federation's head record: it names the open move, what belongs
// to it, and which past moves are kept. It is written together with everything
// that it speaks of, so that one move at a time is open, and a note that is
// gone, put back or exchanged shows.
type headBody struct {
	Open failover.MoveID `json:"open,omitempty"`
	// Digest is over the open move's record and notes.
	Digest string `json:"digest,omitempty"`
	Notes  int    `json:"notes,omitempty"`
	// Past moves are First to Next-1.
	First uint64 `json:"first"`
	Next  uint64 `json:"next"`
}

// whereBody is what the key of a move's id holds. Seq is the number that the
// move has, or will have, among the past ones.
type whereBody struct {
	Federation string `json:"federation"`
	Seq        uint64 `json:"seq"`
}

// Journal is the store's journal as one leadership sees it. What it has seen it
// remembers: nobody else writes while the leadership holds, and if somebody
// does, the next write is refused and everything is read and verified again.
type Journal struct {
	t *Term

	mu          sync.Mutex
	federations map[string]*openFederation
	byMove      map[failover.MoveID]string // federations of the open moves
}

var (
	_ move.Journal = (*Journal)(nil)
	_ move.Archive = (*Journal)(nil)
)

// openFederation is what a leader knows of a federation's journal.
type openFederation struct {
	mu     sync.Mutex
	name   string
	known  bool // else read it first
	at     slot
	head   headBody
	record seal.Tag
	notes  map[string]seal.Tag // by key
}

func newJournal(t *Term) *Journal {
	return &Journal{t: t, federations: map[string]*openFederation{}, byMove: map[failover.MoveID]string{}}
}

// Journal is the journal of moves as this leadership writes it.
func (t *Term) Journal() *Journal { return t.journal }

func (j *Journal) federation(name string) *openFederation {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := j.federations[name]
	if f == nil {
		f = &openFederation{name: name}
		j.federations[name] = f
	}
	return f
}

// tags returns what the head's digest is over.
func (f *openFederation) tags() []seal.Tag {
	keys := make([]string, 0, len(f.notes))
	for k := range f.notes {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := []seal.Tag{f.record}
	for _, k := range keys {
		out = append(out, f.notes[k])
	}
	return out
}

// locked runs f on a federation that is known, once more if the record had
// changed under us (a write of ours whose answer was lost). The caller must hold
// no lock.
func (j *Journal) locked(ctx context.Context, name string, do func(f *openFederation) error) error {
	f := j.federation(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	for again := false; ; again = true {
		if err := j.learn(ctx, f); err != nil {
			return err
		}
		err := do(f)
		if err == nil || errors.Is(err, move.ErrOpenMove) || errors.Is(err, move.ErrNoMove) {
			return err
		}
		f.known = false
		if !errors.Is(err, errChanged) || again {
			return err
		}
	}
}

func (j *Journal) learn(ctx context.Context, f *openFederation) error {
	if f.known {
		return nil
	}
	m, err := j.t.reads.openMove(ctx, f.name)
	if err != nil {
		return err
	}
	f.at, f.head, f.record, f.notes, f.known = m.at, m.head, m.tag, m.notes, true
	if f.notes == nil {
		f.notes = map[string]seal.Tag{}
	}
	if m.head.Open != "" {
		j.remember(m.head.Open, f.name)
	}
	return nil
}

func (j *Journal) remember(id failover.MoveID, federation string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.byMove[id] = federation
}

// write replaces the head together with ops; the digest is made here.
func (j *Journal) write(ctx context.Context, f *openFederation, head headBody, same []clientv3.Cmp, ops []clientv3.Op) error {
	if err := j.t.replace(ctx, &f.at, head, same, ops); err != nil {
		return err
	}
	f.head = head
	return nil
}

// Begin implements move.Journal.
func (j *Journal) Begin(ctx context.Context, m move.Record) error {
	if m.ID == "" || m.Federation == "" {
		return errors.New("begin a move: it needs an id and a federation")
	}
	return j.named(j.locked(ctx, m.Federation, func(f *openFederation) error {
		if f.head.Open != "" {
			return fmt.Errorf("%s: %w", f.head.Open, move.ErrOpenMove)
		}
		resp, err := j.t.get(ctx, moveKey(string(m.ID)), clientv3.WithKeysOnly())
		if err != nil {
			return err
		}
		if one(resp) != nil {
			return fmt.Errorf("the id is taken: %w", move.ErrOpenMove)
		}
		m.Notes, m.Result = nil, nil
		put, tag, err := j.t.s.putSigned(openRecord(m.Federation), m)
		if err != nil {
			return err
		}
		head := f.head
		if head.Next == 0 {
			head.First, head.Next = 1, 1
		}
		where, _, err := j.t.s.putSigned(moveKey(string(m.ID)), whereBody{m.Federation, head.Next})
		if err != nil {
			return err
		}
		f.record, f.notes = tag, map[string]seal.Tag{}
		head.Open, head.Notes, head.Digest = m.ID, 0, j.digest(f)
		if err := j.write(ctx, f, head, nil, []clientv3.Op{put, where}); err != nil {
			return err
		}
		j.remember(m.ID, m.Federation)
		return nil
	}), "begin move %s of federation %s", m.ID, m.Federation)
}

func (j *Journal) digest(f *openFederation) string {
	return j.t.s.opts.Seal.Digest(j.t.s.key(journalHead(f.name)), f.tags())
}

// named says what was being done.
func (j *Journal) named(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// where finds the federation of a move.
func (j *Journal) where(ctx context.Context, id failover.MoveID) (whereBody, error) {
	j.mu.Lock()
	name, known := j.byMove[id]
	j.mu.Unlock()
	if known {
		return whereBody{Federation: name}, nil
	}
	var w whereBody
	resp, err := j.t.get(ctx, moveKey(string(id)))
	if err != nil {
		return w, err
	}
	kv := one(resp)
	if kv == nil {
		return w, move.ErrNoMove
	}
	_, err = j.t.s.openSigned(kv, &w)
	return w, err
}

// Note implements move.Journal.
func (j *Journal) Note(ctx context.Context, id failover.MoveID, n move.StepNote) error {
	const what = "note %s of app %s in move %s"
	w, err := j.where(ctx, id)
	if err != nil {
		return j.named(err, what, n.Phase, n.App, id)
	}
	return j.named(j.locked(ctx, w.Federation, func(f *openFederation) error {
		if f.head.Open != id {
			return fmt.Errorf("it has ended: %w", move.ErrNoMove)
		}
		key := noteKey(f.name, n.App, string(n.Phase))
		put, tag, err := j.t.s.putSigned(key, n)
		if err != nil {
			return err
		}
		f.notes[j.t.s.key(key)] = tag
		head := f.head
		head.Notes, head.Digest = len(f.notes), j.digest(f)
		return j.write(ctx, f, head, nil, []clientv3.Op{put})
	}), what, n.Phase, n.App, id)
}

// Finish implements move.Journal. The move becomes one packed record among the
// past ones, and the oldest beyond Options.KeepMoves go.
func (j *Journal) Finish(ctx context.Context, id failover.MoveID, res failover.Result) error {
	const what = "finish move %s"
	w, err := j.where(ctx, id)
	if err != nil {
		return j.named(err, what, id)
	}
	return j.named(j.locked(ctx, w.Federation, func(f *openFederation) error {
		if f.head.Open != id {
			return j.finished(ctx, f.name, id, res)
		}
		return j.finish(ctx, f, res)
	}), what, id)
}

func (j *Journal) finish(ctx context.Context, f *openFederation, res failover.Result) error {
	m, err := j.t.reads.openMove(ctx, f.name)
	if err != nil {
		return err
	}
	if m.head.Digest != f.head.Digest {
		return errChanged
	}
	m.record.Result = &res
	head := f.head
	puts, err := j.pastOps(f.name, head.Next, m.record)
	if err != nil {
		return err
	}
	ops := []clientv3.Op{clientv3.OpDelete(j.t.s.key(openPrefix(f.name)), clientv3.WithPrefix())}
	// A record of more than one part comes in before the head knows of it; what a
	// crash has left of an earlier try goes first.
	before := []clientv3.Op{clientv3.OpDelete(j.t.s.key(pastKey(f.name, head.Next)), clientv3.WithPrefix())}
	if len(puts) > 1 {
		before = append(before, puts...)
	} else {
		ops = append(ops, puts...)
	}
	for _, op := range before {
		if _, err := j.t.commit(ctx, nil, []clientv3.Op{op}); err != nil {
			return err
		}
	}
	head.Open, head.Digest, head.Notes = "", "", 0
	head.Next++
	forget, err := j.forget(ctx, f.name, &head)
	if err != nil {
		return err
	}
	if err := j.write(ctx, f, head, nil, append(ops, forget...)); err != nil {
		return err
	}
	f.record, f.notes = "", map[string]seal.Tag{}
	j.mu.Lock()
	delete(j.byMove, m.record.ID)
	j.mu.Unlock()
	return nil
}

// pastOps packs an ended move into as many values as it needs.
func (j *Journal) pastOps(federation string, seq uint64, r move.Record) ([]clientv3.Op, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode move %s for the store: %w", r.ID, err)
	}
	key := j.t.s.key(pastKey(federation, seq))
	sealed, _ := j.t.s.opts.Seal.Sign(key, raw)
	var ops []clientv3.Op
	for i, part := range parts(sealed) {
		ops = append(ops, clientv3.OpPut(partKey(key, i), string(part)))
	}
	return ops, nil
}

// forget returns the operations that drop the oldest past moves, and moves First
// in the head. What does not fit into one transaction goes with the next move.
func (j *Journal) forget(ctx context.Context, federation string, head *headBody) ([]clientv3.Op, error) {
	keep := uint64(j.t.s.opts.KeepMoves)
	if head.Next-head.First <= keep {
		return nil, nil
	}
	first := min(head.Next-keep, head.First+maxOps/2)
	var ops []clientv3.Op
	for seq := head.First; seq < first && seq < head.Next-1; seq++ {
		r, err := j.t.reads.pastMove(ctx, federation, seq)
		if err != nil {
			return nil, err
		}
		ops = append(ops, clientv3.OpDelete(j.t.s.key(moveKey(string(r.ID)))))
	}
	from, to := j.t.s.key(pastKey(federation, head.First)), j.t.s.key(pastKey(federation, first))
	head.First = first
	return append(ops, clientv3.OpDelete(from, clientv3.WithRange(to))), nil
}

// finished answers for a move that is not open: nil if it ended with the same
// result.
func (j *Journal) finished(ctx context.Context, federation string, id failover.MoveID, res failover.Result) error {
	var w whereBody
	resp, err := j.t.get(ctx, moveKey(string(id)))
	if err != nil {
		return err
	}
	kv := one(resp)
	if kv == nil {
		return move.ErrNoMove
	}
	if _, err := j.t.s.openSigned(kv, &w); err != nil {
		return err
	}
	r, err := j.t.reads.pastMove(ctx, federation, w.Seq)
	if err != nil {
		return err
	}
	if r.ID != id || r.Result == nil || !sameJSON(*r.Result, res) {
		return fmt.Errorf("it has ended with another result: %w", move.ErrNoMove)
	}
	return nil
}

func sameJSON(a, b any) bool {
	ra, errA := json.Marshal(a)
	rb, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(ra, rb)
}

// Open implements move.Journal. A federation that this leader knows to be at
// rest is not read again.
func (j *Journal) Open(ctx context.Context) ([]move.Record, error) {
	names, err := j.t.reads.journals(ctx)
	if err != nil {
		return nil, j.named(err, "list the open moves")
	}
	var all []openMove
	for _, name := range names {
		m, err := j.openOf(ctx, name)
		if err != nil {
			return nil, j.named(err, "list the open moves")
		}
		if m.head.Open != "" {
			j.remember(m.head.Open, name)
			all = append(all, m)
		}
	}
	return inOrder(all), nil
}

// openOf reads a federation's open move while nothing of it is written: the
// leader's reads are not of one moment, and a head beside the notes of a moment
// later would look like a store that somebody has changed.
func (j *Journal) openOf(ctx context.Context, name string) (openMove, error) {
	f := j.federation(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known && f.head.Open == "" {
		return openMove{}, nil
	}
	return j.t.reads.openMove(ctx, name)
}

// Past implements move.Archive.
func (j *Journal) Past(ctx context.Context, federation string) ([]move.Record, error) {
	return j.t.s.Past(ctx, federation)
}

package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/store/seal"
)

// maxBoxed bounds the records of one box: its head names each of them.
const maxBoxed = 2000

// boxBody is the head of a box: the tag of every record that is in it, so that
// none can be taken out, put back or replaced by an older one unseen.
type boxBody struct {
	Tags map[string]string `json:"tags"` // hex, by the record's key
}

// Box holds records of one kind under names of the caller's choice, encrypted,
// such as proposals or messages that wait to be sent. One leadership writes;
// everybody reads (Store.Boxed). Safe for concurrent use.
type Box struct {
	BoxReads
	t  *Term
	mu sync.Mutex
}

// Box returns a box as this leadership writes it. The kind is a fixed word of
// the program.
func (t *Term) Box(kind string) *Box {
	t.rootMu.Lock()
	defer t.rootMu.Unlock()
	if t.boxes == nil {
		t.boxes = map[string]*Box{}
	}
	b := t.boxes[kind]
	if b == nil {
		b = &Box{t: t}
		b.BoxReads = BoxReads{kind: kind, reads: func(context.Context) (Reads, error) { return t.reads, nil }, still: &b.mu}
		t.boxes[kind] = b
	}
	return b
}

// BoxReads reads a box.
type BoxReads struct {
	kind  string
	reads func(context.Context) (Reads, error)
	// still keeps the box from being written while a leader reads it: its answers
	// are of more than one moment. nil: the reads are of one moment.
	still sync.Locker
}

// Boxed returns a box for reading, for whoever does not lead.
func (s *Store) Boxed(kind string) BoxReads { return BoxReads{kind: kind, reads: s.Reads} }

// Get returns one record, and whether there is one under that key.
func (b BoxReads) Get(ctx context.Context, key string) ([]byte, bool, error) {
	defer b.hold()()
	raw, found, err := b.get(ctx, key)
	return raw, found, b.failed("read "+key+" of", err)
}

func (b BoxReads) get(ctx context.Context, key string) ([]byte, bool, error) {
	r, err := b.reads(ctx)
	if err != nil {
		return nil, false, err
	}
	head, _, err := r.boxHead(ctx, b.kind)
	if err != nil {
		return nil, false, err
	}
	tag, found := head.Tags[key]
	if !found {
		return nil, false, nil
	}
	raw, err := r.boxed(ctx, b.kind, key, tag)
	return raw, err == nil, err
}

// hold keeps a leader's box as it is until release.
func (b BoxReads) hold() (release func()) {
	if b.still == nil {
		return func() {}
	}
	b.still.Lock()
	return b.still.Unlock
}

// Keys returns the keys of all records, sorted, without reading a record.
func (b BoxReads) Keys(ctx context.Context) ([]string, error) {
	defer b.hold()()
	r, err := b.reads(ctx)
	if err != nil {
		return nil, b.failed("list", err)
	}
	head, _, err := r.boxHead(ctx, b.kind)
	return slices.Sorted(maps.Keys(head.Tags)), b.failed("list", err)
}

// All returns every record by its key.
func (b BoxReads) All(ctx context.Context) (map[string][]byte, error) {
	defer b.hold()()
	r, err := b.reads(ctx)
	if err != nil {
		return nil, b.failed("read", err)
	}
	out, err := r.box(ctx, b.kind)
	return out, b.failed("read", err)
}

func (b BoxReads) failed(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s the kept %s: %w", doing, b.kind, err)
	}
	return nil
}

// box reads a box whole and checks it against its head.
func (r Reads) box(ctx context.Context, kind string) (map[string][]byte, error) {
	head, _, err := r.boxHead(ctx, kind)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for key, tag := range head.Tags {
		if out[key], err = r.boxed(ctx, kind, key, tag); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r Reads) boxHead(ctx context.Context, kind string) (boxBody, slot, error) {
	var head boxBody
	at, err := r.bound(ctx, boxHeadKey(kind), &head)
	return head, at, err
}

// boxed reads one record, which must be the one with this tag.
func (r Reads) boxed(ctx context.Context, kind, key, tag string) ([]byte, error) {
	name := boxItemKey(kind, key)
	resp, err := r.get(ctx, name)
	if err != nil {
		return nil, err
	}
	kv := one(resp)
	if kv == nil {
		return nil, seal.Refuse(r.s.key(name), "it was deleted")
	}
	raw, got, err := r.s.opts.Seal.Decrypt(r.s.key(name), kv.Value)
	if err != nil {
		return nil, err
	}
	if hex.EncodeToString([]byte(got)) != tag {
		return nil, seal.Refuse(r.s.key(name), "an older value was put back")
	}
	return raw, nil
}

// Put keeps a record, in place of the one under the same key. It is durable on
// return.
func (b *Box) Put(ctx context.Context, key string, value []byte) error {
	if key == "" {
		return errors.New("keep a record in a box: it needs a key")
	}
	err := b.change(ctx, func(head *boxBody) ([]clientv3.Op, error) {
		if _, there := head.Tags[key]; !there && len(head.Tags) >= maxBoxed {
			return nil, fmt.Errorf("there are %d already, the most that one box holds", len(head.Tags))
		}
		name := b.t.s.key(boxItemKey(b.kind, key))
		sealed, tag, err := b.t.s.opts.Seal.Encrypt(name, value)
		if err != nil {
			return nil, err
		}
		if len(sealed) > maxValue {
			return nil, fmt.Errorf("%d bytes are too many for one record (limit %d)", len(sealed), maxValue)
		}
		if head.Tags == nil {
			head.Tags = map[string]string{}
		}
		head.Tags[key] = hex.EncodeToString([]byte(tag))
		return []clientv3.Op{clientv3.OpPut(name, string(sealed))}, nil
	})
	return b.failed("keep "+key+" among", err)
}

// Delete drops records; those that are not there are no error.
func (b *Box) Delete(ctx context.Context, keys ...string) error {
	for some := range slices.Chunk(keys, maxOps-2) { // head and root record go with them
		err := b.change(ctx, func(head *boxBody) ([]clientv3.Op, error) {
			var ops []clientv3.Op
			for _, key := range some {
				if _, there := head.Tags[key]; there {
					delete(head.Tags, key)
					ops = append(ops, clientv3.OpDelete(b.t.s.key(boxItemKey(b.kind, key))))
				}
			}
			return ops, nil
		})
		if err != nil {
			return b.failed("drop "+strings.Join(some, ", ")+" from", err)
		}
	}
	return nil
}

// change replaces the head and whatever f says, in one step. f that returns no
// operation changes nothing.
func (b *Box) change(ctx context.Context, f func(*boxBody) ([]clientv3.Op, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	head, at, err := b.t.reads.boxHead(ctx, b.kind)
	if err != nil {
		return err
	}
	ops, err := f(&head)
	if err != nil || len(ops) == 0 {
		return err
	}
	return b.t.replace(ctx, &at, head, nil, ops)
}

// emptyBoxes drops every record of every box: what waited in the backup that a
// store was restored from is void.
func (t *Term) emptyBoxes(ctx context.Context, root rootBody) error {
	for _, name := range root.Born {
		kind, err := boxKind(name)
		if err != nil {
			return err
		}
		if kind == "" {
			continue
		}
		head, at, err := t.reads.boxHead(ctx, kind)
		if err != nil {
			return err
		}
		if len(head.Tags) == 0 {
			continue
		}
		all := clientv3.OpDelete(t.s.key(boxItems(kind)), clientv3.WithPrefix())
		if err := t.replace(ctx, &at, boxBody{}, nil, []clientv3.Op{all}); err != nil {
			return err
		}
		t.s.log.Warn("store: what waited in the backup is void", "kind", kind, "records", len(head.Tags))
	}
	return nil
}

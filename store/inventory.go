package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/store/seal"
)

// The kinds of snapshots.
const (
	kindRoles = "roles"
	kindApps  = "apps"
	kindOrg   = "organization"
)

// indexBody is the head record of one kind of one federation: which generation
// of parts is in force, and the one before. Parts are written first; the head
// switches to them in one step.
type indexBody struct {
	Current *generationBody `json:"current,omitempty"`
	Earlier *generationBody `json:"earlier,omitempty"`
}

// generationBody is one snapshot. Items are its accounts, the one list of
// apps, or the organization; each is encrypted on its own and cut into so many parts.
type generationBody struct {
	Number     uint64    `json:"number"`
	SavedAt    time.Time `json:"saved_at"`
	Federation string    `json:"federation"`
	TakenAt    time.Time `json:"taken_at"`
	Items      []int     `json:"items"` // parts of each
	Digest     string    `json:"digest"`

	// Of a snapshot of roles.
	Notes []finding.Finding `json:"notes,omitempty"`
	Was   []inventory.Was   `json:"was,omitempty"`
}

// Inventory keeps snapshots as inventory.Keeper does, with the same methods:
// everybody may load, a leader may save. What was never kept is an error that
// wraps fs.ErrNotExist; what cannot be trusted one that wraps ErrIntegrity and
// inventory.ErrCorrupt. Its methods know no context: they end with the store, or
// after the store's own time limit.
type Inventory struct {
	s  *Store
	t  *Term // nil: nobody saves
	mu sync.Mutex
}

// Inventory loads snapshots; Save refuses, because it is the leader's.
func (s *Store) Inventory() *Inventory { return &Inventory{s: s} }

// Inventory loads and saves snapshots for this leadership.
func (t *Term) Inventory() *Inventory { return &Inventory{s: t.s, t: t} }

// SaveRoles keeps a federation's roles, one record per account.
func (i *Inventory) SaveRoles(snap inventory.Snapshot) error {
	items := make([]any, len(snap.Accounts))
	for n, a := range snap.Accounts {
		items[n] = a
	}
	return i.save(kindRoles, generationBody{Federation: snap.Federation, TakenAt: snap.TakenAt, Notes: snap.Notes, Was: snap.Was}, items)
}

// SaveApps keeps a federation's apps as last read.
func (i *Inventory) SaveApps(snap inventory.AppSnapshot) error {
	return i.save(kindApps, generationBody{Federation: snap.Federation, TakenAt: snap.TakenAt}, []any{snap.Apps})
}

// SaveOrganization keeps what was read of a federation's organization.
func (i *Inventory) SaveOrganization(o inventory.Organization) error {
	return i.save(kindOrg, generationBody{Federation: o.Federation, TakenAt: o.TakenAt}, []any{o})
}

// LoadOrganization returns what was kept last of a federation's organization.
func (i *Inventory) LoadOrganization(federation string) (inventory.Organization, error) {
	var out inventory.Organization
	_, items, err := i.load(federation, kindOrg, func(b indexBody) *generationBody { return b.Current })
	if err != nil {
		return out, err
	}
	for _, raw := range items {
		if err := json.Unmarshal(raw, &out); err != nil {
			return out, fmt.Errorf("load the kept organization of federation %s: %w", federation, err)
		}
	}
	return out, nil
}

// LoadRoles returns the roles kept last.
func (i *Inventory) LoadRoles(federation string) (inventory.Snapshot, error) {
	return i.roles(federation, func(b indexBody) *generationBody { return b.Current })
}

// EarlierRoles returns the roles kept before the last.
func (i *Inventory) EarlierRoles(federation string) (inventory.Snapshot, error) {
	return i.roles(federation, func(b indexBody) *generationBody { return b.Earlier })
}

// LoadApps returns the apps kept last.
func (i *Inventory) LoadApps(federation string) (inventory.AppSnapshot, error) {
	return i.apps(federation, func(b indexBody) *generationBody { return b.Current })
}

// EarlierApps returns the apps kept before the last.
func (i *Inventory) EarlierApps(federation string) (inventory.AppSnapshot, error) {
	return i.apps(federation, func(b indexBody) *generationBody { return b.Earlier })
}

// TakenAt returns when the roles kept last were taken, for whoever wants to know
// whether there are newer ones without reading them.
func (i *Inventory) TakenAt(federation string) (time.Time, error) {
	r, err := i.s.Reads(i.s.life)
	if err != nil {
		return time.Time{}, err
	}
	var b indexBody
	if _, err := r.bound(i.s.life, inventoryHead(federation, kindRoles), &b); err != nil {
		return time.Time{}, fmt.Errorf("load the kept roles: %w", damaged(err))
	}
	if b.Current == nil {
		return time.Time{}, nothingKept(federation, kindRoles)
	}
	return b.Current.TakenAt, nil
}

func nothingKept(federation, kind string) error {
	return fmt.Errorf("load the kept %s of federation %s: nothing is kept: %w", kind, federation, fs.ErrNotExist)
}

// damaged makes an integrity error one that callers of the file keeper know.
func damaged(err error) error {
	if errors.Is(err, ErrIntegrity) {
		return fmt.Errorf("%w: %w", inventory.ErrCorrupt, err)
	}
	return err
}

func (i *Inventory) roles(federation string, which func(indexBody) *generationBody) (inventory.Snapshot, error) {
	g, items, err := i.load(federation, kindRoles, which)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	out := inventory.Snapshot{Federation: g.Federation, TakenAt: g.TakenAt, Notes: g.Notes, Was: g.Was}
	for n, raw := range items {
		var a inventory.AccountScan
		if err := json.Unmarshal(raw, &a); err != nil {
			return out, fmt.Errorf("load the kept roles of federation %s, account %d: %w", federation, n+1, err)
		}
		out.Accounts = append(out.Accounts, a)
	}
	return out, nil
}

func (i *Inventory) apps(federation string, which func(indexBody) *generationBody) (inventory.AppSnapshot, error) {
	g, items, err := i.load(federation, kindApps, which)
	if err != nil {
		return inventory.AppSnapshot{}, err
	}
	out := inventory.AppSnapshot{Federation: g.Federation, TakenAt: g.TakenAt}
	for _, raw := range items {
		if err := json.Unmarshal(raw, &out.Apps); err != nil {
			return out, fmt.Errorf("load the kept apps of federation %s: %w", federation, err)
		}
	}
	return out, nil
}

// save writes the items of a new generation, switches to it, and drops the one
// before the earlier.
func (i *Inventory) save(kind string, g generationBody, items []any) error {
	if g.Federation == "" {
		return fmt.Errorf("keep %s: the snapshot names no federation", kind)
	}
	what := fmt.Sprintf("keep %s of federation %s", kind, g.Federation)
	if i.t == nil {
		return fmt.Errorf("%s: only the leader writes: %w", what, move.ErrDeposed)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.switchTo(i.s.life, kind, g, items); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (i *Inventory) switchTo(ctx context.Context, kind string, g generationBody, items []any) error {
	var index indexBody
	at, err := i.t.reads.bound(ctx, inventoryHead(g.Federation, kind), &index)
	if err != nil {
		return err
	}
	g.Number, g.SavedAt = 1, time.Now().UTC()
	if index.Current != nil {
		g.Number = index.Current.Number + 1
	}
	prefix := generation(g.Federation, kind, g.Number)
	// A crash may have left parts of this generation.
	if _, err := i.t.commit(ctx, nil, []clientv3.Op{clientv3.OpDelete(i.s.key(prefix), clientv3.WithPrefix())}); err != nil {
		return err
	}
	var tags []seal.Tag
	for n, item := range items {
		raw, err := json.Marshal(item)
		if err != nil {
			return err
		}
		key := i.s.key(prefix + number(uint64(n)))
		sealed, tag, err := i.s.opts.Seal.Encrypt(key, raw)
		if err != nil {
			return err
		}
		cut := parts(sealed)
		for p, part := range cut {
			if _, err := i.t.commit(ctx, nil, []clientv3.Op{clientv3.OpPut(partKey(key, p), string(part))}); err != nil {
				return err
			}
		}
		g.Items, tags = append(g.Items, len(cut)), append(tags, tag)
	}
	g.Digest = i.s.opts.Seal.Digest(i.s.key(prefix), tags)
	next := indexBody{Current: &g, Earlier: index.Current}
	var ops []clientv3.Op
	if next.Earlier != nil {
		from, to := generation(g.Federation, kind, 0), generation(g.Federation, kind, next.Earlier.Number)
		ops = append(ops, clientv3.OpDelete(i.s.key(from), clientv3.WithRange(i.s.key(to))))
	}
	return i.t.replace(ctx, &at, next, nil, ops)
}

// load reads one generation whole and checks it against its head.
func (i *Inventory) load(federation, kind string, which func(indexBody) *generationBody) (generationBody, [][]byte, error) {
	fail := func(err error) (generationBody, [][]byte, error) {
		return generationBody{}, nil, fmt.Errorf("load the kept %s of federation %s: %w", kind, federation, damaged(err))
	}
	ctx := i.s.life
	r, err := i.s.Reads(ctx)
	if err != nil {
		return fail(err)
	}
	var index indexBody
	if _, err := r.bound(ctx, inventoryHead(federation, kind), &index); err != nil {
		return fail(err)
	}
	g := which(index)
	if g == nil {
		return generationBody{}, nil, nothingKept(federation, kind)
	}
	items, err := r.items(ctx, generation(federation, kind, g.Number), *g)
	if err != nil {
		return fail(err)
	}
	return *g, items, nil
}

// items reads and decrypts the parts of a generation.
func (r Reads) items(ctx context.Context, prefix string, g generationBody) ([][]byte, error) {
	var out [][]byte
	var tags []seal.Tag
	for n, count := range g.Items {
		name := prefix + number(uint64(n))
		var sealed []byte
		for p := range count {
			resp, err := r.get(ctx, partKey(name, p))
			if err != nil {
				return nil, err
			}
			kv := one(resp)
			if kv == nil {
				return nil, seal.Refuse(r.s.key(partKey(name, p)), "it was deleted")
			}
			sealed = append(sealed, kv.Value...)
		}
		raw, tag, err := r.s.opts.Seal.Decrypt(r.s.key(name), sealed)
		if err != nil {
			return nil, err
		}
		out, tags = append(out, raw), append(tags, tag)
	}
	if !r.s.opts.Seal.SameDigest(r.s.key(prefix), tags, g.Digest) {
		return nil, seal.Refuse(r.s.key(prefix), "its parts are not those that were written: an older one was put back")
	}
	return out, nil
}

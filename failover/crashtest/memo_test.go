package crashtest

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
)

// memos keeps a codec for each tenant that remembers its answers. Codecs are
// pure, and some judge a document at length; a run of thousands of moves asks
// about the same few documents again and again. A memos is for one world.
type memos map[string]*memo

// of returns the remembering codec of a tenant, or c itself if m is nil. It is
// not for concurrent use; what it returns is.
func (m memos) of(tenant string, c idp.Codec) idp.Codec {
	if m == nil {
		return c
	}
	if m[tenant] == nil {
		m[tenant] = &memo{Codec: c, apps: map[string]idp.App{}, changes: map[string]retargeted{}}
	}
	return m[tenant]
}

// verdicts remembers what was found of documents; a nil one finds it again.
type verdicts struct {
	mu    sync.Mutex
	known map[string][]string
}

// document is the check of that name.
func (v *verdicts) document(first move.Record, app federation.AppRef, before, now []byte, moved bool) []string {
	if v == nil {
		return document(first, app, before, now, moved)
	}
	var wrote []idp.Change
	for _, n := range first.Notes {
		if n.App == app.String() && n.Phase == move.Planned {
			wrote = n.Changes
		}
	}
	k := fmt.Sprintf("%s %v %s %s", app.ID, moved, key(idp.Document{Raw: before}), key(idp.Document{Raw: now}))
	for _, c := range wrote {
		k += fmt.Sprintf(" %s %s %s", c.Pointer, c.Before, c.After)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	wrong, known := v.known[k]
	if !known {
		wrong = document(first, app, before, now, moved)
		v.known[k] = wrong
	}
	return wrong
}

type memo struct {
	idp.Codec
	mu      sync.Mutex
	apps    map[string]idp.App
	changes map[string]retargeted
}

type retargeted struct {
	changes []idp.Change
	err     error
}

// stamps are the times of the last change: no answer depends on them.
var stamps = regexp.MustCompile(`"(lastUpdated|updatedAt|updated_at)":"[^"]*"`)

func key(d idp.Document) string {
	return string(d.ID) + " " + string(stamps.ReplaceAll(d.Raw, nil))
}

func (m *memo) Describe(d idp.Document) idp.App {
	k := key(d)
	m.mu.Lock()
	defer m.mu.Unlock()
	a, known := m.apps[k]
	if !known {
		a = m.Codec.Describe(d)
		m.apps[k] = a
	}
	return a
}

func (m *memo) Retarget(d idp.Document, to signin.Target) ([]idp.Change, error) {
	k := to.From.String() + " " + to.To.String() + " " + key(d)
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known := m.changes[k]
	if !known {
		r.changes, r.err = m.Codec.Retarget(d, to)
		m.changes[k] = r
	}
	return r.changes, r.err
}

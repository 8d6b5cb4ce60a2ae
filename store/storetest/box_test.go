package storetest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/store/memory"
)

// The saboteurs: each is wrong in one way.
type (
	keepsFirst  struct{ memory.Box }
	dropsAll    struct{ memory.Box }
	blindKeys   struct{ memory.Box }
	lazyBox     struct{ memory.Box }
	anyKey      struct{ memory.Box }
	sharesBytes struct {
		memory.Box
		held map[string][]byte
	}
	alwaysFirst struct{ memory.Once }
	oneKind     struct{ memory.Once }
	tolerant    struct{ memory.Once }
	deafOnce    struct{ memory.Once }
)

func (b *keepsFirst) Put(ctx context.Context, key string, value []byte) error {
	if _, there, _ := b.Get(ctx, key); there {
		return nil
	}
	return b.Box.Put(ctx, key, value)
}

func (b *dropsAll) Delete(ctx context.Context, _ ...string) error {
	all, err := b.All(ctx)
	for k := range all {
		_ = b.Box.Delete(ctx, k)
	}
	return err
}

func (b *blindKeys) Put(ctx context.Context, key string, value []byte) error {
	if key != "" {
		key = key[:1]
	}
	return b.Box.Put(ctx, key, value)
}

func (b *lazyBox) Put(ctx context.Context, key string, value []byte) error {
	return b.Box.Put(context.WithoutCancel(ctx), key, value)
}

func (b *anyKey) Put(ctx context.Context, key string, value []byte) error {
	if key == "" {
		return nil
	}
	return b.Box.Put(ctx, key, value)
}

func (b *sharesBytes) Put(_ context.Context, key string, value []byte) error {
	if b.held == nil {
		b.held = map[string][]byte{}
	}
	b.held[key] = value
	return nil
}

func (b *sharesBytes) Get(_ context.Context, key string) ([]byte, bool, error) {
	v, there := b.held[key]
	return v, there, nil
}

func (b *sharesBytes) All(context.Context) (map[string][]byte, error) { return b.held, nil }

func (o *alwaysFirst) First(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}

func (o *oneKind) First(ctx context.Context, _, key string, keep time.Duration) (bool, error) {
	return o.Once.First(ctx, "any", key, keep)
}

func (o *tolerant) First(ctx context.Context, kind, key string, keep time.Duration) (bool, error) {
	first, err := o.Once.First(ctx, kind, key, keep)
	return first || err != nil, nil //nolint:nilerr // that is its fault
}

func (o *deafOnce) First(ctx context.Context, kind, key string, keep time.Duration) (bool, error) {
	return o.Once.First(context.WithoutCancel(ctx), kind, key, keep)
}

func TestBoxTwins(t *testing.T) {
	t.Parallel()
	RunBox(t, func(*testing.T) Box { return &memory.Box{} })
	RunOnce(t, func(*testing.T) Once { return &memory.Once{} })
}

func TestBoxSaboteurs(t *testing.T) {
	t.Parallel()
	box, once := BoxChecks(), OnceChecks()
	refuses(t, box, "keeps the first value", "what is put", func() Box { return &keepsFirst{} })
	refuses(t, box, "deletes everything", "what is deleted", func() Box { return &dropsAll{} })
	refuses(t, box, "mixes keys up", "keys of any form", func() Box { return &blindKeys{} })
	refuses(t, box, "mixes many up", "many at once", func() Box { return &blindKeys{} })
	refuses(t, box, "takes a record without a key", "a record without", func() Box { return &anyKey{} })
	refuses(t, box, "shares the caller's bytes", "what the caller does", func() Box { return &sharesBytes{} })
	refuses(t, box, "goes on after the end", "an ended context", func() Box { return &lazyBox{} })
	full := &memory.Box{}
	if err := full.Put(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	refuses(t, box, "is not empty", "an empty box", func() Box { return full })
	refuses(t, once, "forgets", "a key is first once", func() Once { return &alwaysFirst{} })
	refuses(t, once, "forgets among many", "of many at once", func() Once { return &alwaysFirst{} })
	refuses(t, once, "knows one kind", "kinds and keys", func() Once { return &oneKind{} })
	refuses(t, once, "takes its own failure for a first", "an odd request", func() Once { return &tolerant{} })
	refuses(t, once, "goes on after the end", "an ended context", func() Once { return &deafOnce{} })
}

// A key is free again once its time is over.
func TestOnceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var o memory.Once
		for _, c := range []struct {
			after time.Duration
			want  bool
		}{{0, true}, {59 * time.Second, false}, {time.Second, true}} {
			time.Sleep(c.after)
			if got, err := o.First(t.Context(), "slack", "k", time.Minute); err != nil || got != c.want {
				t.Errorf("after %s: %v, %v", c.after, got, err)
			}
		}
	})
}

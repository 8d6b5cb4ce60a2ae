package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// Box holds records of one kind by their keys.
type Box interface {
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, keys ...string) error
	Get(ctx context.Context, key string) ([]byte, bool, error)
	Keys(ctx context.Context) ([]string, error)
	All(ctx context.Context) (map[string][]byte, error)
}

// RunBox holds a Box to its contract.
func RunBox(t *testing.T, fresh func(t *testing.T) Box) {
	t.Helper()
	run(t, BoxChecks(), fresh)
}

// BoxChecks returns the contract.
func BoxChecks() []Check[Box] {
	return []Check[Box]{
		{"an empty box holds nothing", boxEmpty},
		{"what is put comes back, the newest under its key", boxPut},
		{"what is deleted is gone, the rest stays", boxDelete},
		{"keys of any form are kept apart", boxKeys},
		{"many at once are all kept", boxAtOnce},
		{"a record without a key is refused", boxRefused},
		{"what the caller does with its bytes afterwards changes nothing", boxCopies},
		{"an ended context keeps nothing", boxEnded},
	}
}

func boxHolds(ctx context.Context, b Box, want map[string]string) error {
	all, err := b.All(ctx)
	if err != nil {
		return err
	}
	if len(all) != len(want) {
		return fmt.Errorf("the box holds %q, want %q", all, want)
	}
	keys, err := b.Keys(ctx)
	if wanted := slices.Sorted(maps.Keys(want)); err != nil || !slices.Equal(keys, wanted) {
		return fmt.Errorf("its keys are %q, want %q (%w)", keys, wanted, err)
	}
	for k, v := range want {
		got, there, err := b.Get(ctx, k)
		if err != nil {
			return err
		}
		if !there || string(got) != v || string(all[k]) != v {
			return fmt.Errorf("under %q are %q and %q, want %q", k, got, all[k], v)
		}
	}
	return nil
}

func boxEmpty(ctx context.Context, b Box) error {
	if v, there, err := b.Get(ctx, "x"); err != nil || there || v != nil {
		return fmt.Errorf("an empty box gives %q, %v, %w", v, there, err)
	}
	if err := b.Delete(ctx, "x"); err != nil {
		return fmt.Errorf("delete what is not there: %w", err)
	}
	return boxHolds(ctx, b, nil)
}

func boxPut(ctx context.Context, b Box) error {
	if err := errors.Join(b.Put(ctx, "a", []byte("1")), b.Put(ctx, "b", []byte("2")), b.Put(ctx, "a", []byte("3")), b.Put(ctx, "c", nil)); err != nil {
		return err
	}
	return boxHolds(ctx, b, map[string]string{"a": "3", "b": "2", "c": ""})
}

func boxDelete(ctx context.Context, b Box) error {
	var keys []string
	for i := range 130 { // more than one transaction of the store
		keys = append(keys, fmt.Sprint(i))
		if err := b.Put(ctx, keys[i], []byte("x")); err != nil {
			return err
		}
	}
	if err := b.Delete(ctx, append(keys[1:], "never there")...); err != nil {
		return err
	}
	if err := boxHolds(ctx, b, map[string]string{"0": "x"}); err != nil {
		return err
	}
	if err := errors.Join(b.Delete(ctx, "0"), b.Put(ctx, "1", []byte("again"))); err != nil {
		return err
	}
	return boxHolds(ctx, b, map[string]string{"1": "again"})
}

func boxKeys(ctx context.Context, b Box) error {
	want := map[string]string{}
	for _, k := range []string{"a", "a/b", "a%2Fb", "a b", "../a", "head", "\x00", "ü"} {
		want[k] = "value of " + k
		if err := b.Put(ctx, k, []byte(want[k])); err != nil {
			return err
		}
	}
	return boxHolds(ctx, b, want)
}

func boxAtOnce(ctx context.Context, b Box) error {
	want, errs := map[string]string{}, make([]error, 12)
	var wg sync.WaitGroup
	for i := range errs {
		want[fmt.Sprint(i)] = "x"
		wg.Go(func() { errs[i] = b.Put(ctx, fmt.Sprint(i), []byte("x")) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return boxHolds(ctx, b, want)
}

func boxRefused(ctx context.Context, b Box) error {
	if b.Put(ctx, "", []byte("x")) == nil {
		return errors.New("a record without a key is kept")
	}
	return boxHolds(ctx, b, nil)
}

func boxCopies(ctx context.Context, b Box) error {
	v := []byte("one")
	if err := b.Put(ctx, "k", v); err != nil {
		return err
	}
	copy(v, "two")
	got, _, err := b.Get(ctx, "k")
	if err != nil || !bytes.Equal(got, []byte("one")) {
		return fmt.Errorf("%q, %w", got, err)
	}
	copy(got, "two")
	return boxHolds(ctx, b, map[string]string{"k": "one"})
}

func boxEnded(ctx context.Context, b Box) error {
	ended, end := context.WithCancel(ctx)
	end()
	if b.Put(ended, "k", nil) == nil {
		return errors.New("an ended context keeps a record")
	}
	return boxHolds(ctx, b, nil)
}

// Once tells what was used before.
type Once interface {
	First(ctx context.Context, kind, key string, keep time.Duration) (bool, error)
}

// RunOnce holds a Once to its contract.
func RunOnce(t *testing.T, fresh func(t *testing.T) Once) {
	t.Helper()
	run(t, OnceChecks(), fresh)
}

// OnceChecks returns the contract.
func OnceChecks() []Check[Once] {
	return []Check[Once]{
		{"a key is first once", onceFirst},
		{"kinds and keys are kept apart", onceApart},
		{"of many at once one is first", onceAtOnce},
		{"an odd request is refused", onceRefused},
		{"an ended context takes nothing", onceEnded},
	}
}

func isFirst(ctx context.Context, o Once, kind, key string, want bool) error {
	got, err := o.First(ctx, kind, key, time.Hour)
	if err == nil && got != want {
		err = fmt.Errorf("%s %q is first: %v, want %v", kind, key, got, want)
	}
	return err
}

func onceFirst(ctx context.Context, o Once) error {
	return errors.Join(isFirst(ctx, o, "slack", "k", true), isFirst(ctx, o, "slack", "k", false), isFirst(ctx, o, "slack", "k", false))
}

func onceApart(ctx context.Context, o Once) error {
	return errors.Join(isFirst(ctx, o, "slack", "k", true), isFirst(ctx, o, "hook", "k", true), isFirst(ctx, o, "slack", "K", true), isFirst(ctx, o, "slack", "k", false))
}

func onceAtOnce(ctx context.Context, o Once) error {
	got, errs := make([]bool, 12), make([]error, 12)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i], errs[i] = o.First(ctx, "slack", "k", time.Hour) })
	}
	wg.Wait()
	n := 0
	for _, first := range got {
		if first {
			n++
		}
	}
	if err := errors.Join(errs...); err != nil || n != 1 {
		return fmt.Errorf("%d of %d are first: %w", n, len(got), err)
	}
	return nil
}

func onceRefused(ctx context.Context, o Once) error {
	for _, c := range []struct {
		kind, key string
		keep      time.Duration
	}{{"", "k", time.Hour}, {"slack", "", time.Hour}, {"slack", "k", 0}, {"slack", "k", 25 * time.Hour}} {
		if first, err := o.First(ctx, c.kind, c.key, c.keep); err == nil || first {
			return fmt.Errorf("%+v is first: %v, %w", c, first, err)
		}
	}
	return nil
}

func onceEnded(ctx context.Context, o Once) error {
	ended, end := context.WithCancel(ctx)
	end()
	if first, err := o.First(ended, "slack", "k", time.Hour); err == nil || first {
		return fmt.Errorf("an ended context: first %v, %w", first, err)
	}
	return isFirst(ctx, o, "slack", "k", true)
}

// Package storetest is for holding the store and its simpler twins (files,
// memory) to the same contracts: inventory, observations, audit record, boxes. Each
// check is a function that returns an error, so that a saboteur can show that it
// refuses what is wrong.
//
// It must never know which implementation it tests.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// patience is how long a real store may take for what has to happen.
const patience = 30 * time.Second

// Check is one rule of a contract about a T.
type Check[T any] struct {
	Name string
	Run  func(ctx context.Context, x T) error
}

// run holds a T to a contract; fresh returns an empty one.
func run[T any](t *testing.T, checks []Check[T], fresh func(t *testing.T) T) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := c.Run(ctx, fresh(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func same(what string, got, want any) error {
	g, err := json.Marshal(got)
	if err != nil {
		return err
	}
	w, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if string(g) != string(w) {
		return fmt.Errorf("%s is %.2000s, want %.2000s", what, g, w)
	}
	return nil
}

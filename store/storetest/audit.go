package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/secret"
)

// Audit is a chain of audit records, as a file keeps it and as the store does.
type Audit interface {
	Record(ctx context.Context, actor, action, subject string, detail any) error
	Head(ctx context.Context) (audit.Head, error)
	// Read hands every record to visit, oldest first, and checks the chain.
	Read(ctx context.Context, visit func(audit.Record) error) error
}

// RunAudit holds an Audit to its contract.
func RunAudit(t *testing.T, fresh func(t *testing.T) Audit) {
	t.Helper()
	run(t, AuditChecks(), fresh)
}

// AuditChecks returns the contract.
func AuditChecks() []Check[Audit] {
	return []Check[Audit]{
		{"an empty chain has no head", auditEmpty},
		{"records come back in order, each after the one before", auditChained},
		{"many at once are one chain", auditAtOnce},
		{"what cannot be encoded is refused and breaks nothing", auditRefused},
		{"an ended context records nothing", auditEnded},
		{"a secret redacts itself", auditRedacted},
	}
}

// records reads all and checks that they are one chain that ends at the head.
func records(ctx context.Context, x Audit) ([]audit.Record, error) {
	var out []audit.Record
	before := audit.Head{}
	err := x.Read(ctx, func(r audit.Record) error {
		if r.Seq != before.Seq+1 || r.Prev != before.Hash || r.Hash == "" {
			return fmt.Errorf("record %d does not follow record %d", r.Seq, before.Seq)
		}
		before = r.Head()
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	head, err := x.Head(ctx)
	if err == nil && head != before {
		err = fmt.Errorf("the head is %s, the last record is %s", head, before)
	}
	return out, err
}

// counted wants so many records.
func counted(ctx context.Context, x Audit, n int) ([]audit.Record, error) {
	all, err := records(ctx, x)
	if err == nil && len(all) != n {
		err = fmt.Errorf("%d records, want %d", len(all), n)
	}
	return all, err
}

func auditEmpty(ctx context.Context, x Audit) error {
	_, err := counted(ctx, x, 0)
	return err
}

func auditChained(ctx context.Context, x Audit) error {
	for i := range 3 {
		if err := x.Record(ctx, "ann", "move.start", "federation corp", map[string]any{"n": i, "html": "<&>"}); err != nil {
			return err
		}
	}
	all, err := counted(ctx, x, 3)
	if err != nil {
		return err
	}
	r := all[1]
	if r.Actor != "ann" || r.Action != "move.start" || r.Subject != "federation corp" || string(r.Detail) != `{"html":"\u003c\u0026\u003e","n":1}` || r.Time.IsZero() {
		return fmt.Errorf("record 2 is %+v", r)
	}
	return nil
}

func auditAtOnce(ctx context.Context, x Audit) error {
	const n = 12
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = x.Record(ctx, "bob", "pause", fmt.Sprint(i), nil) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := counted(ctx, x, n)
	return err
}

func auditRefused(ctx context.Context, x Audit) error {
	if err := x.Record(ctx, "a", "b", "c", nil); err != nil {
		return err
	}
	if x.Record(ctx, "a", "b", "c", math.NaN()) == nil {
		return errors.New("a detail that is no JSON is recorded")
	}
	if err := x.Record(ctx, "a", "b", "c", nil); err != nil {
		return fmt.Errorf("after a refused record: %w", err)
	}
	_, err := counted(ctx, x, 2)
	return err
}

func auditEnded(ctx context.Context, x Audit) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if x.Record(ended, "a", "b", "c", nil) == nil {
		return errors.New("no error, although the context has ended")
	}
	_, err := counted(ctx, x, 0)
	return err
}

func auditRedacted(ctx context.Context, x Audit) error {
	if err := x.Record(ctx, "a", "b", "c", map[string]any{"token": secret.New("MARKER")}); err != nil {
		return err
	}
	all, err := counted(ctx, x, 1)
	if err == nil && strings.Contains(string(all[0].Detail), "MARKER") {
		err = errors.New("a secret is in the record")
	}
	return err
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/store/seal"
)

// AuditLog appends to the store's chain of audit records for one leadership.
// Each record is encrypted under its number; the head record names the last one.
type AuditLog struct {
	t     *Term
	mu    sync.Mutex
	known bool
	at    slot
	head  audit.Head
}

var _ move.Recorder = (*AuditLog)(nil)

// Audit is the audit record as this leadership writes it.
func (t *Term) Audit() *AuditLog { return t.recorder }

// Record implements move.Recorder: it returns once the entry is durable. An
// error means that nothing is known to be recorded; the chain stays whole.
func (l *AuditLog) Record(ctx context.Context, actor, action, subject string, detail any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.append(ctx, actor, action, subject, detail)
	if errors.Is(err, errChanged) { // a write of ours whose answer was lost
		err = l.append(ctx, actor, action, subject, detail)
	}
	if err != nil {
		return fmt.Errorf("record %s: %w", action, err)
	}
	return nil
}

// append adds one record; the caller holds the lock.
func (l *AuditLog) append(ctx context.Context, actor, action, subject string, detail any) error {
	if !l.known {
		l.head = audit.Head{}
		at, err := l.t.reads.bound(ctx, auditHeadKey, &l.head)
		if err != nil {
			return err
		}
		l.at, l.known = at, true
	}
	r, line, err := audit.Next(l.head, time.Now(), actor, action, subject, detail)
	if err != nil {
		return err
	}
	key := l.t.s.key(auditKey(r.Seq))
	sealed, _, err := l.t.s.opts.Seal.Encrypt(key, line)
	if err != nil {
		return err
	}
	if len(sealed) > maxValue {
		return fmt.Errorf("%d bytes are too many for one record (limit %d)", len(sealed), maxValue)
	}
	if err := l.t.replace(ctx, &l.at, r.Head(), nil, []clientv3.Op{clientv3.OpPut(key, string(sealed))}); err != nil {
		l.known = false
		return err
	}
	l.head = r.Head()
	return nil
}

// Head returns the number and hash of the last record, for an outside sink.
func (l *AuditLog) Head(ctx context.Context) (audit.Head, error) {
	return l.t.reads.AuditHead(ctx)
}

// AuditHead returns the number and hash of the last audit record.
func (r Reads) AuditHead(ctx context.Context) (audit.Head, error) {
	var h audit.Head
	_, err := r.bound(ctx, auditHeadKey, &h)
	return h, err
}

// Audit hands the records from number from to number to (0: the last) to visit,
// oldest first, and checks the chain on the way, to the head if it goes that
// far. A chain that is not whole is an error that wraps ErrIntegrity, and
// audit.ErrBroken where records do not follow each other.
func (r Reads) Audit(ctx context.Context, from, to uint64, visit func(audit.Record) error) error {
	last, err := r.AuditHead(ctx)
	if err != nil {
		return fmt.Errorf("read the audit record: %w", err)
	}
	from = max(from, 1)
	if to == 0 || to > last.Seq {
		to = last.Seq
	}
	var before audit.Head
	if from > 1 && from <= to {
		prior, err := r.auditRecord(ctx, from-1, nil)
		if err != nil {
			return err
		}
		before = prior.Head()
	}
	for seq := from; seq <= to; seq++ {
		rec, err := r.auditRecord(ctx, seq, &before)
		if err != nil {
			return err
		}
		if before = rec.Head(); seq == last.Seq && before != last {
			return seal.Refuse(r.s.key(auditHeadKey), "the last record is not the one that it names")
		}
		if err := visit(rec); err != nil {
			return err
		}
	}
	return nil
}

// auditRecord reads one record; it must follow before, if that is given.
func (r Reads) auditRecord(ctx context.Context, seq uint64, before *audit.Head) (audit.Record, error) {
	key := r.s.key(auditKey(seq))
	resp, err := r.get(ctx, auditKey(seq))
	if err != nil {
		return audit.Record{}, err
	}
	kv := one(resp)
	if kv == nil {
		return audit.Record{}, seal.Refuse(key, "it was deleted")
	}
	line, _, err := r.s.opts.Seal.Decrypt(key, kv.Value)
	if err != nil {
		return audit.Record{}, err
	}
	if before == nil {
		before = &audit.Head{Seq: seq - 1, Hash: prevOf(line)}
	}
	rec, err := audit.Check(line, *before)
	if err != nil {
		return rec, fmt.Errorf("%w: %w", seal.Refuse(key, "the chain of records does not hold"), err)
	}
	return rec, nil
}

// prevOf reads which record a line says that it follows.
func prevOf(line []byte) string {
	var r audit.Record
	if json.Unmarshal(line, &r) != nil {
		return ""
	}
	return r.Prev
}

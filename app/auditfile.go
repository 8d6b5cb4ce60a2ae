package app

import (
	"context"
	"errors"
	"sync"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
)

// AuditFile is the name of the controller's audit record in the data folder.
const AuditFile = "audit.jsonl"

// AuditState is what a verification found: the good part's records and head.
type AuditState struct {
	File    string     `json:"file"`
	Whole   bool       `json:"whole"`
	Records uint64     `json:"records"`
	Head    audit.Head `json:"head"`
	Broken  string     `json:"broken,omitempty"`
	// FirstUnproven is the first record that an outside head proves nothing
	// about, 0 where none was asked for.
	FirstUnproven uint64 `json:"first_unproven,omitempty"`
	// Runs are the trust runs beside a controller's record.
	Runs []RunState `json:"runs,omitempty"`
	// Outside is what the outside sink holds, where it was asked for.
	Outside *audit.Outside `json:"outside,omitempty"`
}

// AuditOutside is what an outside sink holds of a record.
type AuditOutside = audit.Outside

// VerifyAudit checks the chain of an audit file; the error names the first bad
// record.
func VerifyAudit(path string) (AuditState, error) {
	head, n, err := audit.Verify(path)
	s := AuditState{File: path, Whole: err == nil, Records: n, Head: head}
	if err != nil {
		s.Broken = err.Error()
	}
	return s, err
}

// SetAuditAside keeps a broken audit file under another name and begins a new
// one; that a person decided so is its first record but one.
func SetAuditAside(path string, who control.Actor) error {
	log, err := audit.Open(audit.Options{Path: path, SetBrokenAside: true})
	if err != nil {
		return err
	}
	err = log.Record(context.Background(), who.String(), "audit.set-aside", path, nil)
	return errors.Join(err, log.Close())
}

// recorder is the audit record of a running controller. An audit.Log refuses
// everything after a failed write, because nothing is known of that entry; the
// recorder then opens the file anew at the next call, which verifies the chain
// and settles what became of it. So a disk that was full for a moment does not
// stop every move until somebody restarts the controller. Safe for concurrent
// use.
type recorder struct {
	path string
	mu   sync.Mutex
	log  *audit.Log // nil after a failed write
}

func openRecorder(path string) (*recorder, error) {
	log, err := audit.Open(audit.Options{Path: path})
	if err != nil {
		return nil, err
	}
	return &recorder{path: path, log: log}, nil
}

// Record implements control.Recorder.
func (r *recorder) Record(ctx context.Context, actor, action, subject string, detail any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log == nil {
		log, err := audit.Open(audit.Options{Path: r.path})
		if err != nil {
			return err
		}
		r.log = log
	}
	err := r.log.Record(ctx, actor, action, subject, detail)
	if err == nil {
		return nil
	}
	err = errors.Join(err, r.log.Close())
	r.log = nil
	return err
}

// Head is that of the record so far; the zero Head when it is not known.
func (r *recorder) Head() audit.Head {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log == nil {
		return audit.Head{}
	}
	return r.log.Head()
}

// Close gives the file back.
func (r *recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log == nil {
		return nil
	}
	err := r.log.Close()
	r.log = nil
	return err
}

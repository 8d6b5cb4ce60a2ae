package app

import (
	"context"
	"errors"

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
}

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

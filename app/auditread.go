package app

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/escape"
)

// AuditQuery narrows what is read of an audit record. Zero fields do not.
type AuditQuery struct {
	Since   time.Time
	Action  string // an action, or the part before its dot: "move" is every "move.*"
	Subject string // part of the subject
	Limit   int    // the newest so many
}

// AuditRecord is one entry of an audit record.
type AuditRecord = audit.Record

func (q AuditQuery) wants(r audit.Record) bool {
	return !r.Time.Before(q.Since) && strings.Contains(r.Subject, q.Subject) &&
		(q.Action == "" || r.Action == q.Action || strings.HasPrefix(r.Action, q.Action+"."))
}

// ReadAudit returns the records of a file that a query wants, oldest first. The
// chain is checked on the way: an error names the first bad record, and what
// stands before it is returned with it.
func ReadAudit(path string, q AuditQuery) ([]AuditRecord, error) {
	out := []AuditRecord{}
	err := audit.Read(path, func(r audit.Record) error {
		if q.wants(r) {
			out = append(out, r)
		}
		if q.Limit > 0 && len(out) > 2*q.Limit { // memory stays bounded by the limit
			out = append(out[:0], out[len(out)-q.Limit:]...)
		}
		return nil
	})
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[len(out)-q.Limit:]
	}
	return out, err
}

// ParseSince reads "24h" (so long before now), a day, or a time as RFC 3339.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.60q is no time: write 24h, 2026-11-22 or 2026-11-22T07:00:00Z", text)
}

// WriteAuditLines writes records as JSON lines, byte for byte as they stand in
// the record: a whole export can be verified like the record itself.
func WriteAuditLines(w io.Writer, records []AuditRecord) error {
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode record %d: %w", r.Seq, err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
	}
	return nil
}

// WriteAuditCSV writes records for a spreadsheet; every cell is escaped (spec
// 13.7), so a long detail is cut.
func WriteAuditCSV(w io.Writer, records []AuditRecord) error {
	c := csv.NewWriter(w)
	err := c.Write([]string{"seq", "time", "actor", "action", "subject", "detail", "hash"})
	for _, r := range records {
		row := []string{strconv.FormatUint(r.Seq, 10), r.Time.UTC().Format(time.RFC3339Nano), r.Actor, r.Action, r.Subject, string(r.Detail), r.Hash}
		for i := range row {
			row[i] = escape.CSV(row[i])
		}
		err = errors.Join(err, c.Write(row))
	}
	c.Flush()
	if err = errors.Join(err, c.Error()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

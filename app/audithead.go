package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/samlfailover/samlfailover/audit"
)

// headLine is one line of a file of heads.
type headLine struct {
	Time time.Time `json:"time"`
	audit.Head
}

// appendHead adds the audit record's head to a file of heads, durably.
func appendHead(path string, h audit.Head) error {
	if h == (audit.Head{}) {
		return errors.New("the audit record is not open, so its head is not known")
	}
	line, err := json.Marshal(headLine{time.Now().UTC(), h})
	if err != nil {
		return fmt.Errorf("encode the audit head: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep the audit head: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep the audit head in %s: %w", path, err)
	}
	return nil
}

// lastHead reads the newest head of a file of heads.
func lastHead(path string) (audit.Head, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return audit.Head{}, fmt.Errorf("read the heads: %w", err)
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	var h headLine
	if err := json.Unmarshal(lines[len(lines)-1], &h); err != nil || h.Seq == 0 || h.Hash == "" {
		return audit.Head{}, fmt.Errorf("the last line of %s is no head of an audit record", path)
	}
	return h.Head, nil
}

// CoverAudit checks an audit file against the newest head in a file of heads. It
// returns the first record that this head proves nothing about (spec 14).
func CoverAudit(path, heads string) (firstUnproven uint64, err error) {
	h, err := lastHead(heads)
	if err != nil {
		return 0, err
	}
	return audit.Covers(path, h)
}

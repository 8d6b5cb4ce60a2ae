package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/config"
)

// appendHead adds the audit record's head to a file of heads, durably.
func appendHead(path string, h audit.Head) error {
	if h == (audit.Head{}) {
		return errors.New("the audit record is not open, so its head is not known")
	}
	line, err := json.Marshal(audit.HeadLine{Time: time.Now().UTC(), Head: h})
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

// CoverAudit checks an audit file against everything that an outside sink holds:
// a file of heads, or a copy of the records. It returns the first record that
// the sink proves nothing about (spec 14).
func CoverAudit(path, sink string) (firstUnproven uint64, held audit.Outside, err error) {
	if held, err = audit.ReadOutside(sink); err != nil {
		return 0, held, err
	}
	firstUnproven, err = audit.Covers(path, held)
	return firstUnproven, held, err
}

// AuditSinkFile finds the file of an audit sink of the config.
func AuditSinkFile(c *config.Config, name string) (string, error) {
	var names []string
	for _, s := range c.Audit.Sinks {
		switch {
		case s.Name != name:
			names = append(names, s.Name)
		case s.File == "":
			return "", fmt.Errorf("audit sink %s is a webhook: what it got is with whoever receives it; fetch that file and compare with: samlfailover audit verify --head FILE", name)
		default:
			return s.File, nil
		}
	}
	if len(names) == 0 {
		return "", errors.New("the config has no audit.sinks")
	}
	return "", fmt.Errorf("no audit sink is called %.60q; the config has: %s", name, strings.Join(names, ", "))
}

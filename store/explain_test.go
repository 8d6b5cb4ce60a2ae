package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
)

// What etcd says when it does not start becomes words that name the next step.
func TestExplainStart(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"write wal: no space left on device":                    "its disk is full",
		"open etcd: permission denied":                          "it cannot be written",
		"open etcd: read-only file system":                      "it cannot be written",
		"listen tcp 127.0.0.1:1: bind: address already in use":  "cannot listen",
		"member 6faa10e345282a36 has already been bootstrapped": "store.embedded.join: true",
		"walpb: crc mismatch":                                   "it is damaged",
	} {
		err := explainStart("/data", "/data/etcd", errors.New(said))
		if f, ok := finding.From(err); !ok || f.Remedy == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q becomes %v, want %q", said, err, want)
		}
	}
}

// Package reqlog is for the sandbox's record of who asked what: every attempt
// to connect and every request, so that a test can say what was called and
// what was not.
//
// It must never hold a body, a query, a header or anything else that may carry
// a secret, and never grow without bound.
package reqlog

import (
	"sync"
	"time"
)

// Kind says what an entry records.
type Kind string

// The kinds of entry.
const (
	Connect Kind = "connect" // an attempt to open a connection
	Request Kind = "request" // an HTTP request
)

// Entry is one attempt. Status is the HTTP status answered: for a connect the
// proxy's own (200, 502, ...; 0 where there is no proxy), for a request the
// host's (0 when no answer was given). Note says in words what is special, such
// as the action of an AWS Query call or the fault that was applied. Began is when
// a request had arrived, Time when it was answered. Client is the address, without
// its port, of who asked: several programs in one world are told apart by it; it
// is "" where there is no network.
type Entry struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Began   time.Time `json:"began,omitzero"`
	Client  string    `json:"client,omitempty"`
	Kind    Kind      `json:"kind"`
	Host    string    `json:"host"`
	Service string    `json:"service,omitempty"`
	Region  string    `json:"region,omitempty"`
	Tenant  string    `json:"tenant,omitempty"`
	Method  string    `json:"method"`
	Path    string    `json:"path"`
	Status  int       `json:"status"`
	Note    string    `json:"note,omitempty"`
}

// DefaultCapacity is how many entries a Log keeps unless told otherwise.
const DefaultCapacity = 1 << 16

// Log keeps the newest entries. Safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	ring []Entry // grows up to max, then wraps
	max  int
	seq  uint64 // of the newest entry; the first is 1
}

// New returns an empty log for capacity entries (0: DefaultCapacity).
func New(capacity int) *Log {
	if capacity <= 0 {
		capacity = DefaultCapacity
	}
	return &Log{max: capacity}
}

// maxText bounds each text of an entry.
const maxText = 512

// Add appends e, whose Seq it sets and returns. Long texts are cut.
func (l *Log) Add(e Entry) uint64 {
	for _, s := range []*string{&e.Host, &e.Method, &e.Path, &e.Note} {
		if len(*s) > maxText {
			*s = (*s)[:maxText] + "..."
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	e.Seq = l.seq
	if len(l.ring) < l.max {
		l.ring = append(l.ring, e)
	} else {
		l.ring[(e.Seq-1)%uint64(l.max)] = e
	}
	return e.Seq
}

// Last returns the number of the newest entry, 0 when there is none: keep it to
// ask for what comes after.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Since returns the entries after number seq that are still kept, oldest first.
// 0 asks for all of them. missed is how many after seq were dropped already;
// a count that must be exact has to check that it is 0.
func (l *Log) Since(seq uint64) (entries []Entry, missed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq >= l.seq {
		return nil, 0
	}
	if gone := l.seq - uint64(len(l.ring)); seq < gone { // numbers up to gone are dropped
		missed, seq = gone-seq, gone
	}
	for n := seq; n < l.seq; n++ { // entry n+1 lies at n
		entries = append(entries, l.ring[n%uint64(l.max)])
	}
	return entries, missed
}

// Count returns how many kept entries after number seq satisfy match.
func (l *Log) Count(seq uint64, match func(Entry) bool) int {
	entries, _ := l.Since(seq)
	n := 0
	for _, e := range entries {
		if match(e) {
			n++
		}
	}
	return n
}

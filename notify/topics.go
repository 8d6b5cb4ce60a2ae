package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

const (
	topicPrefix = "topic/"
	// rememberFor is how long a topic that is over is kept: so long is it known
	// what was told for ever.
	rememberFor = 24 * time.Hour
	// mostEver bounds what a topic remembers for ever.
	mostEver = 100
	// mostTopics bounds the topics that are kept.
	mostTopics = 400
)

// topicState is what was told of a topic. Sinks, Told and Title are of the time
// since it opened; Over is zero while it is open.
type topicState struct {
	Topic Topic     `json:"topic"`
	Title string    `json:"title"`
	Since time.Time `json:"since"`
	Over  time.Time `json:"over,omitzero"`
	Told  []string  `json:"told,omitempty"`
	Ever  []string  `json:"ever,omitempty"`
	Sinks []string  `json:"sinks,omitempty"`

	gone  time.Time // since when it was seen to be gone
	dirty bool      // the box has an older state
}

func (t *topicState) open() bool { return t != nil && t.Over.IsZero() && !t.Since.IsZero() }

// topics tells news from repetitions. One goroutine uses it.
type topics struct {
	n   *Notifier
	all map[Topic]*topicState
}

func newTopics(n *Notifier) *topics { return &topics{n: n, all: map[Topic]*topicState{}} }

func topicKey(t Topic) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(t.Kind), t.Federation, string(t.Code), t.Subject}, "\x00")))
	return topicPrefix + hex.EncodeToString(sum[:16])
}

// load takes up the topics in the box and returns the keys of those that are to
// be dropped.
func (ts *topics) load(all map[string][]byte) (drop []string) {
	for key, raw := range all {
		if !strings.HasPrefix(key, topicPrefix) {
			continue
		}
		var t topicState
		if err := json.Unmarshal(raw, &t); err != nil || forgotten(&t, time.Now()) {
			drop = append(drop, key)
			continue
		}
		ts.all[t.Topic] = &t
	}
	return drop
}

func forgotten(t *topicState, now time.Time) bool {
	return !t.Over.IsZero() && now.Sub(t.Over) > rememberFor
}

// news decides whether a message is one, moves it to the topic that it belongs
// to, and returns the sinks that were told of that topic since it opened.
func (ts *topics) news(m *Notice) (told []string, is bool) {
	own := ts.all[m.Topic]
	around := (*topicState)(nil)
	if m.Within != nil {
		around = ts.all[*m.Within]
	}
	if m.Ever && (own.toldEver(m.Key) || around.toldEver(m.Key)) {
		return nil, false
	}
	if around.open() && !own.open() { // else it began before the outage
		m.Topic, m.Closes, own = around.Topic, false, around
	}
	if !own.open() {
		return nil, !m.During && m.Event != Over // these are about nothing
	}
	return own.Sinks, m.Key == "" || !slices.Contains(own.Told, m.Key)
}

func (t *topicState) toldEver(key string) bool { return t != nil && slices.Contains(t.Ever, key) }

// note keeps that a message was told to sinks.
func (ts *topics) note(ctx context.Context, m Notice, sinks []string) {
	t := ts.all[m.Topic]
	if t == nil {
		t = &topicState{Topic: m.Topic}
		ts.all[m.Topic] = t
	}
	if !t.open() {
		t.Since, t.Over, t.Title, t.Told, t.Sinks = m.Time, time.Time{}, m.Title, nil, nil
	}
	if m.Ever {
		t.Ever = append(t.Ever, m.Key)
		t.Ever = t.Ever[max(0, len(t.Ever)-mostEver):]
	} else if m.Key != "" && !slices.Contains(t.Told, m.Key) {
		t.Told = append(t.Told, m.Key)
	}
	for _, s := range sinks {
		if !slices.Contains(t.Sinks, s) {
			t.Sinks = append(t.Sinks, s)
		}
	}
	if m.Closes || m.Topic.Kind == Setup {
		t.Over, t.gone = m.Time, time.Time{}
	}
	if t.dirty = true; !ts.n.failing() {
		ts.keepLeft(ctx)
	}
	ts.forget(ctx)
}

// keepLeft keeps what has changed, until the box fails.
func (ts *topics) keepLeft(ctx context.Context) {
	for _, t := range ts.all {
		if !t.dirty {
			continue
		}
		raw, err := json.Marshal(t)
		if err == nil && !ts.n.put(ctx, topicKey(t.Topic), raw) {
			return
		}
		t.dirty = false
	}
}

// forget drops topics that have been over for long, and the oldest ones where
// there are too many.
func (ts *topics) forget(ctx context.Context) {
	var drop []string
	for key, t := range ts.all {
		if forgotten(t, time.Now()) {
			drop = append(drop, topicKey(key))
			delete(ts.all, key)
		}
	}
	for len(ts.all) > mostTopics {
		var oldest *topicState
		for _, t := range ts.all {
			if oldest == nil || t.Since.Before(oldest.Since) {
				oldest = t
			}
		}
		drop = append(drop, topicKey(oldest.Topic))
		delete(ts.all, oldest.Topic)
	}
	ts.n.drop(ctx, drop...)
}

// gone returns the messages that end topics which no longer stand: an outage
// that ended while nobody led, a finding that is no more.
func (ts *topics) gone(stands func(Topic) Standing, now time.Time) []Notice {
	if stands == nil {
		return nil
	}
	var out []Notice
	for _, t := range ts.all {
		if !t.open() {
			continue
		}
		if stands(t.Topic) != Gone {
			t.gone = time.Time{}
			continue
		}
		if t.gone.IsZero() {
			t.gone = now
		}
		if now.Sub(t.gone) >= goneFor {
			out = append(out, Notice{Event: Over, Time: now, Federation: t.Topic.Federation, Topic: t.Topic, Severity: Info, Title: "no longer so: " + t.Title, Closes: true})
		}
	}
	slices.SortFunc(out, func(a, b Notice) int { return strings.Compare(a.Topic.String(), b.Topic.String()) })
	return out
}

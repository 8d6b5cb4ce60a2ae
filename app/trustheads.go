package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/control"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/finding"
)

// What the main record says of trust runs: how far the record of one reaches, and
// that it is not any more what it was.
const (
	trustRunHead    = "trust-run-head"
	trustRunAltered = "trust-run-altered"
)

var errGone = errors.New("the run's folder is gone, or its record")

// headEvery bounds how often the head of a run that goes on is recorded; one that
// is quiet is recorded at the next look.
const headEvery = time.Minute

// trustHeads carries the heads of trust runs into the controller's audit record. A
// trust command is a process of its own with a record of its own, which its owner
// could replace as a whole; from the head on that stands in the main record he
// cannot. It is the leader's work, on the runs in its own data folder.
type trustHeads struct {
	dir    string // of the runs
	record control.Recorder
	log    *slog.Logger
	heads  map[string]audit.Head // recorded, by run
	seen   map[string]glimpse
	told   map[string]bool // runs that are not what they were, once told
}

// glimpse is a run's file as last looked at.
type glimpse struct {
	size     int64
	at       time.Time // its modification
	recorded time.Time // when its head was last recorded, at first when it was first seen
	done     bool      // the head of just this file was looked at
}

// newTrustHeads reads from the main record which heads are in it.
func newTrustHeads(main, dir string, record control.Recorder, log *slog.Logger) (*trustHeads, error) {
	heads, err := recordedHeads(main)
	if err != nil {
		return nil, err
	}
	return &trustHeads{dir: dir, record: record, log: log, heads: heads, seen: map[string]glimpse{}, told: map[string]bool{}}, nil
}

// recordedHeads are the newest heads of trust runs in an audit record, by run.
func recordedHeads(main string) (map[string]audit.Head, error) {
	out := map[string]audit.Head{}
	err := audit.Read(main, func(r audit.Record) error {
		if r.Action != trustRunHead {
			return nil
		}
		var h audit.Head
		if err := json.Unmarshal(r.Detail, &h); err != nil || h.Seq == 0 {
			return fmt.Errorf("record %d holds no head of run %s", r.Seq, r.Subject)
		}
		out[r.Subject] = h
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return out, err
}

// run looks until ctx ends.
func (t *trustHeads) run(ctx context.Context) {
	tick := time.NewTicker(mirrorEvery)
	defer tick.Stop()
	for {
		t.look(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look records the heads of runs that have moved on.
func (t *trustHeads) look(ctx context.Context, now time.Time) {
	runs, err := runsIn(t.dir)
	if err != nil {
		return // who writes there tells of the trouble
	}
	for _, id := range runs {
		info, err := os.Stat(filepath.Join(t.dir, id, runAudit))
		if err != nil || info.Size() == 0 {
			continue // it is only beginning
		}
		g, known := t.seen[id]
		if !known {
			g.recorded = now // the first minute counts from here
		}
		same := g.size == info.Size() && g.at.Equal(info.ModTime())
		if !same {
			g.size, g.at, g.done = info.Size(), info.ModTime(), false
		}
		if !g.done && (same || now.Sub(g.recorded) >= headEvery) && t.head(ctx, id) {
			g.recorded, g.done = now, true
		}
		t.seen[id] = g
	}
	for _, id := range slices.Sorted(maps.Keys(t.heads)) {
		if !slices.Contains(runs, id) {
			t.alarm(ctx, id, errGone)
		}
	}
}

// head records a run's head if it has one that is not recorded yet; false means
// that it has to be looked at again.
func (t *trustHeads) head(ctx context.Context, id string) bool {
	path := filepath.Join(t.dir, id, runAudit)
	head, err := reaches(path, t.heads[id])
	if err != nil {
		t.alarm(ctx, id, err)
		return true
	}
	if head.Seq == 0 || head == t.heads[id] {
		return true
	}
	if err := t.record.Record(ctx, failover.Controller, trustRunHead, id, head); err != nil {
		t.log.Error("the head of a trust run could not be recorded", "run", id, "error", err)
		return false
	}
	t.heads[id] = head
	return true
}

// reaches verifies a run's record as far as it is written, and that it holds a
// head that was recorded before. It returns the head of now.
func reaches(path string, before audit.Head) (audit.Head, error) {
	head, _, err := audit.Verify(path)
	if errors.Is(err, audit.ErrBroken) {
		return head, err
	}
	// Anything else is a last line without an end, which Read leaves out: the run
	// goes on, or was killed.
	held := before == audit.Head{}
	if err := audit.Read(path, func(r audit.Record) error {
		held = held || r.Head() == before
		return nil
	}); err != nil {
		return head, err
	}
	if !held {
		return head, fmt.Errorf("verify %s: it does not hold the recorded head (%s): records were cut off or the file was replaced: %w", path, before, audit.ErrBroken)
	}
	return head, nil
}

// alarm says once that the record of a run is not what it was.
func (t *trustHeads) alarm(ctx context.Context, id string, why error) {
	if t.told[id] {
		return
	}
	t.told[id] = true
	f := altered(id, why)
	t.log.Error("page: "+f.Error(), "code", f.Code, "run", id)
	if err := t.record.Record(ctx, failover.Controller, trustRunAltered, id, f); err != nil {
		t.log.Error("the page is not in the audit record", "error", err)
	}
}

func altered(id string, why error) finding.Finding {
	return finding.Finding{Code: finding.TrustRunAltered, Subject: "trust run " + id, What: "its audit record is not what the main record says that it was", Why: why.Error(),
		Remedy: "keep the folder of the run as evidence, and compare trust policies with CloudTrail: UpdateAssumeRolePolicy"}
}

// RunState is what a verification found of one trust run's record. Covered is the
// last record that the main one vouches for, 0 if it says nothing of the run.
type RunState struct {
	ID      string `json:"id"`
	Records uint64 `json:"records"`
	Covered uint64 `json:"covered"`
	Broken  string `json:"broken,omitempty"`
}

// VerifyRuns checks the records of the trust runs beside a main audit record, and
// each against the newest head that this one holds. The error names the runs that
// are not what they were.
func VerifyRuns(main string) ([]RunState, error) {
	dir := runsDir(filepath.Dir(main))
	heads, err := recordedHeads(main)
	if err != nil {
		return nil, err
	}
	runs, err := runsIn(dir)
	if err != nil {
		return nil, err
	}
	for id := range heads {
		if !slices.Contains(runs, id) {
			runs = append(runs, id)
		}
	}
	slices.Sort(runs)
	var out []RunState
	var bad []error
	for _, id := range runs {
		state := RunState{ID: id, Covered: heads[id].Seq}
		head, err := reaches(filepath.Join(dir, id, runAudit), heads[id])
		if errors.Is(err, fs.ErrNotExist) {
			err = errGone
		}
		state.Records = head.Seq
		if err != nil {
			state.Broken = err.Error()
			bad = append(bad, altered(id, err))
		}
		out = append(out, state)
	}
	return out, errors.Join(bad...)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/finding"
)

// How the store looks after itself. etcd compacts by the hour; a burst of moves
// is compacted sooner, and space is given back when most of the file is unused.
const (
	maintainEvery = time.Minute
	compactAfter  = 20000    // revisions since the last compaction
	compactKeep   = 1000     // revisions that are kept: a read in progress needs them
	defragAbove   = 16 << 20 // bytes unused, and more than half of the file
	quotaWarning  = 0.8
)

func (s *Store) maintainLoop() {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-s.Failed():
			return
		case <-tick.C:
		}
		if err := s.Maintain(s.life); err != nil && s.life.Err() == nil {
			s.log.Warn("store: maintenance", "error", err)
		}
	}
}

// Maintain compacts and defragments where that is worth it, takes back the alarm
// of a full database once there is room, and refills the ballast. It runs every
// minute by itself.
func (s *Store) Maintain(ctx context.Context) error {
	status, err := s.memberStatus(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	due := status.Header.Revision-s.compact > compactAfter
	s.mu.Unlock()
	noSpace := s.noSpaceAlarm(status)
	keep := int64(compactKeep)
	if noSpace {
		keep = 0
	}
	if due || noSpace {
		if err := s.compactTo(ctx, status.Header.Revision-keep); err != nil {
			return err
		}
	}
	var errs []error
	if s.member != nil {
		size, inUse := s.member.sizes()
		if size-inUse > defragAbove && inUse < size/2 || noSpace && inUse < size {
			errs = append(errs, s.defrag())
		}
		if size, _ := s.member.sizes(); noSpace && float64(size) < quotaWarning*float64(s.opts.Embedded.Quota) {
			errs = append(errs, s.disarm(ctx))
		}
		if _, err := s.cargo.fill(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Store) compactTo(ctx context.Context, revision int64) error {
	if revision <= 0 {
		return nil
	}
	ctx, cancel := s.within(ctx)
	defer cancel()
	_, err := s.client.Compact(ctx, revision, clientv3.WithCompactPhysical())
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("compact the store: %w", s.explain(err))
	}
	s.mu.Lock()
	s.compact = max(s.compact, revision)
	s.mu.Unlock()
	return nil
}

// defrag stops the own member for a moment: about 10 ms for each megabyte kept.
func (s *Store) defrag() error {
	before, _ := s.member.sizes()
	began := time.Now()
	if err := s.member.defrag(); err != nil {
		return fmt.Errorf("defragment the store: %w", err)
	}
	after, _ := s.member.sizes()
	s.log.Info("store: space given back", "before", before, "after", after, "took", time.Since(began))
	return nil
}

func (s *Store) disarm(ctx context.Context) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if _, err := s.client.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		return fmt.Errorf("take back the alarm of a full database: %w", s.explain(err))
	}
	s.log.Info("store: there is room again; the alarm is off")
	return nil
}

func (s *Store) memberStatus(ctx context.Context) (*clientv3.StatusResponse, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	endpoint := ""
	if s.opts.Existing != nil {
		endpoint = s.opts.Existing.Endpoints[0]
	}
	st, err := s.client.Status(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("ask the store for its state: %w", s.explain(err))
	}
	return st, nil
}

func (s *Store) noSpaceAlarm(st *clientv3.StatusResponse) bool {
	for _, text := range st.Errors {
		if text == etcdserverpb.AlarmType_NOSPACE.String() || strings.Contains(text, "NOSPACE") {
			return true
		}
	}
	return false
}

// Status is the state of the store for people. Numbers of bytes are 0 where they
// are not known: an existing cluster does not tell its quota.
type Status struct {
	Kind        string    `json:"kind"` // "single", "cluster" or "existing"
	Store       string    `json:"store,omitempty"`
	Folder      string    `json:"folder,omitempty"`
	Members     []Member  `json:"members"`
	Leader      string    `json:"leader,omitempty"` // the controller that leads
	Quorum      bool      `json:"quorum"`           // a majority of members answers
	Revision    int64     `json:"revision"`
	Size        int64     `json:"size"`   // of the database file
	InUse       int64     `json:"in_use"` // of it
	Quota       int64     `json:"quota,omitempty"`
	Ballast     bool      `json:"ballast"` // the ballast file is there
	KeyID       string    `json:"key_id"`
	Certificate time.Time `json:"certificate_until,omitzero"`
	LastBackup  *Manifest `json:"last_backup,omitempty"`
	RestoredAt  time.Time `json:"restored_at,omitzero"`
	// Findings are what a person should look at.
	Findings []finding.Finding `json:"findings,omitempty"`
}

// Member is one member of the etcd cluster.
type Member struct {
	Name   string `json:"name"`
	URL    string `json:"url,omitempty"`
	Leader bool   `json:"leader"` // of etcd's own election
	Self   bool   `json:"self,omitempty"`
}

package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/store/seal"
)

// backupWarning is how old the last backup may be.
const backupWarning = 7 * 24 * time.Hour

// Status asks the store how it is. It works without a majority too, and then
// says so; an error means that not even the own member answers.
func (s *Store) Status(ctx context.Context) (Status, error) {
	out := Status{Kind: "existing", KeyID: s.opts.Seal.KeyID()}
	st, err := s.memberStatus(ctx)
	if err != nil {
		return out, err
	}
	out.Revision, out.Size, out.InUse = st.Header.Revision, st.DbSize, st.DbSizeInUse
	if s.folder != nil {
		out.Kind, out.Folder, out.Quota, out.Ballast = "cluster", s.folder.dir, s.opts.Embedded.Quota, s.cargo.there()
		if len(s.opts.Embedded.Peers) == 0 {
			out.Kind = "single"
		}
	}
	if s.creds != nil {
		out.Certificate = s.creds.leaf.NotAfter
	}
	if w := s.creds.warning(time.Now()); w != nil {
		out.Findings = append(out.Findings, *w)
	}
	s.addMembers(ctx, &out, st.Leader, st.Header.MemberId)
	s.addSpace(&out, s.noSpaceAlarm(st))
	return out, s.addRecords(ctx, &out)
}

func (s *Store) addMembers(ctx context.Context, out *Status, leader, self uint64) {
	ctx, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	list, err := s.client.MemberList(ctx)
	if err != nil {
		return // without a majority etcd does not tell; addRecords says so
	}
	for _, m := range list.Members {
		one := Member{Name: m.Name, Leader: m.ID == leader, Self: m.ID == self && s.member != nil}
		if len(m.PeerURLs) > 0 && !strings.HasPrefix(m.PeerURLs[0], "unix:") {
			one.URL = m.PeerURLs[0]
		}
		out.Members = append(out.Members, one)
	}
}

func (s *Store) addSpace(out *Status, noSpace bool) {
	if out.Quota > 0 && (noSpace || float64(out.Size) > quotaWarning*float64(out.Quota)) {
		f := full(fmt.Sprintf("the database has %d of %d MiB of its quota", out.Size>>20, out.Quota>>20),
			"raise the quota of the store in the config, or keep fewer past moves; the store gives unused space back by itself")
		out.Findings = append(out.Findings, f)
	} else if noSpace {
		out.Findings = append(out.Findings, full("the database of the cluster is full", "ask who runs the cluster to raise its quota and to take back the alarm"))
	}
	if s.folder != nil && s.cargo.size > 0 && !out.Ballast {
		out.Findings = append(out.Findings, full("the disk of the store is full or nearly so: the ballast file is not there",
			"make room on the disk of "+out.Folder+"; the file comes back by itself"))
	}
}

// addRecords adds what stands in the store itself.
func (s *Store) addRecords(ctx context.Context, out *Status) error {
	r, err := s.Reads(ctx)
	if err != nil {
		return err
	}
	out.Quorum = !r.Stale
	if r.Stale {
		out.Findings = append(out.Findings, finding.Finding{Code: finding.StoreUnavailable, Subject: "store",
			What: "no majority of the members answers: nothing is moved, and what is shown may be old", Why: "the own member has lost the others",
			Remedy: "bring the other controllers back, or repair the network between them"})
	}
	// note keeps what a person should see; any other error ends the question.
	note := func(err error) error {
		if f, ok := finding.From(err); ok {
			out.Findings = append(out.Findings, f)
			return nil
		}
		return err
	}
	root, err := r.root(ctx)
	if err := note(err); err != nil {
		return err
	}
	out.Store, out.RestoredAt = root.ID, root.RestoredAt
	if out.Leader, err = r.Leader(ctx); err != nil {
		return err
	}
	last, err := r.LastBackup(ctx)
	if err != nil {
		return note(err)
	}
	out.LastBackup = last
	newest := root.Made
	if last != nil {
		newest = last.At
	}
	if !newest.IsZero() && time.Since(newest) > backupWarning {
		out.Findings = append(out.Findings, finding.Finding{Code: finding.StoreBackup, Subject: "store", What: "there is no backup of the last seven days",
			Why: "a damaged folder can only be restored from one", Remedy: "run: samlfailover store backup FILE, and keep it elsewhere"})
	}
	return nil
}

// Verify reads every record of the store and returns a finding for each that
// cannot be trusted: none means that all are as they were written. It reads
// everything, so it is for a schedule and for people, not for every decision.
func (r Reads) Verify(ctx context.Context) ([]finding.Finding, error) {
	var out []finding.Finding
	check := func(err error) error {
		if f, ok := finding.From(err); ok && f.Code == finding.StoreIntegrity {
			out = append(out, f)
			return nil
		}
		return err
	}
	root, err := r.root(ctx)
	if err := check(err); err != nil {
		return out, err
	}
	if _, err := r.Brakes(ctx); check(err) != nil {
		return out, err
	}
	for _, name := range root.Born {
		if err := check(r.verifyBorn(ctx, name)); err != nil {
			return out, err
		}
	}
	for _, prefix := range []string{"observations/", "probes/", "controllers/", "moves/", "once/", backupKey} {
		kvs, err := r.list(ctx, prefix)
		if err != nil {
			return out, err
		}
		for _, kv := range kvs {
			_, _, err := r.s.opts.Seal.Verify(string(kv.Key), kv.Value)
			if err := check(err); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// verifyBorn verifies a bound record and everything that it speaks of.
func (r Reads) verifyBorn(ctx context.Context, name string) error {
	where := strings.Split(name, "/")
	for i := range where {
		plain, err := unescape(where[i])
		if err != nil {
			return err
		}
		where[i] = plain
	}
	switch {
	case where[0] == "journal":
		return r.verifyJournal(ctx, where[1])
	case where[0] == "inventory":
		var index indexBody
		if _, err := r.bound(ctx, name, &index); err != nil {
			return err
		}
		for _, g := range []*generationBody{index.Current, index.Earlier} {
			if g == nil {
				continue
			}
			if _, err := r.items(ctx, generation(where[1], where[2], g.Number), *g); err != nil {
				return err
			}
		}
		return nil
	case where[0] == "box":
		_, err := r.box(ctx, where[1])
		return err
	case name == auditHeadKey:
		return r.Audit(ctx, 1, 0, func(audit.Record) error { return nil })
	}
	return nil
}

// verifyJournal verifies a federation's moves, and that each is found by its id.
func (r Reads) verifyJournal(ctx context.Context, federation string) error {
	m, err := r.openMove(ctx, federation)
	if err != nil {
		return err
	}
	all, err := r.readPast(ctx, federation, m.head.First, m.head.Next)
	if err != nil {
		return err
	}
	if m.head.Open != "" {
		all = append(all, m.record)
	}
	for i, rec := range all {
		var w whereBody
		resp, err := r.get(ctx, moveKey(string(rec.ID)))
		if err != nil {
			return err
		}
		kv := one(resp)
		if kv == nil {
			return seal.Refuse(r.s.key(moveKey(string(rec.ID))), "it was deleted")
		}
		if _, err := r.s.openSigned(kv, &w); err != nil {
			return err
		}
		if w != (whereBody{federation, m.head.First + uint64(i)}) {
			return seal.Refuse(r.s.key(moveKey(string(rec.ID))), "it names another place than the move's")
		}
	}
	return nil
}

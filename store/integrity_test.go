package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/health"
	"github.com/samlfailover/samlfailover/idp"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/store/storetest"
)

// record is a move of a federation with so many apps.
func record(id failover.MoveID, name string, apps int) move.Record {
	east, west := signin.MustRegion("us-east-1"), signin.MustRegion("us-west-2")
	acs, _ := east.ACS("")
	r := move.Record{ID: id, Federation: name, Cause: failover.Failover, To: west, By: failover.Controller, Reason: "test", Started: time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)}
	for i := range apps {
		ref := federation.AppRef{Name: "app " + string(rune('a'+i)), Tenant: "okta", ID: "0oa" + string(rune('a'+i))}
		r.Steps = append(r.Steps, move.StepRecord{App: ref, Lead: i == 0, From: east, Before: acs, RelayBefore: "https://console.aws.amazon.com/"})
	}
	return r
}

// note is what a move says of an app that it has begun to write.
func note(app federation.AppRef, phase move.Phase) move.StepNote {
	n := move.StepNote{App: app.String(), Phase: phase, At: time.Date(2026, 11, 22, 7, 1, 0, 0, time.UTC)}
	if phase == move.Planned {
		n.Changes = []idp.Change{{Pointer: "/settings/signOn/ssoAcsUrl", Before: []byte(`"https://signin.aws.amazon.com/saml"`), After: []byte(`"https://us-west-2.signin.aws.amazon.com/saml"`)}}
	}
	return n
}

func ended(r move.Record) failover.Result {
	return failover.Result{ID: r.ID, Federation: r.Federation, Status: failover.Partial, Proof: failover.P1, Started: r.Started, Finished: r.Started.Add(time.Minute)}
}

// must fails the test at the first error.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// values is what stands under each key, without the prefix.
func values(t testing.TB, s *Store) map[string]string {
	t.Helper()
	resp, err := s.client.Get(t.Context(), s.opts.Prefix, clientv3.WithPrefix())
	must(t, err)
	out := map[string]string{}
	for _, kv := range resp.Kvs {
		if name := strings.TrimPrefix(string(kv.Key), s.opts.Prefix); !strings.HasPrefix(name, electionPrefix) {
			out[name] = string(kv.Value)
		}
	}
	return out
}

// lived fills a store with everything that it can hold, and returns every value
// that stood under each key at some time, oldest first.
func lived(t testing.TB, s *Store, term *Term) map[string][]string {
	t.Helper()
	ctx := t.Context()
	past := map[string][]string{}
	see := func(errs ...error) {
		t.Helper()
		must(t, errs...)
		for k, v := range values(t, s) {
			if !slices.Contains(past[k], v) {
				past[k] = append(past[k], v)
			}
		}
	}
	j, b, inv, log := term.Journal(), term.Brakes(), term.Inventory(), term.Audit()
	first := record("m1", "corp", 2)
	see(j.Begin(ctx, first))
	see(j.Note(ctx, "m1", note(first.Steps[0].App, move.Planned)))
	see(j.Finish(ctx, "m1", ended(first)))
	second := record("m2", "corp", 2)
	see(j.Begin(ctx, second))
	see(j.Note(ctx, "m2", note(second.Steps[0].App, move.Planned)))
	see(j.Note(ctx, "m2", note(second.Steps[1].App, move.Planned)))
	later := note(second.Steps[0].App, move.Planned)
	later.Changes = later.Changes[:0]
	see(j.Note(ctx, "m2", later))
	see(j.Note(ctx, "m2", note(second.Steps[0].App, move.Verified)))
	see(b.Put(ctx, failover.Brake{ID: "p", Kind: failover.BrakePause, By: "ann", Reason: "x", Since: first.Started}))
	see(b.Put(ctx, failover.Brake{ID: "l", Kind: failover.BrakeLock, By: "ann", Reason: "y", Since: first.Started}))
	see(b.Release(ctx, "l"))
	see(inv.SaveRoles(storetest.Roles("corp", 2, 1)))
	see(inv.SaveRoles(storetest.Roles("corp", 2, 2)))
	see(log.Record(ctx, "ann", "move.start", "corp", nil))
	see(log.Record(ctx, "ann", "move.end", "corp", nil))
	see(s.Announce(ctx, Controller{Digest: "d1"}))
	west := signin.MustRegion("us-west-2")
	see(s.Observe(ctx, []health.Observation{{Vantage: "v", Region: west, State: health.Healthy}}))
	see(s.Observe(ctx, []health.Observation{{Vantage: "v", Region: west, State: health.Unhealthy}}))
	bucket := health.Bucket{Vantage: "v", Region: west, Kind: health.STS, Start: health.BucketStart(first.Started)}
	see(s.KeepBuckets(ctx, []health.Bucket{bucket}))
	box := term.Box("proposal")
	see(box.Put(ctx, "p1", []byte(`{"votes":0}`)))
	see(box.Put(ctx, "p2", []byte(`{"votes":0}`)))
	see(box.Put(ctx, "p1", []byte(`{"votes":1}`)))
	_, err := s.Once().First(ctx, "slack", "v0=abc", time.Hour)
	see(err)
	_, err = s.Backup(ctx, t.TempDir()+"/backup")
	see(err)
	return past
}

// verify returns the keys that are reported.
func verify(t testing.TB, s *Store) []string {
	t.Helper()
	r, err := s.Reads(t.Context())
	must(t, err)
	found, err := r.Verify(t.Context())
	must(t, err)
	var out []string
	for _, f := range found {
		if f.Code != finding.StoreIntegrity || f.Remedy == "" {
			t.Errorf("an odd finding: %v", f)
		}
		out = append(out, strings.TrimPrefix(f.Evidence["key"], s.opts.Prefix))
	}
	return out
}

// unbound reports whether a key holds what nobody can miss: what vantages and
// controllers say of themselves, and when the last backup was.
func unbound(name string) bool {
	return slices.ContainsFunc([]string{"observations/", "probes/", "controllers/", "once/", backupKey}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// spec 11.1: whatever an etcd client does to any one record shows, and the key
// is named, or the key of the record that vouches for it.
func TestTampering(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	term := lead(t, s)
	past := lived(t, s, term)
	if found := verify(t, s); len(found) > 0 {
		t.Fatalf("an honest store is refused: %v", found)
	}
	now := values(t, s)
	if len(now) < 20 {
		t.Fatalf("only %d keys", len(now))
	}
	names := slices.Sorted(maps.Keys(now))
	put := func(name, value string) {
		t.Helper()
		_, err := s.client.Put(t.Context(), s.key(name), value)
		must(t, err)
	}
	remove := func(name string) {
		t.Helper()
		_, err := s.client.Delete(t.Context(), s.key(name))
		must(t, err)
	}
	// shown wants a finding, and mends what was done. A bound record cannot be
	// mended with a client; the whole store is filled anew then.
	shown := func(what, name string) {
		t.Helper()
		found := verify(t, s)
		near := slices.ContainsFunc(found, func(k string) bool {
			return k == name || strings.HasPrefix(name, k) || strings.HasPrefix(k, name) || strings.Split(k, "/")[0] == strings.Split(name, "/")[0] || k == rootKey
		})
		if !near {
			t.Errorf("%s %s: reported are %v", what, name, found)
		}
		if slices.Contains([]string{rootKey, brakesKey, auditHeadKey}, name) || strings.HasSuffix(name, "/head") {
			s = fresh(t)
			term = lead(t, s)
			past = lived(t, s, term)
			now = values(t, s)
			return
		}
		put(name, now[name])
		if found := verify(t, s); len(found) > 0 {
			t.Fatalf("after %s of %s was mended: %v", what, name, found)
		}
	}
	for _, name := range names {
		value := now[name]
		put(name, value[:len(value)-1]+string(value[len(value)-1]^1))
		shown("altering", name)
		other := names[(slices.Index(names, name)+1)%len(names)]
		put(name, now[other])
		shown("putting "+other+" under", name)
		if unbound(name) {
			continue // docs/store.md says so
		}
		remove(name)
		shown("deleting", name)
		for _, older := range slices.Clone(past[name]) {
			if older != now[name] {
				put(name, older)
				shown("putting an older value back under", name)
			}
		}
	}
}

// spec 11.1: what was deleted and is put back, or put back after its time, steers
// nothing.
func TestReplay(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name string
		do   func(t *testing.T, s *Store, past map[string][]string)
		key  string
	}{
		{"a bound record is deleted and made again with its own value", func(t *testing.T, s *Store, _ map[string][]string) {
			v := values(t, s)[brakesKey]
			_, err := s.client.Delete(t.Context(), s.key(brakesKey))
			must(t, err)
			_, err = s.client.Put(t.Context(), s.key(brakesKey), v)
			must(t, err)
		}, brakesKey},
		{"a bound record is made blank again", func(t *testing.T, s *Store, past map[string][]string) {
			_, err := s.client.Delete(t.Context(), s.key(brakesKey))
			must(t, err)
			blank, op, err := s.putBound(slot{name: brakesKey}, nil)
			must(t, err)
			if len(blank) == 0 {
				t.Fatal("no comparison")
			}
			_, err = s.client.Do(t.Context(), op)
			must(t, err)
		}, brakesKey},
		{"a pause that was lifted is set again", func(t *testing.T, s *Store, past map[string][]string) {
			_, err := s.client.Put(t.Context(), s.key(brakesKey), past[brakesKey][len(past[brakesKey])-2])
			must(t, err)
		}, brakesKey},
		{"an ended move is opened again with all that belonged to it", func(t *testing.T, s *Store, past map[string][]string) {
			for name, all := range past {
				if strings.HasPrefix(name, "journal/corp/open/") || name == journalHead("corp") {
					_, err := s.client.Put(t.Context(), s.key(name), all[0])
					must(t, err)
				}
			}
		}, journalHead("corp")},
		{"a federation's whole journal is deleted", func(t *testing.T, s *Store, _ map[string][]string) {
			_, err := s.client.Delete(t.Context(), s.key("journal/corp/"), clientv3.WithPrefix())
			must(t, err)
		}, journalHead("corp")},
		{"the root record is deleted", func(t *testing.T, s *Store, _ map[string][]string) {
			_, err := s.client.Delete(t.Context(), s.key(rootKey))
			must(t, err)
		}, rootKey},
		{"a note is deleted", func(t *testing.T, s *Store, _ map[string][]string) {
			key := noteKey("corp", "okta/0oab", string(move.Planned))
			_, err := s.client.Delete(t.Context(), s.key(key))
			must(t, err)
		}, journalHead("corp")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := fresh(t)
			term := lead(t, s)
			past := lived(t, s, term)
			row.do(t, s, past)
			if found := verify(t, s); !slices.Contains(found, row.key) {
				t.Errorf("reported are %v, want %s", found, row.key)
			}
			// The leader that was there writes nothing on its word, nor does the next.
			refusedBy(t, term, row.key, row.name != "a note is deleted") // a leader knows by itself what it noted
			_, err := s.client.Revoke(t.Context(), term.session.Lease())
			must(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			next, err := s.Campaign(ctx)
			if row.key == rootKey {
				if !errors.Is(err, ErrIntegrity) {
					t.Errorf("a campaign without a root record: %v", err)
				}
				return
			}
			must(t, err)
			refusedBy(t, next, row.key, true)
		})
	}
}

// refusedBy wants every use of a record that cannot be trusted to be refused.
func refusedBy(t *testing.T, term *Term, key string, notes bool) {
	t.Helper()
	ctx := t.Context()
	uses := map[string]func() error{
		"list the open moves": func() error { _, err := term.Journal().Open(ctx); return err },
		"note": func() error {
			return term.Journal().Note(ctx, "m2", note(record("m2", "corp", 2).Steps[1].App, move.Written))
		},
		"finish": func() error { return term.Journal().Finish(ctx, "m2", ended(record("m2", "corp", 2))) },
	}
	switch key {
	case brakesKey:
		uses = map[string]func() error{
			"list the brakes": func() error { _, err := term.Brakes().Brakes(ctx); return err },
			"set a brake":     func() error { return term.Brakes().Put(ctx, failover.Brake{ID: "n"}) },
		}
	case rootKey:
		uses = map[string]func() error{"begin in a new federation": func() error { return term.Journal().Begin(ctx, record("m9", "new", 1)) }}
	}
	for what, use := range uses {
		if what == "note" && !notes {
			continue
		}
		err := use()
		f, ok := finding.From(err)
		if !errors.Is(err, ErrIntegrity) || !ok || f.Code != finding.StoreIntegrity {
			t.Errorf("%s: %v", what, err)
		}
	}
}

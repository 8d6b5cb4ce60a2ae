package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/failover"
	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/finding"
)

// spec 11.1, 11.2: a backup that was made in the middle of a move is restored
// into an empty folder: everything is there, and nothing moves by itself.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := private(t)
	s, err := Open(ctx, single(t, dir))
	must(t, err)
	term := lead(t, s)
	lived(t, s, term)
	file := filepath.Join(t.TempDir(), "backup")
	made, err := s.Backup(ctx, file)
	must(t, err)
	for _, name := range []string{file, file + manifestSuffix} {
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Errorf("left behind are %v", left)
	}
	st, err := s.Status(ctx)
	if err != nil || st.LastBackup == nil || st.LastBackup.SHA256 != made.SHA256 || st.Kind != "single" || len(st.Findings) != 0 || len(st.Members) != 1 || st.KeyID == "" {
		t.Errorf("the state is %+v: %v", st, err)
	}
	epoch, err := readNow(t, s).Epoch(ctx)
	must(t, err)
	// The store lives on for a while, and is lost.
	second, err := term.Journal().Open(ctx)
	must(t, err)
	must(t, term.Journal().Finish(ctx, "m2", ended(second[0])), s.Close())

	_, err = Restore(ctx, single(t, dir), file)
	reported(t, err, finding.StoreFolder, "not empty")
	must(t, os.Rename(dir, dir+".lost"))
	got, err := Restore(ctx, single(t, dir), file)
	if err != nil || got != made {
		t.Fatalf("restored %v: %v", got, err)
	}
	s = open(t, single(t, dir))
	r := readNow(t, s)
	if all, err := r.Open(ctx); err != nil || len(all) != 0 {
		t.Errorf("after the restore open are %v: %v", all, err)
	}
	past, err := r.Past(ctx, "corp")
	if err != nil || len(past) != 2 || past[0].ID != "m2" || past[0].Result.Status != failover.Incomplete || !strings.HasPrefix(past[0].Result.Why, "void:") || len(past[0].Notes) != 3 {
		t.Errorf("the move that was open is %v: %v", past, err)
	}
	if now, err := r.Epoch(ctx); err != nil || now != epoch+1 {
		t.Errorf("epoch %d after %d: %v", now, epoch, err)
	}
	if all, err := r.Brakes(ctx); err != nil || len(all) != 1 {
		t.Errorf("brakes are %v: %v", all, err)
	}
	if all, err := s.Boxed("proposal").All(ctx); err != nil || len(all) != 0 {
		t.Errorf("what waited in the backup still waits: %v: %v", all, err)
	}
	if roles, err := s.Inventory().LoadRoles("corp"); err != nil || len(roles.Accounts) != 2 {
		t.Errorf("roles are %v: %v", roles, err)
	}
	count := 0
	must(t, r.Audit(ctx, 1, 0, func(audit.Record) error { count++; return nil }))
	if found := verify(t, s); count != 2 || len(found) > 0 {
		t.Errorf("%d audit records, reported are %v", count, found)
	}
	// Once only: a move that begins now is not made void by the next leader.
	term = lead(t, s)
	must(t, term.Journal().Begin(ctx, record("m3", "corp", 1)), term.Resign(ctx))
	term = lead(t, s)
	if all, err := term.Journal().Open(ctx); err != nil || len(all) != 1 || all[0].ID != "m3" {
		t.Errorf("open are %v: %v", all, err)
	}
	if st, err := s.Status(ctx); err != nil || st.RestoredAt.IsZero() || st.Revision < revisionBump {
		t.Errorf("the state is %+v: %v", st, err)
	}
}

// A leader of before a restore is refused by the restored store.
func TestRestoreDeposes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, single(t, private(t)))
	must(t, err)
	term := lead(t, s)
	must(t, term.Journal().Begin(ctx, record("m1", "corp", 1)))
	file := filepath.Join(t.TempDir(), "backup")
	_, err = s.Backup(ctx, file)
	must(t, err, s.Close())
	o := single(t, private(t))
	_, err = Restore(ctx, o, file)
	must(t, err)
	next := open(t, o)
	old := &Term{s: next, elect: term.elect, key: term.key, rev: term.rev, fence: term.fence, lost: make(chan struct{})}
	if _, err := old.commit(ctx, nil, nil); !errors.Is(err, move.ErrDeposed) {
		t.Errorf("the former leader's write: %v", err)
	}
}

// spec 11.1: members of a cluster restore the same file; the first leader makes
// void what was open, and the next ones leave alone what began since.
func TestRestoreCluster(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	former := single(t, private(t))
	former.LeaseTTL = minTTL // the restored cluster waits it out
	s := open(t, former)
	must(t, lead(t, s).Journal().Begin(ctx, record("m1", "corp", 1)))
	file := filepath.Join(t.TempDir(), "backup")
	_, err := s.Backup(ctx, file)
	must(t, err)
	o := trio(t, newCA(t))[0]
	o.Embedded.Peers = o.Embedded.Peers[:1] // a majority of its own
	_, err = Restore(ctx, o, file)
	must(t, err)
	back := open(t, o)
	if all, err := readNow(t, back).Open(ctx); err != nil || len(all) != 1 {
		t.Errorf("before anybody leads open are %v: %v", all, err)
	}
	term := lead(t, back)
	if all, err := term.Journal().Open(ctx); err != nil || len(all) != 0 {
		t.Errorf("open are %v: %v", all, err)
	}
	must(t, term.Journal().Begin(ctx, record("m2", "corp", 1)), term.Resign(ctx))
	if all, err := lead(t, back).Journal().Open(ctx); err != nil || len(all) != 1 || all[0].ID != "m2" {
		t.Errorf("for the next leader open are %v: %v", all, err)
	}
}

// A backup that was changed, in any of its parts, is not restored, and the
// folder stays as it was.
func TestBackupTampering(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t, single(t, private(t)))
	must(t, lead(t, s).Journal().Begin(ctx, record("m1", "corp", 1)))
	dir := t.TempDir()
	file, other := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	_, err := s.Backup(ctx, file)
	must(t, err)
	_, err = s.Backup(ctx, other)
	must(t, err)
	whole, err := os.ReadFile(file)
	must(t, err)
	manifest, err := os.ReadFile(file + manifestSuffix)
	must(t, err)
	theirs, err := os.ReadFile(other + manifestSuffix)
	must(t, err)
	rows := []struct {
		name           string
		file, manifest []byte
	}{
		{"a byte of the file", append(append(bytes.Clone(whole[:5000]), whole[5000]^1), whole[5001:]...), manifest},
		{"the end of the file", whole[:len(whole)-512], manifest},
		{"the manifest of another backup", whole, theirs},
		{"a date in the manifest", whole, bytes.Replace(manifest, []byte(`"at":"20`), []byte(`"at":"21`), 1)},
		{"the seal of the manifest", whole, bytes.Replace(manifest, []byte(`"sealed":"53`), []byte(`"sealed":"52`), 1)},
		{"no manifest to speak of", whole, []byte("{}")},
	}
	for _, row := range rows {
		bad := filepath.Join(t.TempDir(), "bad")
		must(t, os.WriteFile(bad, row.file, 0o600), os.WriteFile(bad+manifestSuffix, row.manifest, 0o600))
		o := single(t, private(t))
		if _, err := Restore(ctx, o, bad); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%s: %v", row.name, err)
		}
		if left, err := os.ReadDir(o.Embedded.Dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind are %v (%v)", row.name, left, err)
		}
	}
	must(t, os.Remove(file+manifestSuffix))
	if _, err := Restore(ctx, single(t, private(t)), file); err == nil || errors.Is(err, ErrIntegrity) {
		t.Errorf("no manifest at all: %v", err)
	}
}

// Findings tell what a person should look at.
func TestStatusFindings(t *testing.T) {
	t.Parallel()
	s := open(t, single(t, private(t)))
	lead(t, s)
	creds, err := newCA(t).issue(t, "soon", 10*24*time.Hour).load(time.Now())
	must(t, err)
	small := *s.opts.Embedded
	small.Quota = 1
	poor := &Store{opts: s.opts, client: s.client, member: s.member, folder: s.folder, cargo: &ballast{size: 1 << 20}, creds: creds,
		bridge: s.bridge, log: s.log, life: s.life}
	poor.opts.Embedded = &small
	st, err := poor.Status(t.Context())
	must(t, err)
	codes := map[finding.Code]int{}
	for _, f := range st.Findings {
		codes[f.Code]++
		if f.What == "" || f.Remedy == "" {
			t.Errorf("it says too little: %v", f)
		}
	}
	if codes[finding.StoreCertificate] != 1 || codes[finding.StoreFull] != 2 || st.Ballast || st.Certificate.IsZero() {
		t.Errorf("findings are %v", st.Findings)
	}
}

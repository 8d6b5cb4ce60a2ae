package app

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/audit/copies"
	"github.com/samlfailover/samlfailover/config"
)

// day writes a record of three days in a bubble, one entry an hour, and returns
// its config; a trust run was made on the second.
func day(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	c, err := config.Parse(filepath.Join(dir, "samlfailover.yaml"), []byte(`
tenants: [{name: acme, kind: okta, url: "https://acme.okta.com", token: "env:TOKEN"}]
federations: [{name: corp, regions: [us-east-1, us-west-2], apps: [{name: console, tenant: acme, id: 0oa1}], lead: console}]
store: {dir: data}
audit: {sinks: [{name: worm, file: worm.jsonl}, {name: gone, file: no/such/folder}, {name: siem, url: "https://siem.example/a", secret: "env:S"}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	record := func(path, actor, action, subject string) {
		t.Helper()
		l, err := audit.Open(audit.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Record(t.Context(), actor, action, subject, nil); err != nil || l.Close() != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(c.Store.Dir, AuditFile)
	for h := range 72 {
		switch h {
		case 0:
			record(path, "controller", "controller.started", "config aaaa")
		case 30:
			record(path, "controller", "config.reload", "config bbbb")
		case 31:
			record(filepath.Join(c.Store.Dir, "runs", "r1", "audit.jsonl"), "ann", "trust-apply", "corp")
			record(path, "ann", "move.start", "federation corp")
		default:
			record(path, "ann", "pause.set", "federation corp")
		}
		<-time.After(time.Hour)
	}
	var all []audit.Record
	if err := audit.Read(path, func(r audit.Record) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := (copies.File{Path: c.Audit.Sinks[0].File}).Put(t.Context(), all[:50]); err != nil {
		t.Fatal(err)
	}
	return c
}

// spec 14
func TestBundle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := day(t)
		begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of every bubble
		out := filepath.Join(t.TempDir(), "b.zip")
		b, err := WriteBundle(c, "v1", begin.Add(24*time.Hour), begin.Add(48*time.Hour), out)
		if err != nil {
			t.Fatal(err)
		}
		if b.Records != 24 || b.Before.Seq != 24 || b.Last.Seq != 48 || b.Head.Seq != 72 {
			t.Errorf("%+v", b)
		}
		digests := []string{}
		for _, f := range b.Config {
			digests = append(digests, f.Digest)
		}
		if !slices.Equal(digests, []string{"aaaa", "bbbb"}) {
			t.Errorf("configs %v: the one in force at the beginning, and the next", digests)
		}
		if s := b.Sinks; len(s) != 3 || s[0].FirstUnproven != 51 || s[0].Error != "" || s[1].Error == "" || !strings.Contains(s[2].Error, "receives") {
			t.Errorf("sinks %+v", b.Sinks)
		}
		if b.Files[bundledRuns+"r1.jsonl"] == "" || len(b.Files) != 3 {
			t.Errorf("files %v", b.Files)
		}
		if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		if got, err := VerifyBundle(out); err != nil || got.Last != b.Last || got.Records != 24 {
			t.Errorf("%+v %v", got, err)
		}
		if _, err := WriteBundle(c, "v1", begin, time.Now(), out); err == nil {
			t.Error("a file that is there was replaced")
		}
		if _, err := WriteBundle(c, "v1", begin.Add(time.Minute), begin.Add(2*time.Minute), out+"2"); err == nil || !strings.Contains(err.Error(), "no record") {
			t.Errorf("an empty span: %v", err)
		}
		saboteurs(t, out)
	})
}

// saboteurs change a bundle; each must be refused.
func saboteurs(t *testing.T, good string) {
	t.Helper()
	for why, change := range map[string]func(files map[string][]byte){
		"a record changed": func(f map[string][]byte) {
			f[bundledRecords] = bytes.Replace(f[bundledRecords], []byte("ann"), []byte("eve"), 1)
		},
		"the first record left out, and the sum": func(f map[string][]byte) {
			f[bundledRecords] = f[bundledRecords][bytes.IndexByte(f[bundledRecords], '\n')+1:]
		},
		"a record left out, and the sums made anew": func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[bundledRecords], []byte("\n"))
			f[bundledRecords] = bytes.Join(append(lines[:3:3], lines[4:]...), nil)
			resum(t, f)
		},
		"the last record left out, and the sums made anew": func(f map[string][]byte) {
			lines := bytes.SplitAfter(f[bundledRecords], []byte("\n"))
			f[bundledRecords] = bytes.Join(lines[:len(lines)-2], nil)
			resum(t, f)
		},
		"a trust run changed":  func(f map[string][]byte) { f[bundledRuns+"r1.jsonl"][20] ^= 1 },
		"a trust run left out": func(f map[string][]byte) { delete(f, bundledRuns+"r1.jsonl") },
		"a file added":         func(f map[string][]byte) { f["note.txt"] = []byte("x") },
		"no manifest":          func(f map[string][]byte) { delete(f, bundledManifest) },
	} {
		files := unzip(t, good)
		change(files)
		bad := filepath.Join(t.TempDir(), "bad.zip")
		if err := writeZip(bad, files, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := VerifyBundle(bad); !errors.Is(err, audit.ErrBroken) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// resum makes the manifest fit the records again, as a careful liar would.
func resum(t *testing.T, files map[string][]byte) {
	t.Helper()
	sum := sha256.Sum256(files[bundledRecords])
	at := bytes.Index(files[bundledManifest], []byte(`"records.jsonl": "`)) + len(`"records.jsonl": "`)
	copy(files[bundledManifest][at:], hex.EncodeToString(sum[:]))
}

func unzip(t *testing.T, name string) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string][]byte{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
		_ = in.Close()
	}
	return out
}

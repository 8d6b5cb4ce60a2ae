package store

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/secret"
	"github.com/samlfailover/samlfailover/store/seal"
)

// reported wants an error with a finding whose words hold each text.
func reported(t *testing.T, err error, code finding.Code, texts ...string) {
	t.Helper()
	f, ok := finding.From(err)
	if !ok || f.Code != code || f.Remedy == "" {
		t.Errorf("got %v, want a finding %s", err, code)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
}

// spec 11.3: a single member opens no TCP port and no socket but the one in its
// folder (an abstract one would be open to all), and nobody else enters that.
func TestSingleOpensNoPort(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the list of ports is Linux's")
	}
	dir := private(t)
	if got := start(t, "listen", dir).lines(""); len(got) != 1 || got[0] != "sockets 1" {
		t.Errorf("it says %v", got)
	}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Type() != fs.ModeSocket && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may use %s (%v)", path, info.Mode())
		}
		return err
	}))
}

// A second process is told who has the folder, and the first is not disturbed.
func TestFolderHeld(t *testing.T) {
	t.Parallel()
	dir := private(t)
	p := start(t, "hold", dir)
	if got := p.lines("open"); len(got) != 1 {
		t.Fatalf("the first says %v", got)
	}
	before := time.Now()
	_, err := Open(t.Context(), single(t, dir))
	reported(t, err, finding.StoreFolder, dir, "process ", "stop it first")
	if runtime.GOOS != "windows" && !strings.Contains(err.Error(), "process "+strconv.Itoa(p.cmd.Process.Pid)) {
		t.Errorf("it does not name process %d: %v", p.cmd.Process.Pid, err)
	}
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	if _, err := os.Stat(filepath.Join(dir, socketFolder, "client.sock")); err != nil {
		t.Errorf("the first has lost its socket: %v", err)
	}
	must(t, p.stdin.Close(), p.cmd.Wait())
	open(t, single(t, dir))
}

func TestFolderUnusable(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes are not Windows'")
	}
	open := func(dir string) error {
		_, err := Open(t.Context(), single(t, dir))
		return err
	}
	wide := private(t)
	must(t, os.Chmod(wide, 0o755))
	reported(t, open(wide), finding.StoreFolder, "chmod 700 "+wide)
	file := filepath.Join(private(t), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	reported(t, open(file), finding.StoreFolder, file)
	reported(t, open(filepath.Join(file, "below")), finding.StoreFolder, "cannot be used")
}

// A path too long for a socket has its sockets in a private folder elsewhere.
func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(private(t), strings.Repeat("long", 25))
	must(t, os.Mkdir(dir, 0o700))
	o := single(t, dir)
	o.Embedded.RuntimeDir = t.TempDir()
	if len(o.Embedded.RuntimeDir) > 50 {
		o.Embedded.RuntimeDir = "/tmp"
	}
	s, err := Open(t.Context(), o)
	must(t, err)
	lead(t, s)
	if len(s.Socket()) > maxSocketPath || !strings.HasPrefix(s.Socket(), o.Embedded.RuntimeDir) {
		t.Errorf("the socket is %s", s.Socket())
	}
	info, err := os.Stat(filepath.Dir(s.Socket()))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("its folder: %v %v", info.Mode(), err)
	}
	must(t, s.Close())
	if _, err := os.Stat(filepath.Dir(s.Socket())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder is left behind: %v", err)
	}
	o.Embedded.Dir += "2"
	o.Embedded.RuntimeDir = filepath.Join(dir, "too")
	_, err = Open(t.Context(), o)
	reported(t, err, finding.StoreFolder, "longer than 100 bytes")
}

// The next start after a crash leads at once: what the crashed process held is
// taken back (its lease would last five seconds).
func TestLeadsAtOnceAfterACrash(t *testing.T) {
	t.Parallel()
	dir := private(t)
	p := start(t, "journal", dir)
	p.lines("recorded okta/1")
	must(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait()
	began := time.Now()
	s := open(t, single(t, dir))
	lead(t, s)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A damaged folder is named, with the way back; nothing in it is changed.
func TestDamagedFolder(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, file string
		damage     func(raw []byte) []byte
	}{
		{"the database is overwritten", "etcd/member/snap/db", func(raw []byte) []byte {
			for i := range raw {
				raw[i] = 'x'
			}
			return raw
		}},
		{"the database is cut off", "etcd/member/snap/db", func(raw []byte) []byte { return raw[:1000] }},
		{"the log is overwritten", "etcd/member/wal/*.wal", func(raw []byte) []byte {
			for i := range raw[100:2000] {
				raw[100+i] ^= 0x55
			}
			return raw
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := private(t)
			s, err := Open(t.Context(), single(t, dir))
			must(t, err)
			must(t, lead(t, s).Journal().Begin(t.Context(), record("m1", "corp", 1)), s.Close())
			files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(row.file)))
			if err != nil || len(files) != 1 {
				t.Fatalf("%v %v", files, err)
			}
			raw, err := os.ReadFile(files[0])
			must(t, err)
			must(t, os.WriteFile(files[0], row.damage(raw), 0o600))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err = Open(ctx, single(t, dir))
			reported(t, err, finding.StoreFolder, "damaged", "store restore", filepath.Join(dir, "etcd"))
		})
	}
}

// spec 11.1: a store that was emptied, or put in place of another, is not a new
// one.
func TestAnotherStore(t *testing.T) {
	t.Parallel()
	dir, other := private(t), private(t)
	for _, d := range []string{dir, other} {
		s, err := Open(t.Context(), single(t, d))
		must(t, err)
		lead(t, s)
		must(t, s.Close())
	}
	must(t, os.RemoveAll(filepath.Join(dir, dataFolder)), os.Rename(filepath.Join(other, dataFolder), filepath.Join(dir, dataFolder)))
	_, err := Open(t.Context(), single(t, dir))
	reported(t, err, finding.StoreIntegrity, "belongs to the store")
	must(t, os.RemoveAll(filepath.Join(dir, dataFolder)))
	_, err = Open(t.Context(), single(t, dir))
	reported(t, err, finding.StoreIntegrity, "belongs to the store")
}

// Another key reads nothing, and says which one is missing; as an earlier key it
// reads everything.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	dir := private(t)
	s, err := Open(t.Context(), single(t, dir))
	must(t, err)
	term := lead(t, s)
	must(t, term.Journal().Begin(t.Context(), record("m1", "corp", 1)), term.Inventory().SaveApps(inventory.AppSnapshot{Federation: "corp"}), s.Close())
	v, err := seal.Create(filepath.Join(t.TempDir(), "key"))
	must(t, err)
	o := single(t, dir)
	o.Seal, err = seal.New(v)
	must(t, err)
	s, err = Open(t.Context(), o)
	must(t, err)
	_, err = s.Campaign(t.Context())
	reported(t, err, finding.StoreIntegrity, "none of ours", testKey(t).KeyID())
	must(t, s.Close())
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(7 * i)
	}
	o.Seal, err = seal.New(v, secret.New(hex.EncodeToString(raw)))
	must(t, err)
	s = open(t, o)
	term = lead(t, s)
	must(t, term.Journal().Note(t.Context(), "m1", note(record("m1", "corp", 1).Steps[0].App, "planned")))
	if got, err := term.Journal().Open(t.Context()); err != nil || len(got) != 1 || len(got[0].Notes) != 1 {
		t.Errorf("with the former key as an earlier one: %v %v", got, err)
	}
	if found := verify(t, s); len(found) > 0 {
		t.Errorf("reported are %v", found)
	}
}

// spec 11.3: settings that would open the store to others are refused.
func TestOptions(t *testing.T) {
	t.Parallel()
	files := TLS{CertFile: "c", KeyFile: "k", CAFile: "a"}
	peers := []Peer{{"one", "https://10.0.0.1:2380"}, {"two", "https://10.0.0.2:2380"}}
	rows := []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"no key", func(o *Options) { o.Seal = nil }, "no store key"},
		{"nowhere", func(o *Options) { o.Embedded = nil }, "either"},
		{"in two places", func(o *Options) { o.Existing = &Existing{Endpoints: []string{"https://x:1"}} }, "either"},
		{"no name", func(o *Options) { o.Name = "" }, "name"},
		{"a name that etcd would cut", func(o *Options) { o.Name = "a=b" }, "name"},
		{"a short lease", func(o *Options) { o.LeaseTTL = 2 * time.Second }, "5s"},
		{"a long lease", func(o *Options) { o.LeaseTTL = 2 * time.Minute }, "1m0s"},
		{"half seconds", func(o *Options) { o.LeaseTTL = 5500 * time.Millisecond }, "whole seconds"},
		{"no folder", func(o *Options) { o.Embedded.Dir = "" }, "data folder"},
		{"a port for a single member", func(o *Options) { o.Embedded.ClientURL = "https://0.0.0.0:2379" }, "no port"},
		{"peers by http", func(o *Options) { o.Embedded.Peers = []Peer{{"one", "http://10.0.0.1:2380"}} }, "loopback"},
		{"peers without certificates", func(o *Options) { o.Embedded.Peers = peers }, "no certificates"},
		{"peers without this one", func(o *Options) {
			o.Embedded.Peers, o.Embedded.TLS = []Peer{{"two", "https://10.0.0.2:2380"}}, files
		}, "not among"},
		{"a peer twice", func(o *Options) {
			o.Embedded.Peers, o.Embedded.TLS = append(peers[:2:2], peers[0]), files
		}, "twice"},
		{"a peer with a path", func(o *Options) {
			o.Embedded.Peers, o.Embedded.TLS = []Peer{{"one", "https://10.0.0.1:2380/x"}}, files
		}, "host:port"},
		{"a client URL by http", func(o *Options) {
			o.Embedded.Peers, o.Embedded.TLS, o.Embedded.ClientURL = peers, files, "http://10.0.0.1:2379"
		}, "loopback"},
		{"endpoints by http", func(o *Options) {
			o.Embedded, o.Existing = nil, &Existing{Endpoints: []string{"http://etcd.example:2379"}}
		}, "loopback"},
		{"endpoints without certificates", func(o *Options) {
			o.Embedded, o.Existing = nil, &Existing{Endpoints: []string{"https://etcd.example:2379"}}
		}, "no certificates"},
		{"no endpoints", func(o *Options) { o.Embedded, o.Existing = nil, &Existing{} }, "empty"},
		{"a host that only begins like this machine", func(o *Options) {
			o.Embedded, o.Existing = nil, &Existing{Endpoints: []string{"http://localhost.example:2379"}}
		}, "loopback"},
	}
	for _, row := range rows {
		o := single(t, t.TempDir())
		row.change(&o)
		_, err := Open(t.Context(), o)
		if err == nil {
			t.Errorf("%s: it is opened", row.name)
			continue
		}
		reported(t, err, finding.StoreSetup)
		if !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
}

// A closed store refuses, and does not hang.
func TestClosed(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), single(t, private(t)))
	must(t, err)
	term := lead(t, s)
	must(t, s.Close())
	select {
	case <-term.Lost():
	case <-time.After(patience):
		t.Error("the leader is never told")
	}
	if err := term.Journal().Begin(t.Context(), record("m1", "corp", 1)); err == nil {
		t.Error("a closed store takes a move")
	}
	if _, err := s.Campaign(t.Context()); err == nil {
		t.Error("a closed store has a leader")
	}
	if _, err := s.Reads(t.Context()); err == nil {
		t.Error("a closed store is read")
	}
	if err := s.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

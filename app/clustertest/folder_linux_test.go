package clustertest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newSingle makes a world with one controller that is alone and has its data in
// a folder of the test's choice ("" = one of its own).
func newSingle(t *testing.T, data string) (*place, *controller) {
	t.Helper()
	p := newPlace(t)
	c := p.nodes[0]
	if data != "" {
		c.data = data
	}
	text, err := os.ReadFile(c.config)
	must(t, err)
	before, _, ok := strings.Cut(string(text), "store:\n")
	if !ok {
		t.Fatal("the config has no store")
	}
	before = strings.Replace(before, "    regions:", "    accept_fewer_vantages: true\n    regions:", 1)
	must(t, os.WriteFile(c.config, fmt.Appendf(nil, "%sstore: {dir: %s, key: file:store-key, embedded: {ballast: 16}}\n", before, c.data), 0o600))
	return p, c
}

// up waits until the controller leads and knows everything.
func (p *place) up(c *controller) {
	p.t.Helper()
	c.start()
	p.until("the controller is up", func() bool {
		st, ok := c.status()
		return ok && st.Store.Standing.Leads && st.calm()
	})
}

// stop ends the process in order.
func (c *controller) stop() {
	c.t.Helper()
	c.signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatal("it does not stop")
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		c.t.Errorf("it stopped with exit code %d", code)
	}
	c.cmd = nil
}

// refuses runs serve, which has to end by itself with exit code 1 and these words.
func refuses(t *testing.T, c *controller, words ...string) {
	t.Helper()
	cmd := c.command("serve")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasPrefix(last, "samlfailover: ") {
		t.Errorf("exit code %d, want 1 and words at the end:\n%s", code, tail(out.String(), 12))
	}
	for _, w := range words {
		if !strings.Contains(last, w) {
			t.Errorf("the last line lacks %q:\n%s", w, last)
		}
	}
	if strings.Contains(out.String(), "goroutine ") {
		t.Errorf("it panics:\n%s", tail(out.String(), 40))
	}
}

// moveTo moves everything by hand, which has to succeed.
func moveTo(t *testing.T, c *controller, region string) {
	t.Helper()
	if out, err := c.command("move", "--to", region, "--reason", "a test").CombinedOutput(); err != nil {
		t.Errorf("move to %s: %v\n%s", region, err, out)
	}
}

// remembers checks that the record is whole and holds a move.
func remembers(t *testing.T, c *controller) {
	t.Helper()
	if out, err := c.command("audit", "verify").CombinedOutput(); err != nil {
		t.Errorf("the audit record: %v\n%s", err, out)
	}
	if out, err := c.command("history").CombinedOutput(); err != nil || !strings.Contains(string(out), standby) {
		t.Errorf("the history: %v\n%s", err, out)
	}
}

// A second process on the folder is refused with the first one's id, and the
// first goes on.
func TestInsideSecondProcess(t *testing.T) {
	inside(t)
	p, c := newSingle(t, "")
	p.up(c)
	refuses(t, c, c.data, fmt.Sprintf("another process (%d) holds it", c.cmd.Process.Pid), "stop the other first")
	moveTo(t, c, standby)
	remembers(t, c)
	c.stop()
}

// A folder whose bytes were changed is refused and left as it is; the folder of
// before is as good as it was.
func TestInsideDamagedFolder(t *testing.T) {
	inside(t)
	p, c := newSingle(t, "")
	p.up(c)
	moveTo(t, c, standby)
	c.stop()
	good := c.data + ".good"
	copyFolder(t, c.data, good)
	for _, pattern := range []string{"store/etcd/member/snap/db", "store/etcd/member/wal/*.wal"} {
		files, err := filepath.Glob(filepath.Join(c.data, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no file %s: %v", pattern, err)
		}
		text, err := os.ReadFile(files[0])
		must(t, err)
		copy(text, bytes.Repeat([]byte{0x5a}, min(len(text), 16<<10)))
		must(t, os.WriteFile(files[0], text, 0o600))
		refuses(t, c, "it is damaged", filepath.Join(c.data, "store"), "keep the folder as evidence", "samlfailover store restore")
		must(t, os.RemoveAll(c.data))
		copyFolder(t, good, c.data)
	}
	p.up(c)
	remembers(t, c)
	c.stop()
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy the folder: %v: %s", err, out)
	}
}

// A member whose certificate has expired does not start and says so, while the
// other two lead and move; with a new certificate it joins.
func TestInsideExpiredCertificate(t *testing.T) {
	inside(t)
	p := newPlace(t)
	late := p.nodes[0]
	p.ca.issue(t, late.name, late.net.host, time.Now().Add(-time.Hour))
	refuses(t, late, filepath.Join(p.dir, late.name+".pem"), "has expired", "issue a new one")
	two := p.nodes[1:]
	for _, c := range two {
		c.start()
	}
	var first *controller
	p.until("two of three lead", func() bool {
		first = leader(two)
		if first == nil {
			return false
		}
		st, ok := first.status()
		return ok && st.calm()
	})
	moveTo(t, first, standby)
	p.ca.issue(t, late.name, late.net.host, time.Now().Add(time.Hour))
	late.start()
	p.until("the third has joined", func() bool {
		st, ok := late.status()
		return ok && st.Store.Store.Quorum && len(st.Store.Controllers) == 3 && st.finds("store-certificate")
	})
	p.judged()
	p.chains()
}

// On a small disk of its own: others fill it while the controller runs, and the
// move is still recorded and made; then it is full, or read-only, at the start.
func TestInsideFullDisk(t *testing.T) {
	apartOnly(t)
	disk := t.TempDir()
	must(t, syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=160m,mode=0700"))
	t.Cleanup(func() { must(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	p, c := newSingle(t, filepath.Join(disk, "data"))
	p.up(c)
	p.until("the ballast is there", func() bool {
		info, err := os.Stat(filepath.Join(c.data, "store", "ballast"))
		return err == nil && info.Size() == 16<<20
	})
	// What the scan found is still on its way into the store; a disk that fills up
	// under a write of etcd ends the member, which is not what this is about.
	p.until("the store has come to rest", func() bool {
		info, err := os.Stat(filepath.Join(c.data, "store", "etcd", "member", "snap", "db"))
		return err == nil && time.Since(info.ModTime()) > time.Second
	})
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	moveTo(t, c, standby)
	p.judged()
	p.until("the full disk is shown", func() bool { st, ok := c.status(); return ok && st.finds("store-full") })
	remembers(t, c)
	fill(t, filler)
	c.stop()
	refuses(t, c, "no space left on device") // who writes first meets it first
	must(t, os.Remove(filler))
	must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	refuses(t, c, "read-only")
	must(t, syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=160m"))
	p.up(c)
	remembers(t, c)
	c.stop()
}

// fill takes what is left of a disk at this moment: what is given up afterwards
// stays free.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	defer f.Close()
	for err = unix.ENOSPC; errors.Is(err, unix.ENOSPC); { // somebody else was quicker
		var disk unix.Statfs_t
		must(t, unix.Fstatfs(int(f.Fd()), &disk))
		if disk.Bavail == 0 {
			return
		}
		info, statErr := f.Stat()
		must(t, statErr)
		err = unix.Fallocate(int(f.Fd()), 0, info.Size(), int64(disk.Bavail)*disk.Bsize)
	}
	must(t, err)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
)

// spec 11.4: on a small disk of its own: a disk that others fill does not stop a
// move; a member that gives up says so and loses nothing; a disk that is full or
// read-only at the start is told in words.
func TestDisk(t *testing.T) {
	t.Parallel()
	dir := private(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_JOB=disk", "STORE_TEST_DIR="+dir, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "no mounts here") || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL) {
		t.Skip("this system allows no mount namespace")
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// diskJob runs in a mount namespace of its own, where it may mount a small disk.
func diskJob(dir string) int {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m,mode=0700"); err != nil {
		fmt.Println("no mounts here:", err)
		return 1
	}
	failed := 0
	for _, job := range []struct {
		name string
		do   func(dir string) error
	}{
		{"a disk that fills up during a move", fillsUp},
		{"a disk that is full at the start", fullAtStart},
		{"a disk that is read-only", readOnly},
		{"a disk that fills up with no ballast to give", givesUp},
	} {
		if err := job.do(filepath.Join(dir, "data")); err != nil {
			fmt.Printf("%s: %v\n", job.name, err)
			failed = 1
		}
		for _, name := range []string{"data", "filler"} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				fmt.Println(err)
			}
		}
	}
	return failed
}

// fill takes all space of the disk.
func fill(dir string) error {
	f, err := os.OpenFile(filepath.Join(filepath.Dir(dir), "filler"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !diskFull(err) {
			return err
		}
	}
	return nil
}

// begun opens a store on the disk and begins a move.
func begun(dir string, ballast int64) (*Store, *Term, error) {
	o := single(&testing.B{}, dir)
	o.Embedded.Ballast = ballast
	s, err := Open(context.Background(), o)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	t, err := s.Campaign(ctx)
	if err != nil {
		return s, nil, err
	}
	for deadline := time.Now().Add(patience); ballast > 0 && !s.cargo.there(); {
		if time.Now().After(deadline) {
			return s, t, errors.New("there is no ballast")
		}
		if _, err := s.cargo.fill(); err != nil {
			return s, t, err
		}
	}
	return s, t, t.Journal().Begin(ctx, record("m1", "corp", 3))
}

// journalApp notes the phases of one app.
func journalApp(t *Term, i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := note(federation.AppRef{Tenant: "okta", ID: fmt.Sprint(i)}, move.Planned)
	if err := t.Journal().Note(ctx, "m1", n); err != nil {
		return err
	}
	return t.Audit().Record(ctx, "a", "b", n.App, nil)
}

func fillsUp(dir string) error {
	s, t, err := begun(dir, 16<<20)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := fill(dir); err != nil {
		return err
	}
	for i := range 300 {
		if err := journalApp(t, i); err != nil {
			return fmt.Errorf("app %d: %w", i, err)
		}
	}
	if err := t.Journal().Finish(context.Background(), "m1", ended(record("m1", "corp", 3))); err != nil {
		return err
	}
	if s.Err() != nil {
		return s.Err()
	}
	if s.cargo.there() {
		return errors.New("the ballast is still there")
	}
	st, err := s.Status(context.Background())
	if err != nil || len(st.Findings) == 0 {
		return fmt.Errorf("the state says nothing of it: %+v %w", st, err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(dir), "filler")); err != nil {
		return err
	}
	if err := s.Maintain(context.Background()); err != nil || !s.cargo.there() {
		return fmt.Errorf("the ballast does not come back (%w)", err)
	}
	return nil
}

func givesUp(dir string) error {
	s, t, err := begun(dir, -1)
	if err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		return err
	}
	acknowledged := 0
	for ; acknowledged < 20000; acknowledged++ {
		if err = journalApp(t, acknowledged); err != nil {
			break
		}
	}
	if err == nil {
		return errors.New("the disk is never full")
	}
	select {
	case <-s.Failed():
	case <-time.After(patience):
		return fmt.Errorf("it is not told that the member gave up: %w", err)
	}
	if s.Err() == nil || !strings.Contains(s.Err().Error(), "no space left") {
		return fmt.Errorf("it does not say why: %w", s.Err())
	}
	select {
	case <-t.Lost():
	case <-time.After(patience):
		return errors.New("the leader goes on")
	}
	if err := s.Close(); err != nil {
		return err
	}
	// What was written stays: looked at as a new process does, on a copy, because
	// the one that gave up may still hold the database.
	if err := os.Remove(filepath.Join(filepath.Dir(dir), "filler")); err != nil {
		return err
	}
	again := dir + "2"
	if err := os.CopyFS(again, os.DirFS(filepath.Join(dir))); err != nil && !strings.Contains(err.Error(), "irregular") && !errors.Is(err, os.ErrInvalid) {
		return err
	}
	defer os.RemoveAll(again)
	if err := errors.Join(os.Chmod(again, 0o700), os.RemoveAll(filepath.Join(again, socketFolder))); err != nil {
		return err
	}
	s, err = Open(context.Background(), single(&testing.B{}, again))
	if err != nil {
		return err
	}
	defer s.Close()
	r, err := s.Reads(context.Background())
	if err != nil {
		return err
	}
	all, err := r.Open(context.Background())
	if err != nil || len(all) != 1 || len(all[0].Notes) < acknowledged {
		return fmt.Errorf("%d notes were acknowledged, open are %d moves: %w", acknowledged, len(all), err)
	}
	return nil
}

func fullAtStart(dir string) error {
	if err := fill(dir); err != nil {
		return err
	}
	_, err := Open(context.Background(), single(&testing.B{}, dir))
	if err == nil || !strings.Contains(err.Error(), "disk is full") && !strings.Contains(err.Error(), "whether it is full") && !strings.Contains(err.Error(), "no space left") {
		return fmt.Errorf("it says: %w", err)
	}
	return nil
}

func readOnly(dir string) error {
	s, _, err := begun(dir, -1)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	const again = "size=64m,mode=0700"
	if err := syscall.Mount("tmpfs", filepath.Dir(dir), "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, again); err != nil {
		return err
	}
	_, err = Open(context.Background(), single(&testing.B{}, dir))
	if err := syscall.Mount("tmpfs", filepath.Dir(dir), "tmpfs", syscall.MS_REMOUNT, again); err != nil {
		return err
	}
	if err == nil || !strings.Contains(err.Error(), "read-only") {
		return fmt.Errorf("it says: %w", err)
	}
	return nil
}

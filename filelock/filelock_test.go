package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// A second owner is told who holds the lock; what the first gives back can be
// taken again.
func TestAcquire(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	first, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(path)
	var h *Held
	if !errors.As(err, &h) || h.Path != path || runtime.GOOS != "windows" && h.PID != os.Getpid() {
		t.Errorf("the second owner is told %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
	if _, err := Acquire(filepath.Join(path, "none")); err == nil || errors.As(err, &h) && h.Path != path {
		t.Errorf("a path that cannot be: %v", err)
	}
}

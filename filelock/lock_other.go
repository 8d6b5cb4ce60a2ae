//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package filelock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Lock keeps other processes away by a file that exists. After a crash a person
// has to remove it.
type Lock struct{ path string }

// Acquire takes the lock or fails at once; *Held when the file exists.
func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, held(path, fmt.Errorf("%w (remove the file if no such process runs)", err))
	}
	if err != nil {
		return nil, err
	}
	return &Lock{path}, errors.Join(sign(f), f.Close())
}

// Release gives the lock back.
func (l *Lock) Release() error { return os.Remove(l.path) }

//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package audit

import (
	"errors"
	"fmt"
	"os"
)

// lock keeps other processes away by a file that exists. After a crash a person
// has to remove it.
type lock struct{ path string }

func acquire(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w (remove the file if no such process runs)", err)
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	return &lock{path}, errors.Join(err, f.Close())
}

func (l *lock) release() error { return os.Remove(l.path) }

//go:build !windows

package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// held makes the error for a file that somebody else has.
func held(path string, cause error) error { return &Held{Path: path, PID: holder(path), Cause: cause} }

// holder reads who has the lock.
func holder(path string) int {
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// sign writes the own process id into a file that was just locked.
func sign(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return errors.Join(err, f.Truncate(int64(len(strconv.Itoa(os.Getpid()))+1)))
}

package filelock

import (
	"errors"
	"fmt"
	"syscall"
)

// Lock keeps other processes away: the file is opened without sharing. The
// system gives it back when the process ends, however it ends.
type Lock struct{ handle syscall.Handle }

// sharingViolation is ERROR_SHARING_VIOLATION of the Windows system errors.
const sharingViolation = syscall.Errno(32)

// Acquire takes the lock or fails at once; *Held when another process has it.
// Who that is cannot be read while the file is not shared.
func Acquire(path string) (*Lock, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const sharedWithNobody = 0
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, sharedWithNobody, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, &Held{Path: path, Cause: err}
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{h}, nil
}

// Release gives the lock back.
func (l *Lock) Release() error { return syscall.CloseHandle(l.handle) }

package store

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

// freeBytes is what this user may still write to the disk of a folder.
func freeBytes(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return int64(free), err
}

// ownedByUs: a folder's owner is a matter of its access list here.
func ownedByUs(fs.FileInfo) error { return nil }

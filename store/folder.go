package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/samlfailover/samlfailover/filelock"
	"github.com/samlfailover/samlfailover/finding"
)

// The names inside the data folder.
const (
	lockFile     = "lock"
	dataFolder   = "etcd"
	socketFolder = "sock"
	ballastFile  = "ballast"
	identityFile = "store.json"
	restoredFile = "restored.json"
)

// maxSocketPath is how long a path to a socket may be on every system we run
// on: 104 bytes on macOS, 108 on Linux, with room for the end.
const maxSocketPath = 100

// folder is a data folder that this process owns.
type folder struct {
	dir  string
	lock *filelock.Lock
	// sockets is where the member's sockets are.
	sockets string
}

// trouble makes the finding for a data folder that cannot be used.
func trouble(dir, what, remedy string, err error) error {
	return fmt.Errorf("open the store: %w", finding.Finding{Code: finding.StoreFolder, Subject: "data folder " + dir,
		What: what, Why: err.Error(), Remedy: remedy})
}

// takeFolder makes the folder if need be and locks it before anything in it is
// touched: a second member would replace the sockets of the first.
func takeFolder(e *Embedded) (*folder, error) {
	if err := privateFolder(e.Dir); err != nil {
		return nil, trouble(e.Dir, "it cannot be used", "give the user of this process a folder of its own that it can write (mode 0700)", err)
	}
	lock, err := filelock.Acquire(filepath.Join(e.Dir, lockFile))
	var held *filelock.Held
	switch {
	case errors.As(err, &held):
		what := "another process has it"
		if held.PID != 0 {
			what = fmt.Sprintf("process %d has it", held.PID)
		}
		return nil, trouble(e.Dir, what, "let that controller run, and ask it over its socket; or stop it first", err)
	case err != nil:
		return nil, trouble(e.Dir, "it cannot be written", "check the owner and mode of the folder, whether the disk is mounted read-only, and whether it is full", err)
	}
	f := &folder{dir: e.Dir, lock: lock}
	if f.sockets, err = f.socketFolder(e.RuntimeDir); err != nil {
		return nil, errors.Join(trouble(e.Dir, "there is no place for its sockets", "name a short folder that only this user can write as runtime folder", err), lock.Release())
	}
	return f, nil
}

// privateFolder makes a folder that only its owner may enter, and refuses one
// that others may enter.
func privateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		if info, err = os.Stat(dir); err != nil {
			return err
		}
	}
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others may enter %s (mode %04o): run: chmod 700 %s", dir, info.Mode().Perm(), dir)
	}
	return ownedByUs(info)
}

// socketFolder is sock in the data folder; if the path of a socket in it would
// be too long, a folder named after the data folder's path, of this user only,
// in the runtime folder.
func (f *folder) socketFolder(runtimeDir string) (string, error) {
	dir := filepath.Join(f.dir, socketFolder)
	if len(filepath.Join(dir, "client.sock")) > maxSocketPath {
		if runtimeDir == "" {
			runtimeDir = os.TempDir()
		}
		sum := sha256.Sum256([]byte(f.dir))
		dir = filepath.Join(runtimeDir, fmt.Sprintf("samlfailover-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])))
		if path := filepath.Join(dir, "client.sock"); len(path) > maxSocketPath {
			return "", fmt.Errorf("the path %s is longer than %d bytes, which is what a system allows for a socket", path, maxSocketPath)
		}
		if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", fmt.Errorf("%s is a symbolic link", dir)
		}
	}
	return dir, privateFolder(dir)
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// release gives the lock back, and takes a folder for sockets away that lies
// elsewhere.
func (f *folder) release() error {
	if filepath.Dir(f.sockets) != f.dir {
		_ = os.Remove(f.sockets) // what is left in it, a crash has left: the next start uses it again
	}
	return f.lock.Release()
}

// identity is what the data folder remembers of the store that it is part of:
// an emptied store is told from a new one.
type identity struct {
	Store string `json:"store"`
}

// readJSON reads a small file of the data folder; fs.ErrNotExist if it is not
// there.
func (f *folder) readJSON(name string, into any) error {
	raw, err := os.ReadFile(f.path(name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read %s: %w", f.path(name), err)
	}
	return nil
}

func (f *folder) writeJSON(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFile(f.path(name), raw)
}

// writeFile replaces a file in one durable step, readable by its owner only.
func writeFile(path string, raw []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return settle(f, path, err)
}

// settle syncs a temporary file and gives it its name, or removes it.
func settle(f *os.File, path string, err error) error {
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ballast is a file that keeps space for a move on a disk that others fill.
type ballast struct {
	path string
	size int64
	mu   sync.Mutex
	held bool
}

// fill makes the file if there is room for it and as much again, and says
// whether it is there.
func (b *ballast) fill() (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size <= 0 {
		return false, nil
	}
	if info, err := os.Stat(b.path); err == nil && info.Size() == b.size {
		b.held = true
		return true, nil
	}
	if free, err := freeBytes(filepath.Dir(b.path)); err == nil && free < 2*b.size {
		return false, nil
	}
	f, err := os.CreateTemp(filepath.Dir(b.path), ".new-*")
	if err != nil {
		return false, fmt.Errorf("make the ballast file: %w", err)
	}
	// Random bytes: a file system that packs or skips zeros would keep no space.
	_, err = io.CopyN(f, rand.Reader, b.size)
	if err := settle(f, b.path, err); err != nil {
		return false, fmt.Errorf("make the ballast file: %w", err)
	}
	b.held = true
	return true, nil
}

// give gives the space up if the disk has less than half of it left. It is asked
// before each write and costs about a microsecond.
func (b *ballast) give() (given bool) {
	if b == nil || b.size <= 0 {
		return false
	}
	if free, err := freeBytes(filepath.Dir(b.path)); err != nil || free >= b.size/2 {
		return false
	}
	return b.drop()
}

// drop removes the file.
func (b *ballast) drop() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held {
		return false
	}
	b.held = false
	return os.Remove(b.path) == nil
}

func (b *ballast) there() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

// diskFull reports whether an error, or what etcd said, means a full disk.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), syscall.ENOSPC.Error())
}

// MakeRoom gives the ballast up if the disk of the data folder is nearly full. It
// is called before everything that a move cannot do without is written to that
// disk, here and beside the store. In an existing cluster it does nothing.
func (s *Store) MakeRoom() {
	if s.cargo.give() {
		s.log.Error("store: the disk is nearly full; the ballast file was removed so that a move can be recorded", "folder", s.folder.dir)
	}
}

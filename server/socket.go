package server

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSocketPath is a safe length for a Unix socket's path: sun_path holds 104
// bytes on macOS and 108 on Linux (their unix(4) and unix(7) manual pages).
const maxSocketPath = 100

// shortBase holds the folders of data folders whose own path is too long. It is
// the same for every shell of a user: TMPDIR may differ between the controller
// and the command that looks for it.
func shortBase() string {
	if modesMatter {
		return "/tmp"
	}
	return os.TempDir()
}

// Place says where a controller's local socket and token lie. It is a function
// of the data folder alone, so that a command finds the controller by its
// config.
type Place struct {
	Dir    string // 0700
	Socket string
	Token  string // 0600
}

// PlaceOf returns the place for a data folder: inside it, or, when that path
// is too long for a socket, in a short folder of this user's elsewhere.
func PlaceOf(dataDir string) (Place, error) {
	abs, err := filepath.Abs(dataDir)
	if err != nil {
		return Place{}, fmt.Errorf("local socket: find the data folder %s: %w", dataDir, err)
	}
	dir := filepath.Join(abs, "run")
	if len(filepath.Join(dir, "api.sock")) > maxSocketPath {
		sum := sha256.Sum256([]byte(abs))
		dir = filepath.Join(shortBase(), fmt.Sprintf("samlfailover-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6])))
	}
	return Place{Dir: dir, Socket: filepath.Join(dir, "api.sock"), Token: filepath.Join(dir, "token")}, nil
}

// Listen makes the folder, a fresh token and the socket. A socket that another
// process still answers on is left alone and reported.
func (p Place) Listen() (net.Listener, string, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("local socket: make folder %s: %w", p.Dir, err)
	}
	if err := checkPrivate(p.Dir); err != nil {
		return nil, "", err
	}
	if err := p.vacant(); err != nil {
		return nil, "", err
	}
	if err := os.Remove(p.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("local socket: remove the stale %s: %w", p.Socket, err)
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return nil, "", fmt.Errorf("local socket: make a token: %w", err)
	}
	token := hex.EncodeToString(raw)
	if err := writePrivate(p.Token, token+"\n"); err != nil {
		return nil, "", err
	}
	l, err := net.Listen("unix", p.Socket)
	if err != nil {
		return nil, "", fmt.Errorf("local socket: listen on %s: %w", p.Socket, err)
	}
	if err := os.Chmod(p.Socket, 0o600); err != nil {
		return nil, "", errors.Join(fmt.Errorf("local socket: protect %s: %w", p.Socket, err), l.Close())
	}
	return l, token, nil
}

// vacant refuses a socket that somebody listens on, even one that is too busy
// to take another connection.
func (p Place) vacant() error {
	c, err := net.Dial("unix", p.Socket)
	switch {
	case err == nil:
		_ = c.Close()
	case !errors.Is(err, syscall.EAGAIN):
		return nil
	}
	return fmt.Errorf("local socket %s: another controller is running on this data folder; stop it first", p.Socket)
}

// ReadToken returns the token of a running controller. Outside the data folder
// somebody else may have put a folder there to pose as the controller: one that
// is not this user's alone is refused.
func (p Place) ReadToken() (string, error) {
	if filepath.Dir(p.Dir) == shortBase() {
		if err := checkPrivate(p.Dir); err != nil {
			return "", err
		}
	}
	b, err := os.ReadFile(p.Token)
	if err != nil {
		return "", fmt.Errorf("read the controller's token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// checkPrivate refuses a folder that others may enter: somebody may have put it
// there before us.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("local socket: look at folder %s: %w", dir, err)
	}
	if !info.IsDir() || (modesMatter && info.Mode().Perm()&0o077 != 0) || !ownedByUs(info) {
		return fmt.Errorf("local socket: folder %s must be a folder of yours with mode 0700, it is %s; remove it or: chmod 700 %s", dir, info.Mode(), dir)
	}
	return nil
}

// writePrivate writes a new 0600 file in place of an old one.
func writePrivate(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*")
	if err != nil {
		return fmt.Errorf("local socket: write %s: %w", path, err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("local socket: write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

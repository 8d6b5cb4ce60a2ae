//go:build unix

package server

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func placeIn(t *testing.T, dataDir string) Place {
	t.Helper()
	p, err := PlaceOf(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() != want {
		t.Errorf("%s: %v, %v, want mode %o", path, info, err, want)
	}
}

// Folder 0700, token and socket 0600; the token that is handed out is the one in
// the file and a new one each time.
func TestListen(t *testing.T) {
	t.Parallel()
	p := placeIn(t, t.TempDir())
	var last string
	for range 2 {
		l, token, err := p.Listen()
		if err != nil {
			t.Fatal(err)
		}
		wantMode(t, p.Dir, 0o700)
		wantMode(t, p.Token, 0o600)
		wantMode(t, p.Socket, 0o600)
		got, err := p.ReadToken()
		if err != nil || got != token || len(token) != 64 || token == last {
			t.Errorf("token %q, file %q, before %q, %v", token, got, last, err)
		}
		last = token
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(p.Socket); err == nil {
			t.Error("the socket is still there after the listener was closed")
		}
	}
	left, err := os.ReadDir(p.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != "token" {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A long data folder gets a short place of its own, the same for every caller.
func TestLongPath(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	p := placeIn(t, long)
	if len(p.Socket) > maxSocketPath || strings.HasPrefix(p.Dir, long) || p != placeIn(t, long+"/.") || p == placeIn(t, long+"2") {
		t.Fatalf("place %+v", p)
	}
	t.Cleanup(func() { _ = os.RemoveAll(p.Dir) })
	l, token, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wantMode(t, p.Dir, 0o700)
	if got, err := p.ReadToken(); err != nil || got != token {
		t.Errorf("token %q, %v", got, err)
	}
	// Somebody else's folder in that place could pose as the controller.
	if err := os.Chmod(p.Dir, 0o755); err != nil { //nolint:gosec // the saboteur
		t.Fatal(err)
	}
	if _, err := p.ReadToken(); err == nil || !strings.Contains(err.Error(), p.Dir) {
		t.Errorf("the token of an open folder is taken: %v", err)
	}
}

func TestShortPathStaysInside(t *testing.T) {
	t.Parallel()
	if p := placeIn(t, "/var/lib/samlfailover"); p.Dir != "/var/lib/samlfailover/run" || p.Socket != p.Dir+"/api.sock" || p.Token != p.Dir+"/token" {
		t.Errorf("place %+v", p)
	}
}

// What a killed controller leaves behind is replaced.
func TestStaleSocket(t *testing.T) {
	t.Parallel()
	p := placeIn(t, t.TempDir())
	l, _, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if _, err := os.Lstat(p.Socket); err != nil {
		t.Fatalf("the test left no stale socket: %v", err)
	}
	l, _, err = p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// A running controller keeps its socket and its token.
func TestLiveSocket(t *testing.T) {
	t.Parallel()
	p := placeIn(t, t.TempDir())
	l, token, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refused := func(when string) {
		t.Helper()
		other, _, err := p.Listen()
		if err == nil {
			_ = other.Close()
			t.Fatalf("the place was taken over %s", when)
		}
		if !strings.Contains(err.Error(), "another controller is running") {
			t.Error(err)
		}
	}
	refused("while nothing waits")
	// Nobody accepts: fill the queue until it takes no more, as with a controller
	// that is very busy.
	for n := 0; ; n++ {
		c, err := net.Dial("unix", p.Socket)
		if err != nil {
			break
		}
		defer c.Close()
		if n > 1<<14 {
			t.Skip("the queue has no end on this system")
		}
	}
	refused("while the queue is full")
	if got, err := p.ReadToken(); err != nil || got != token {
		t.Errorf("the running controller's token was replaced by %q, %v", got, err)
	}
}

// A folder that others may enter, or that is no folder, is refused with the way
// out.
func TestForeignFolder(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"open to others": func(t *testing.T, dir string) { make1(t, os.Mkdir(dir, 0o700), os.Chmod(dir, 0o755)) }, //nolint:gosec // the saboteur
		"writable by the group": func(t *testing.T, dir string) {
			make1(t, os.Mkdir(dir, 0o700), os.Chmod(dir, 0o720)) //nolint:gosec // the saboteur
		},
		"a link": func(t *testing.T, dir string) { make1(t, os.Symlink(t.TempDir(), dir)) },
		"a file": func(t *testing.T, dir string) { make1(t, os.WriteFile(dir, nil, 0o600)) },
		"somebody else's": func(t *testing.T, dir string) {
			if os.Getuid() != 0 {
				t.Skip("only root can give a folder away")
			}
			make1(t, os.Mkdir(dir, 0o700), os.Chown(dir, 65534, -1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := placeIn(t, t.TempDir())
			spoil(t, p.Dir)
			l, _, err := p.Listen()
			if err == nil {
				_ = l.Close()
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), p.Dir) {
				t.Errorf("%v does not name the folder", err)
			}
			if _, err := os.Stat(p.Token); err == nil {
				t.Error("a token was written there")
			}
		})
	}
}

func make1(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

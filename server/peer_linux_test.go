package server

import (
	"context"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/samlfailover/samlfailover/control"
)

// nobody is a user id other than the test's own.
const nobody = 65534

// connectAs opens a connection as another user: the user id of one system
// thread is changed, and the thread ends with its goroutine.
func connectAs(uid int, socket string) (net.Conn, error) {
	type opened struct {
		c   net.Conn
		err error
	}
	out := make(chan opened)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is of no use any more
		keep := ^uintptr(0)
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
			out <- opened{nil, errno}
			return
		}
		c, err := net.Dial("unix", socket)
		out <- opened{c, err}
	}()
	o := <-out
	return o.c, o.err
}

// The actor is the OS user at the other end, as the kernel says; nothing in the
// request can change that.
func TestActor(t *testing.T) {
	t.Parallel()
	socket := "@samlfailover-test-" + strconv.Itoa(os.Getpid()) + strconv.FormatInt(time.Now().UnixNano(), 36) // no file: open to every user
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, cases{plan: func(a control.Actor, _ control.MoveRequest) (control.Decision, error) {
		return control.Decision{Why: a.String()}, nil
	}})
	serveOn(t, s, l, socket)
	actor := func(dial func() (net.Conn, error)) string {
		tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() }}
		defer tr.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+Host+"/v1/plan", strings.NewReader(`{"to":"us-west-2"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("X-Forwarded-User", "mallory")
		r.SetBasicAuth("mallory", "x")
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b := make([]byte, 4096)
		n, _ := res.Body.Read(b)
		return string(b[:n])
	}
	own := func() (net.Conn, error) { return net.Dial("unix", socket) }
	if got := actor(own); !strings.Contains(got, `"the-owner via socket"`) {
		t.Errorf("we ourselves are %s", got)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can connect as somebody else")
	}
	got := actor(func() (net.Conn, error) { return connectAs(nobody, socket) })
	if strings.Contains(got, "the-owner") || !strings.Contains(got, "nobody via socket") && !strings.Contains(got, "uid 65534 via socket") {
		t.Errorf("somebody else is %s", got)
	}
}

// Where the system does not tell, it is the owner of this process; a user that
// has no name is shown by number.
func TestNames(t *testing.T) {
	t.Parallel()
	s := newServer(t, cases{})
	for uid, want := range map[string]string{"": "the-owner", strconv.Itoa(os.Getuid()): "the-owner", "4123456789": "uid 4123456789"} {
		if got := s.name(uid); got != want {
			t.Errorf("user %q is %q, want %q", uid, got, want)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if got := peerUID(a); got != "" {
		t.Errorf("a pipe has user %q", got)
	}
}

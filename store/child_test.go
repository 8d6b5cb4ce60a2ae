package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/failover/move"
	"github.com/samlfailover/samlfailover/federation"
)

// child runs a job of the re-executed test binary: a process that can be killed.
func child(job string) int {
	dir := os.Getenv("STORE_TEST_DIR")
	if job == "disk" {
		return diskJob(dir)
	}
	t := &testing.B{}
	o := single(t, dir)
	o.Embedded.UnsafeNoSync = false
	s, err := Open(context.Background(), o)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	defer s.Close()
	switch job {
	case "hold":
		fmt.Println("open")
		_, err = io.Copy(io.Discard, os.Stdin)
	case "listen":
		err = tellListeners(dir)
	case "journal":
		err = writeForEver(s)
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// tellListeners prints a line for each TCP port that this process listens on,
// and for each socket of its outside the folder; then how many there are inside.
func tellListeners(dir string) error {
	mine := map[string]bool{}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			mine[strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")] = true
		}
	}
	inside := 0
	for _, table := range []string{"tcp", "tcp6"} {
		raw, err := os.ReadFile("/proc/self/net/" + table)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(raw), "\n")[1:] {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && mine[f[9]] {
				fmt.Println("listens on", f[1])
			}
		}
	}
	raw, err := os.ReadFile("/proc/self/net/unix")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(raw), "\n")[1:] {
		f := strings.Fields(line)
		const listening = "00010000" // the flag __SO_ACCEPTCON
		switch {
		case len(f) < 8 || f[3] != listening || !mine[f[6]]:
		case strings.HasPrefix(f[7], dir+"/"):
			inside++
		default:
			fmt.Println("listens on the socket", f[7])
		}
	}
	fmt.Println("sockets", inside)
	return nil
}

// writeForEver begins a move and acknowledges each note once it is journaled.
func writeForEver(s *Store) error {
	ctx := context.Background()
	t, err := s.Campaign(ctx)
	if err != nil {
		return err
	}
	if err := t.Journal().Begin(ctx, record("m1", "corp", 3)); err != nil {
		return err
	}
	fmt.Println("begun")
	for i := 0; ; i++ {
		n := note(federation.AppRef{Tenant: "okta", ID: fmt.Sprint(i)}, move.Planned)
		if err := t.Journal().Note(ctx, "m1", n); err != nil {
			return err
		}
		fmt.Println("noted", n.App)
		if err := t.Audit().Record(ctx, "a", "b", n.App, nil); err != nil {
			return err
		}
		fmt.Println("recorded", n.App)
	}
}

// process is a running job.
type process struct {
	cmd   *exec.Cmd
	out   *bufio.Scanner
	stdin io.WriteCloser
}

// start re-executes the test binary.
func start(t *testing.T, job, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_JOB="+job, "STORE_TEST_DIR="+dir, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &process{cmd: cmd, out: bufio.NewScanner(out), stdin: in}
}

// lines reads lines until one of them is last, or the process ends.
func (p *process) lines(last string) []string {
	var out []string
	for p.out.Scan() {
		out = append(out, p.out.Text())
		if p.out.Text() == last {
			break
		}
	}
	return out
}

package clustertest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The environment of the test binary that is run again inside its own
// namespaces.
const (
	insideVar  = "CLUSTERTEST_INSIDE" // set: this is it
	programVar = "CLUSTERTEST_PROGRAM"
)

// TestMain keeps the tests that need an inside of their own apart: they are run
// by TestControllers, in namespaces where that is allowed.
func TestMain(m *testing.M) {
	if os.Getenv(insideVar) == "" {
		os.Exit(m.Run())
	}
	if err := settle(); err != nil {
		fmt.Println("no namespaces:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// settle makes the network of the namespace that this process was put into: a
// bridge, to which each controller's network will be tied.
func settle() error {
	if os.Getenv(insideVar) != "namespaces" {
		return nil
	}
	return ip("link set lo up", "link add br0 type bridge", "addr add "+worldAddress+"/24 dev br0", "link set br0 up")
}

// ip runs iproute2 with each of the lines.
func ip(lines ...string) error {
	for _, line := range lines {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

// lacking skips a test that cannot be run here. Where everything has to be there
// (TEST_ALL=1) it fails.
func lacking(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("TEST_ALL") == "1" {
		t.Fatal(why + " (TEST_ALL=1: no test may be skipped)")
	}
	t.Skip(why)
}

// namespaces reports whether this process may have a network of its own, and
// small disks.
func namespaces() error {
	for _, tool := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("there is no %s here; on Debian: apt-get install iproute2 util-linux", tool)
		}
	}
	cmd := exec.Command("ip", "link", "add", "br0", "type", "bridge")
	cmd.SysProcAttr = apart()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("this system allows no namespaces: %w: %s", err, out)
	}
	return nil
}

// apart puts a process into namespaces of its own: networks and mounts that
// nobody else sees and that end with it. It needs no privilege.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
}

// TestControllers builds the program and runs every test below with it, in
// namespaces where the system allows them.
func TestControllers(t *testing.T) {
	if os.Getenv("TEST_CLUSTER") != "1" {
		t.Skip("three controllers as processes take minutes; TEST_CLUSTER=1 runs them")
	}
	if os.Getenv(insideVar) != "" {
		t.Skip("this is the inside already")
	}
	program := filepath.Join(t.TempDir(), "samlfailover")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/samlfailover")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	kind := "namespaces"
	why := namespaces()
	if why != nil {
		if os.Getenv("TEST_ALL") == "1" {
			t.Fatalf("%v (TEST_ALL=1: no test may be skipped)", why)
		}
		t.Logf("on loopback, and without the tests that cut or fill something: %v", why)
		kind = "loopback"
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^TestInside", "-test.v", "-test.count=1", "-test.timeout=9m"}
	if only := os.Getenv("TEST_CLUSTER_ONLY"); only != "" {
		args[0] = "-test.run=" + only
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), insideVar+"="+kind, programVar+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if kind == "namespaces" {
		cmd.SysProcAttr = apart()
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, os.Stdout), os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("inside: %v", err)
	}
	if !strings.Contains(out.String(), "--- PASS: TestInside") {
		t.Error("no test was run inside")
	}
}

// inside skips a test that has not been put where it belongs.
func inside(t *testing.T) {
	t.Helper()
	if os.Getenv(insideVar) == "" {
		t.Skip("TestControllers runs it inside")
	}
}

// apartOnly skips a test that needs the namespaces.
func apartOnly(t *testing.T) {
	t.Helper()
	inside(t)
	if os.Getenv(insideVar) != "namespaces" {
		lacking(t, "this system allows no namespaces")
	}
}

// Saboteur: a machine without iproute2 is told apart from one where all is well.
func TestNoToolsNoNamespaces(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if err := namespaces(); err == nil || errors.Unwrap(err) != nil || !strings.Contains(err.Error(), "apt-get install iproute2") {
		t.Errorf("without iproute2: %v", err)
	}
}

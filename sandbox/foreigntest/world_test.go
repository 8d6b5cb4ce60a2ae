package foreigntest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/login"
	"github.com/samlfailover/samlfailover/sandbox/seed"
	"github.com/samlfailover/samlfailover/signin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a running world with its folder, and a home for the programs that
// visit it.
type place struct {
	*sandbox.World
	dir, home string
}

// running serves a new demo world until the test ends.
func running(t *testing.T) place {
	t.Helper()
	return runningIn(t, signin.AWS)
}

// runningIn serves the demo world of a partition.
func runningIn(t *testing.T, partition signin.Partition) place {
	t.Helper()
	w, err := sandbox.New(sandbox.Options{Seed: seed.Options{Partition: partition}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	p := place{w, filepath.Join(t.TempDir(), "world"), t.TempDir()}
	if err := w.WriteDir(p.dir); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

func (p place) breaks(t *testing.T, target string, effect fault.Effect) {
	t.Helper()
	if _, err := p.Fault(fault.Fault{Target: target, Effect: effect}); err != nil {
		t.Fatal(err)
	}
}

// answer is what a program left behind.
type answer struct {
	out, err string
	code     int
}

// run starts a program in a shell that has sourced the world's env file and
// otherwise knows its PATH and an empty home only. Leading words of the form
// NAME=value are added to its environment.
func (p place) run(t *testing.T, words ...string) answer {
	t.Helper()
	return p.feed(t, "", words...)
}

// feed is run with text on the program's standard input.
func (p place) feed(t *testing.T, input string, words ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := append([]string{"-c", `. "$1/env"; shift; exec env "$@"`, "sh", p.dir}, words...)
	cmd := exec.CommandContext(ctx, tool(t, "sh", "dash"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.home}
	cmd.Dir = p.home
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("run %s: %v (%v)\n%s%s", words, err, ctx.Err(), out.Bytes(), errs.Bytes())
	}
	return answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must is run for a program that has to succeed; it returns what it printed.
func (p place) must(t *testing.T, words ...string) string {
	t.Helper()
	a := p.run(t, words...)
	if a.code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", words, a.code, a.out, a.err)
	}
	return a.out
}

// tool returns the path of a foreign program: a name is looked for in PATH, a
// path is taken as it is.
func tool(t *testing.T, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		lacking(t, fmt.Sprintf("there is no %s here; on Debian: apt-get install %s", name, debianPackage))
	}
	return path
}

// lacking skips a test whose foreign program is not installed. Where everything
// has to be there (TEST_ALL=1) it fails.
func lacking(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("TEST_ALL") == "1" {
		t.Fatal(why + " (TEST_ALL=1: no test may be skipped)")
	}
	t.Skip(why)
}

// signIn signs a person in at the portal and returns what a browser would have
// sent to AWS.
func (p place) signIn(t *testing.T, app, user string) login.Result {
	t.Helper()
	res := p.Login(t.Context(), app, user)
	if !res.OK || len(res.Assertion) == 0 {
		t.Fatalf("%s cannot sign in to %s: %s", user, app, res.Reason)
	}
	return res
}

// again runs one test of this package in a process of its own, with this
// environment, and returns its exit code and output.
func again(t *testing.T, test string, environment ...string) (int, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+test+"$", "-test.v", "-test.count=1")
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0", "TMPDIR=" + t.TempDir()}, environment...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// Saboteur: a machine without curl.
func TestAMissingToolIsSkippedOrFails(t *testing.T) {
	t.Parallel()
	const remedy = "apt-get install"
	nowhere := "PATH=" + t.TempDir()
	if code, out := again(t, "TestCurl", nowhere); code != 0 || !strings.Contains(out, "--- SKIP") || !strings.Contains(out, remedy) {
		t.Errorf("without curl: exit code %d\n%s", code, out)
	}
	if code, out := again(t, "TestCurl", nowhere, "TEST_ALL=1"); code == 0 || strings.Contains(out, "--- SKIP") || !strings.Contains(out, remedy) {
		t.Errorf("without curl, with TEST_ALL=1: exit code %d\n%s", code, out)
	}
}

// Saboteur: a machine with settings of its own, every one of which would lead a
// program astray.
func TestTheMachinesOwnSettingsAreNotSeen(t *testing.T) {
	t.Parallel()
	tool(t, "curl", "curl")
	tool(t, "/usr/bin/aws", "awscli")
	machine := []string{"PATH=" + os.Getenv("PATH"), "AWS_PROFILE=production", "AWS_ACCESS_KEY_ID=AKIAOTHER", "AWS_SESSION_TOKEN=other",
		"AWS_ENDPOINT_URL=https://127.0.0.1:9", "AWS_CONFIG_FILE=/nowhere", "HTTP_PROXY=http://127.0.0.1:9", "NO_PROXY=*", "no_proxy=*"}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		machine = append(machine, name+"=http://127.0.0.1:9")
	}
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"} {
		machine = append(machine, name+"=/nowhere/ca.pem")
	}
	for _, test := range []string{"TestCurl", "TestAWSCallerIdentity"} {
		if code, out := again(t, test, machine...); code != 0 || !strings.Contains(out, "--- PASS: "+test) {
			t.Errorf("%s on a machine with its own settings: exit code %d\n%s", test, code, out)
		}
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds every wait for something that happens by itself.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"samlfailover": main})
}

// TestScripts runs the program as a shell would: real processes, sockets,
// files and exit codes. Scripts live in testdata/script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every process under -race sleeps a second at its end
			env.Values[envKey{}] = &scriptEnv{names: []string{"PATH", "HOME", "TMPDIR", "WORK", "SYSTEMROOT", "GORACE"}}
			return nil
		},
		UpdateScripts: *update,
		Condition:     condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "await": await, "eventually": eventually, "source": source, "exits": exits, "objects": objects,
		},
	})
}

// condition knows netns: this machine lets us run a process without a network.
func condition(name string) (bool, error) {
	if name != "netns" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	return exec.Command("unshare", "-rn", "true").Run() == nil, nil
}

type envKey struct{}

// scriptEnv holds the names of the variables that processes in the background
// get.
type scriptEnv struct{ names []string }

// start NAME ARG...: run samlfailover in the background, its streams in
// NAME.out and NAME.err. It is interrupted at the end, and must then end well.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARG...")
	}
	path, err := exec.LookPath("samlfailover")
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, n := range ts.Value(envKey{}).(*scriptEnv).names {
		cmd.Env = append(cmd.Env, n+"="+ts.Getenv(n))
	}
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		late.Stop()
		_, _ = out.Close(), errs.Close()
		if err != nil {
			text, _ := os.ReadFile(errs.Name())
			ts.Fatalf("%s did not end well: %v\n%s", args[0], err, text)
		}
	})
}

// await FILE REGEXP: wait until a file has a matching line.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var text []byte
	if !poll(func() bool { text, _ = os.ReadFile(ts.MkAbs(args[0])); return re.Match(text) }) {
		ts.Fatalf("%s does not come to match %s:\n%s", args[0], args[1], text)
	}
}

// eventually REGEXP ARG...: run samlfailover again and again until its standard
// output has a matching line.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually REGEXP ARG...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	if !poll(func() bool {
		return ts.Exec("samlfailover", args[1:]...) == nil && re.MatchString(ts.ReadFile("stdout"))
	}) {
		ts.Fatalf("samlfailover %s does not come to print %s", strings.Join(args[1:], " "), args[0])
	}
}

// poll asks again and again until the condition holds or patience ends.
func poll(holds func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if holds() {
			return true
		}
	}
	return holds()
}

// source FILE: take over the variables of an env file, as a shell would.
func source(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: source FILE")
	}
	env := ts.Value(envKey{}).(*scriptEnv)
	vars, err := sourced(ts.ReadFile(args[0]))
	ts.Check(err)
	for name, value := range vars {
		ts.Setenv(name, value)
		if !slices.Contains(env.names, name) {
			env.names = append(env.names, name)
		}
	}
}

// sourced reads the export lines of an env file.
func sourced(text string) (map[string]string, error) {
	vars := map[string]string{}
	for _, l := range strings.Split(text, "\n") {
		rest, ok := strings.CutPrefix(l, "export ")
		if !ok {
			continue
		}
		name, value, ok := strings.Cut(rest, "=")
		if !ok || len(value) < 2 || value[0] != '\'' || value[len(value)-1] != '\'' {
			return nil, fmt.Errorf("cannot read the line %q", l)
		}
		vars[name] = strings.ReplaceAll(value[1:len(value)-1], `'\''`, "'")
	}
	if len(vars) == 0 {
		return nil, errors.New("the env file exports nothing")
	}
	return vars, nil
}

// exits CODE ARG...: run samlfailover; it must end with exactly this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec("samlfailover", args[1:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// objects N KEY...: standard output must be N JSON objects, one a line (N is a
// number, or + for at least one), each with these keys. A key may be a path
// such as federations.0.apps.0.app; KEY=VALUE wants that value as text.
func objects(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: objects N KEY...")
	}
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\n"), "\n")
	if args[0] != "+" && args[0] != strconv.Itoa(len(lines)) {
		ts.Fatalf("%d lines, want %s", len(lines), args[0])
	}
	for i, l := range lines {
		var v map[string]any
		d := json.NewDecoder(bytes.NewReader([]byte(l)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			ts.Fatalf("line %d is no JSON object: %v\n%s", i+1, err, l)
		}
		for _, want := range args[1:] {
			path, value, exact := strings.Cut(want, "=")
			got, ok := at(v, strings.Split(path, "."))
			if !ok || exact && fmt.Sprint(got) != value {
				ts.Fatalf("line %d: want %s, have %v in\n%s", i+1, want, got, l)
			}
		}
	}
}

// at finds a value inside decoded JSON.
func at(v any, path []string) (any, bool) {
	if len(path) == 0 {
		return v, true
	}
	switch x := v.(type) {
	case map[string]any:
		next, ok := x[path[0]]
		if !ok {
			return nil, false
		}
		return at(next, path[1:])
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(x) {
			return nil, false
		}
		return at(x[i], path[1:])
	}
	return nil, false
}

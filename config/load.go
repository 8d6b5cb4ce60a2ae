package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"

	"github.com/samlfailover/samlfailover/finding"
)

const (
	// maxFile bounds the config file.
	maxFile = 1 << 20
	// EnvFile is the environment variable that names the config file.
	EnvFile = "SAMLFAILOVER_CONFIG"
	// DefaultFile is looked for in the working folder.
	DefaultFile = "samlfailover.yaml"
)

// Options of Load; the zero value is what serve uses.
type Options struct {
	// SkipSecretFiles leaves the files that references name alone: for looking
	// at a config on a machine that does not hold its secrets.
	SkipSecretFiles bool
	// WithoutFederations accepts a config that names no federations yet, for
	// finding out what belongs together.
	WithoutFederations bool
}

// Find returns the config file to use: flag (-c), else $SAMLFAILOVER_CONFIG of
// env, else ./samlfailover.yaml if it is there. The error says where it looked.
func Find(flag string, env map[string]string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if name := env[EnvFile]; name != "" {
		return name, nil
	}
	if _, err := os.Stat(DefaultFile); err == nil {
		return DefaultFile, nil
	}
	return "", finding.Finding{Code: finding.ConfigInvalid, Subject: "config", What: "no config file was found",
		Why:    fmt.Sprintf("-c was not given, $%s is not set, and ./%s is not there", EnvFile, DefaultFile),
		Remedy: "name the file with -c, or see the program at work first: samlfailover demo"}
}

// Load reads and checks a config file. It refuses a file, or a secret file that
// the config names, which other users can change (spec 15.3; not on Windows,
// where the mode says nothing). A bad config gives *Error with every problem.
func Load(path string, o Options) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parse(path, data, o)
	if err != nil {
		return nil, err
	}
	if o.SkipSecretFiles || runtime.GOOS == "windows" {
		return c, nil
	}
	return c.checkSecretFiles()
}

// readFile returns the content of a config file that only its owner can change.
func readFile(path string) ([]byte, error) {
	fail := func(code finding.Code, message, remedy string) ([]byte, error) {
		return nil, &Error{[]Problem{{File: path, Message: message, Remedy: remedy, Code: code}}}
	}
	f, err := os.Open(path)
	if err != nil {
		var why *fs.PathError
		if errors.As(err, &why) {
			err = why.Err
		}
		return fail(finding.ConfigInvalid, fmt.Sprintf("cannot be read: %v", err), "check the path and the file's mode")
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return fail(finding.ConfigInvalid, fmt.Sprintf("cannot be read: %v", err), "check the file")
	case info.IsDir():
		return fail(finding.ConfigInvalid, "is a directory", "name the file in it, such as "+filepath.Join(path, DefaultFile))
	case info.Mode().IsRegular() && info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return fail(finding.ConfigWritable, fmt.Sprintf("can be changed by other users (mode %04o)", info.Mode().Perm()), "run: chmod go-w "+path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fail(finding.ConfigInvalid, fmt.Sprintf("cannot be read: %v", err), "check the file")
	}
	return data, nil
}

// checkSecretFiles looks at the mode of every file that a reference names.
func (c *Config) checkSecretFiles() (*Config, error) {
	fail := &Error{}
	for path, name := range c.references() {
		refused, doubted := checkSecretFile(name)
		p := Problem{File: c.file, Pos: c.places[path], Path: path, Message: refused, Remedy: "run: chmod 600 " + name, Code: finding.ConfigWritable}
		if refused != "" {
			fail.Problems = append(fail.Problems, p)
		}
		if doubted != "" {
			p.Message, p.Code = doubted, finding.ConfigInvalid
			c.Warnings = append(c.Warnings, p)
		}
	}
	sortProblems(c.Warnings)
	if len(fail.Problems) > 0 {
		sortProblems(fail.Problems)
		return nil, fail
	}
	return c, nil
}

// StoreDir returns the data folder that a config names, whatever else is wrong
// with the config: for finding the controller that still runs on an earlier
// version of it.
func StoreDir(path string) (string, error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	tree, bad := readTree(path, data)
	if bad != nil {
		return "", &Error{[]Problem{*bad}}
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the folder of config %s: %w", path, err)
	}
	var doc document
	c := checker{decoder: newDecoder(path), dir: filepath.Dir(full), doc: &doc}
	c.value(tree, "", field{}, reflect.ValueOf(&doc).Elem())
	if c.store(); !filepath.IsAbs(doc.Store.Dir) {
		return "", fmt.Errorf("config %s names no data folder that can be used", path)
	}
	return doc.Store.Dir, nil
}

// Parse checks the text of a config. name is shown in messages, and its folder
// is where relative paths start. A bad config gives *Error with every problem.
func Parse(name string, data []byte) (*Config, error) { return parse(name, data, Options{}) }

func parse(name string, data []byte, o Options) (*Config, error) {
	tree, bad := readTree(name, data)
	if bad != nil {
		return nil, &Error{[]Problem{*bad}}
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("find the folder of config %s: %w", name, err)
	}
	d := newDecoder(name)
	d.waived["federations"] = o.WithoutFederations
	d.include(tree, filepath.Dir(full))
	var doc document
	d.value(tree, "", field{}, reflect.ValueOf(&doc).Elem())
	if d.values >= maxValues {
		d.included.settle(d.problems)
		return nil, &Error{d.problems[:1]}
	}
	c := checker{decoder: d, dir: filepath.Dir(full), doc: &doc}
	out := c.check()
	out.text, out.included = data, d.included.paths
	if len(d.problems) > 0 {
		sortProblems(d.problems)
		d.included.settle(d.problems)
		return nil, &Error{d.problems}
	}
	sortProblems(out.Warnings)
	d.included.settle(out.Warnings)
	return out, nil
}

// sortProblems puts problems into the order of the file, each once.
func sortProblems(p []Problem) {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Column - b.Pos.Column
	})
}

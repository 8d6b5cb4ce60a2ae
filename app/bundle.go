package app

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/audit"
	"github.com/samlfailover/samlfailover/config"
)

// Bundle says what an audit bundle holds: the records of a span of time, what
// proves that they are whole, and under which configs they were made. It is the
// bundle's manifest.json.
type Bundle struct {
	Made    time.Time `json:"made"`
	From    time.Time `json:"from,omitzero"` // zero: from the beginning
	To      time.Time `json:"to"`            // no record of this moment or later
	Version any       `json:"version"`       // of the program that made it
	Record  string    `json:"record"`        // the file that the records are from
	Records int       `json:"records"`
	// Before is the head before the first record, Last that of the last one, Head
	// that of the whole file when the bundle was made.
	Before audit.Head      `json:"before"`
	Last   audit.Head      `json:"last"`
	Head   audit.Head      `json:"head"`
	Sinks  []BundleSink    `json:"sinks,omitempty"`
	Config []BundledConfig `json:"configs"`
	// Files are the SHA-256 of every other file, in hex, by name.
	Files map[string]string `json:"files"`
}

// BundleSink is what an outside sink of the config proved when the bundle was
// made.
type BundleSink struct {
	Name          string     `json:"name"`
	Last          audit.Head `json:"last"`
	FirstUnproven uint64     `json:"first_unproven,omitempty"`
	Error         string     `json:"error,omitempty"`
}

// BundledConfig is a config that came into force: its digest, since when, and
// the number of the record that says so.
type BundledConfig struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
	Record uint64    `json:"record"`
	Action string    `json:"action"`
}

const (
	bundledRecords  = "records.jsonl"
	bundledManifest = "manifest.json"
	bundledReadme   = "README.txt"
	bundledRuns     = "trust-runs/"
)

const bundleText = `This is a part of the audit record of samlfailover.

records.jsonl     the records, byte for byte as in the file that they are from, oldest first
trust-runs/       the records of runs of the trust command in that time, each a whole record of its own
manifest.json     what this is a part of: the head before the first record and that of the last one, the head of the
                  whole record when the bundle was made, what the sinks outside proved then, the configs that came
                  into force, and the SHA-256 of each file here

To check it: samlfailover audit verify BUNDLE.zip. That tells that no record in it was changed, left out or added
between its first and its last. That these are the records of that controller is told by a head that was kept
outside: the hash of one of the records here must be in it.
`

// WriteBundle writes a zip of the records from a moment (zero: from the
// beginning) to another, to a file that must not exist, readable by its owner.
// A record that is not whole is an error: look at it with audit verify first.
func WriteBundle(c *config.Config, version any, from, to time.Time, out string) (Bundle, error) {
	path := filepath.Join(c.Store.Dir, AuditFile)
	b := Bundle{Made: time.Now().UTC(), From: from, To: to, Version: version, Record: path, Files: map[string]string{}}
	var err error
	if b.Head, _, err = audit.Verify(path); err != nil {
		return b, fmt.Errorf("bundle the audit record: %w", err)
	}
	files := map[string][]byte{bundledReadme: []byte(bundleText)}
	records, err := b.collect(path)
	if err != nil {
		return b, err
	}
	files[bundledRecords] = records
	if err := b.runs(files, runsDir(c.Store.Dir)); err != nil {
		return b, err
	}
	b.sinks(c, path)
	for name, text := range files {
		sum := sha256.Sum256(text)
		b.Files[name] = hex.EncodeToString(sum[:])
	}
	if files[bundledManifest], err = json.MarshalIndent(b, "", "  "); err != nil {
		return b, fmt.Errorf("encode the bundle's manifest: %w", err)
	}
	return b, writeZip(out, files, b.Made)
}

// within reports whether a moment is in the bundle's span.
func (b *Bundle) within(t time.Time) bool { return !t.Before(b.From) && t.Before(b.To) }

// collect returns the lines of the span, and notes the heads around it and the
// configs: the one that was in force when it begins, and those that came after.
func (b *Bundle) collect(path string) ([]byte, error) {
	var out bytes.Buffer
	err := audit.Read(path, func(r audit.Record) error {
		if c, ok := configOf(r); ok && r.Time.Before(b.To) {
			if r.Time.Before(b.From) {
				b.Config = b.Config[:0]
			}
			b.Config = append(b.Config, c)
		}
		if !b.within(r.Time) {
			if b.Records == 0 {
				b.Before = r.Head()
			}
			return nil
		}
		// Times can step back; what lies between two records of the span is part
		// of it, or the chain would have a hole.
		if b.Records > 0 && r.Seq != b.Last.Seq+1 {
			return fmt.Errorf("bundle the audit record: the clock stepped back before record %d; choose a span that leaves it out or holds all of it", r.Seq)
		}
		line, err := r.Line()
		if err != nil {
			return err
		}
		out.Write(append(line, '\n'))
		b.Records, b.Last = b.Records+1, r.Head()
		return nil
	})
	if err == nil && b.Records == 0 {
		err = errors.New("bundle the audit record: there is no record in that time; see: samlfailover audit list")
	}
	return out.Bytes(), err
}

// configOf reads a record that says that a config came into force.
func configOf(r audit.Record) (BundledConfig, bool) {
	digest, ok := strings.CutPrefix(r.Subject, "config ")
	if !ok || r.Action != "controller.started" && r.Action != "config.reload" {
		return BundledConfig{}, false
	}
	return BundledConfig{Digest: digest, Since: r.Time, Record: r.Seq, Action: r.Action}, true
}

// runs adds the records of trust runs that have one in the span.
func (b *Bundle) runs(files map[string][]byte, dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*", "audit.jsonl"))
	if err != nil {
		return err
	}
	for _, name := range names {
		hit := false
		if err := audit.Read(name, func(r audit.Record) error { hit = hit || b.within(r.Time); return nil }); err != nil {
			return fmt.Errorf("bundle the record of a trust run: %w", err)
		}
		if !hit {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("bundle the record of a trust run: %w", err)
		}
		files[bundledRuns+filepath.Base(filepath.Dir(name))+".jsonl"] = text
	}
	return nil
}

// sinks notes what each sink that is a file proves now. One that cannot be read
// is said and stops nothing.
func (b *Bundle) sinks(c *config.Config, path string) {
	for _, s := range c.Audit.Sinks {
		one := BundleSink{Name: s.Name}
		if s.File == "" {
			one.Error = "a webhook: what it got is with whoever receives it"
		} else {
			first, held, err := CoverAudit(path, s.File)
			one.Last, one.FirstUnproven = held.Last, first
			if err != nil {
				one.Error = err.Error()
			}
		}
		b.Sinks = append(b.Sinks, one)
	}
}

// writeZip writes the files in a fixed order.
func writeZip(out string, files map[string][]byte, at time.Time) error {
	f, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	z := zip.NewWriter(f)
	for _, name := range sortedNames(files) {
		w, zerr := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at})
		if zerr == nil {
			_, zerr = w.Write(files[name])
		}
		err = errors.Join(err, zerr)
	}
	if err = errors.Join(err, z.Close(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the bundle %s: %w", out, errors.Join(err, os.Remove(out)))
	}
	return nil
}

// largestInBundle bounds one file of a bundle that is checked.
const largestInBundle = 1 << 30

// VerifyBundle checks a bundle: each file's sum, and that the records follow
// each other from the head before to the last one without a hole. An error that
// wraps audit.ErrBroken names what was changed.
func VerifyBundle(path string) (Bundle, error) {
	var b Bundle
	z, err := zip.OpenReader(path)
	if err != nil {
		return b, fmt.Errorf("open the bundle: %w", err)
	}
	defer func() { _ = z.Close() }() // only read
	files := map[string][]byte{}
	for _, f := range z.File {
		if _, twice := files[f.Name]; twice {
			return b, fmt.Errorf("bundle %s: it holds %.100q twice: %w", path, f.Name, audit.ErrBroken)
		}
		in, err := f.Open()
		if err != nil {
			return b, fmt.Errorf("read the bundle: %w", err)
		}
		text, err := io.ReadAll(io.LimitReader(in, largestInBundle))
		if err = errors.Join(err, in.Close()); err != nil {
			return b, fmt.Errorf("bundle %s: %.100q cannot be read (%w): %w", path, f.Name, err, audit.ErrBroken)
		}
		files[f.Name] = text
	}
	if err := json.Unmarshal(files[bundledManifest], &b); err != nil {
		return b, fmt.Errorf("bundle %s: it has no manifest.json that can be read (%w): %w", path, err, audit.ErrBroken)
	}
	delete(files, bundledManifest)
	if err := b.check(files); err != nil {
		return b, fmt.Errorf("bundle %s: %w", path, err)
	}
	return b, nil
}

// check compares the files with the manifest.
func (b Bundle) check(files map[string][]byte) error {
	for name, want := range b.Files {
		text, ok := files[name]
		if sum := sha256.Sum256(text); !ok || hex.EncodeToString(sum[:]) != want {
			return fmt.Errorf("%.100q is missing or was changed: %w", name, audit.ErrBroken)
		}
	}
	for _, name := range sortedNames(files) {
		if b.Files[name] == "" {
			return fmt.Errorf("%.100q was added: %w", name, audit.ErrBroken)
		}
	}
	last, n, err := audit.CheckFrom(bytes.NewReader(files[bundledRecords]), b.Before)
	switch {
	case err != nil:
		return err
	case last != b.Last || n != b.Records:
		return fmt.Errorf("it has %d records to %s, and the manifest says %d to %s: %w", n, last, b.Records, b.Last, audit.ErrBroken)
	}
	for _, name := range sortedNames(files) {
		if strings.HasPrefix(name, bundledRuns) {
			if _, _, err := audit.CheckFrom(bytes.NewReader(files[name]), audit.Head{}); err != nil {
				return fmt.Errorf("%.100q: %w", name, err)
			}
		}
	}
	return nil
}

func sortedNames(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

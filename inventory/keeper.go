package inventory

import (
	"bytes"
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
	"time"
)

// Keeper keeps snapshots as files in Dir (0700), one per federation and kind,
// each with the copy before it. A file is replaced in one step, so that a crash
// leaves the old or the new one. Safe for concurrent use by one process as far
// as different federations go; one federation has one writer.
type Keeper struct{ Dir string }

// ErrCorrupt is wrapped when a file cannot be what was saved.
var ErrCorrupt = errors.New("the file is damaged")

// envelope is what a file holds. Sum is the SHA-256 of Body.
type envelope struct {
	Kind    string          `json:"kind"`
	Version int             `json:"version"`
	SavedAt time.Time       `json:"saved_at"`
	Sum     string          `json:"sha256"`
	Body    json.RawMessage `json:"body"`
}

const (
	kindRoles    = "roles"
	kindApps     = "apps"
	kindOrg      = "organization"
	version      = 1
	earlierCopy  = ".earlier"
	damagedCopy  = ".damaged"
	maxNameBytes = 200
)

// SaveRoles keeps a federation's roles.
func (k Keeper) SaveRoles(s Snapshot) error { return k.save(s.Federation, kindRoles, s) }

// LoadRoles returns the roles kept last. An error that wraps fs.ErrNotExist
// says that none were; ErrCorrupt that the file is damaged, then EarlierRoles
// may help.
func (k Keeper) LoadRoles(federation string) (Snapshot, error) {
	var s Snapshot
	err := k.load(k.path(federation, kindRoles), kindRoles, &s)
	return s, err
}

// EarlierRoles returns the roles kept before the last.
func (k Keeper) EarlierRoles(federation string) (Snapshot, error) {
	var s Snapshot
	err := k.load(k.path(federation, kindRoles)+earlierCopy, kindRoles, &s)
	return s, err
}

// SaveApps keeps a federation's apps as last read.
func (k Keeper) SaveApps(s AppSnapshot) error { return k.save(s.Federation, kindApps, s) }

// LoadApps returns the apps kept last; errors as in LoadRoles.
func (k Keeper) LoadApps(federation string) (AppSnapshot, error) {
	var s AppSnapshot
	err := k.load(k.path(federation, kindApps), kindApps, &s)
	return s, err
}

// EarlierApps returns the apps kept before the last.
func (k Keeper) EarlierApps(federation string) (AppSnapshot, error) {
	var s AppSnapshot
	err := k.load(k.path(federation, kindApps)+earlierCopy, kindApps, &s)
	return s, err
}

// SaveOrganization keeps what was read of a federation's organization.
func (k Keeper) SaveOrganization(o Organization) error { return k.save(o.Federation, kindOrg, o) }

// LoadOrganization returns what was kept last; errors as in LoadRoles.
func (k Keeper) LoadOrganization(federation string) (Organization, error) {
	var o Organization
	err := k.load(k.path(federation, kindOrg), kindOrg, &o)
	return o, err
}

// OrganizationPath is the file that SaveOrganization writes.
func (k Keeper) OrganizationPath(federation string) string { return k.path(federation, kindOrg) }

// RolesPath is the file that SaveRoles writes, for whoever wants to know whether
// another process has written it since.
func (k Keeper) RolesPath(federation string) string { return k.path(federation, kindRoles) }

// AppsPath is the file that SaveApps writes.
func (k Keeper) AppsPath(federation string) string { return k.path(federation, kindApps) }

// path names a federation's file; a name that is no plain word is encoded, so
// that no two federations share a file and none leaves the folder.
func (k Keeper) path(federation, kind string) string {
	var b strings.Builder
	for _, c := range []byte(federation) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "_%02x", c)
	}
	name := b.String()
	if len(name) > maxNameBytes {
		sum := sha256.Sum256([]byte(federation))
		name = name[:maxNameBytes-64] + hex.EncodeToString(sum[:])
	}
	return filepath.Join(k.Dir, name+"."+kind+".json")
}

// save writes beside, makes it durable, keeps the present file as the earlier
// copy and takes its place.
func (k Keeper) save(federation, kind string, v any) error {
	if federation == "" {
		return fmt.Errorf("keep %s: the snapshot names no federation", kind)
	}
	path := k.path(federation, kind)
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keep %s of %s: %w", kind, federation, err)
	}
	sum := sha256.Sum256(body)
	head, err := json.Marshal(envelope{Kind: kind, Version: version, SavedAt: time.Now().UTC(), Sum: hex.EncodeToString(sum[:]), Body: json.RawMessage("0")})
	if err != nil {
		return fmt.Errorf("keep %s of %s: %w", kind, federation, err)
	}
	// The body may be tens of megabytes: it is put into its place in the file, not
	// in memory.
	head = bytes.TrimSuffix(head, []byte("0}"))
	if err := k.replace(path, kind, head, body, []byte("}")); err != nil {
		return fmt.Errorf("keep %s of federation %s in %s: %w", kind, federation, k.Dir, err)
	}
	return nil
}

func (k Keeper) replace(path, kind string, parts ...[]byte) error {
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return err
	}
	temp, err := writeTemp(k.Dir, func(f io.Writer) error {
		for _, part := range parts {
			if _, err := f.Write(part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err = k.rotate(path, kind); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(k.Dir)
}

// rotate puts the present file away: as the earlier copy if it can be loaded, as
// the damaged one if not, so that damage never replaces a good copy.
func (k Keeper) rotate(path, kind string) error {
	to := path + earlierCopy
	switch _, err := k.body(path, kind); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		to = path + damagedCopy
	}
	return copyOver(path, to)
}

// copyOver gives the content of path a second name without a moment in which
// path is missing.
func copyOver(path, to string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	temp, err := writeTemp(filepath.Dir(to), func(f io.Writer) error {
		_, err := io.Copy(f, from)
		return err
	})
	if err = errors.Join(err, from.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, to); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// writeTemp makes a durable file with mode 0600 of what fill writes, and returns
// its name.
func writeTemp(dir string, fill func(io.Writer) error) (string, error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// load reads and checks one file.
func (k Keeper) load(path, kind string, into any) error {
	body, err := k.body(path, kind)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return damaged(path, kind, err.Error())
	}
	return nil
}

func damaged(path, kind, why string) error {
	return fmt.Errorf("load the kept %s: %s: %s: %w; scan again to replace it, the copy before it is in %s", kind, path, why, ErrCorrupt, filepath.Base(path)+earlierCopy)
}

// body returns what a file holds, checked.
func (k Keeper) body(path, kind string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load the kept %s: %w", kind, err)
	}
	var e envelope
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, damaged(path, kind, "it is not JSON ("+err.Error()+")")
	}
	sum := sha256.Sum256(e.Body)
	switch {
	case e.Kind != kind:
		return nil, damaged(path, kind, fmt.Sprintf("it holds %q, not %s", e.Kind, kind))
	case e.Version != version:
		return nil, fmt.Errorf("load the kept %s: %s was written by another version of this program (format %d, known %d); scan again", kind, path, e.Version, version)
	case hex.EncodeToString(sum[:]) != e.Sum:
		return nil, damaged(path, kind, "its content does not match its checksum")
	}
	return e.Body, nil
}

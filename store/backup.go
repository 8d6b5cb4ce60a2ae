package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/samlfailover/samlfailover/store/seal"
)

// manifestSuffix names the file beside a backup that vouches for it.
const manifestSuffix = ".manifest"

// Manifest describes a backup. It is sealed with the store key, and stands
// beside the file and in the store (as the last backup).
type Manifest struct {
	Store    string    `json:"store"`
	Name     string    `json:"name"` // the file's
	At       time.Time `json:"at"`
	Revision int64     `json:"revision"`
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256"`
	KeyID    string    `json:"key_id"`
	Epoch    uint64    `json:"epoch"`
}

// manifestName is what a manifest is sealed under: it is no key of the store.
func manifestName(store string) string { return "backup of " + store }

// Backup writes a snapshot of the whole store to a file (0600) and a manifest
// beside it. Records are in it as they are in the store: signed or encrypted.
// Any controller may do it. The file takes its name when it is whole and durable.
func (s *Store) Backup(ctx context.Context, path string) (Manifest, error) {
	m, err := s.backup(ctx, path)
	if err != nil {
		return m, fmt.Errorf("back the store up to %s: %w", path, err)
	}
	return m, nil
}

func (s *Store) backup(ctx context.Context, path string) (Manifest, error) {
	r, err := s.Reads(ctx)
	if err != nil {
		return Manifest{}, err
	}
	root, err := r.root(ctx)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Store: root.ID, Name: filepath.Base(path), At: time.Now().UTC(), Revision: r.Revision, KeyID: s.opts.Seal.KeyID(), Epoch: root.Epoch}
	f, err := os.CreateTemp(filepath.Dir(path), ".backup-*") // 0600 by itself
	if err != nil {
		return m, err
	}
	m.Size, m.SHA256, err = s.snapshot(ctx, f)
	if err := settle(f, path, err); err != nil {
		return m, err
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	sealed, _ := s.opts.Seal.Sign(manifestName(m.Store), raw)
	file, err := json.Marshal(manifestFile{m, hex.EncodeToString(sealed)})
	if err != nil {
		return m, err
	}
	if err := writeFile(path+manifestSuffix, file); err != nil {
		return m, err
	}
	op, _, err := s.putSigned(backupKey, m)
	if err != nil {
		return m, err
	}
	limited, cancel := s.within(ctx)
	defer cancel()
	if _, err := s.client.Do(limited, op); err != nil {
		s.log.Warn("store: the backup is written; that it was cannot be noted", "file", path, "error", err)
	}
	return m, nil
}

// manifestFile is the file: the manifest for people, and sealed for us.
type manifestFile struct {
	Manifest Manifest `json:"manifest"`
	Sealed   string   `json:"sealed"`
}

func (s *Store) snapshot(ctx context.Context, to io.Writer) (int64, string, error) {
	in, err := s.client.Snapshot(ctx)
	if err != nil {
		return 0, "", s.explain(err)
	}
	defer in.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, h), in)
	if err != nil {
		return n, "", s.explain(err)
	}
	return n, hex.EncodeToString(h.Sum(nil)), nil
}

// LastBackup returns the manifest of the last backup, nil if there was none.
func (r Reads) LastBackup(ctx context.Context) (*Manifest, error) {
	resp, err := r.get(ctx, backupKey)
	if err != nil {
		return nil, err
	}
	kv := one(resp)
	if kv == nil {
		return nil, nil
	}
	var m Manifest
	if _, err := r.s.openSigned(kv, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// ReadManifest checks a backup against its manifest, and the manifest against
// the store key: an error that wraps ErrIntegrity says that one was changed.
func ReadManifest(path string, codec *seal.Codec) (Manifest, error) {
	var f manifestFile
	fail := func(err error) (Manifest, error) {
		return Manifest{}, fmt.Errorf("read the backup %s: %w", path, err)
	}
	raw, err := os.ReadFile(path + manifestSuffix)
	if err != nil {
		return fail(err)
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return fail(fmt.Errorf("%s is no manifest: %w: %w", path+manifestSuffix, err, ErrIntegrity))
	}
	sealed, err := hex.DecodeString(f.Sealed)
	if err != nil {
		return fail(fmt.Errorf("%s is no manifest: %w: %w", path+manifestSuffix, err, ErrIntegrity))
	}
	var m Manifest
	body, _, err := codec.Verify(manifestName(f.Manifest.Store), sealed)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		return fail(err)
	}
	in, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer in.Close()
	h := sha256.New()
	n, err := io.Copy(h, in)
	switch {
	case err != nil:
		return fail(err)
	case n != m.Size || hex.EncodeToString(h.Sum(nil)) != m.SHA256:
		return fail(fmt.Errorf("it has %d bytes and is not the file that the manifest describes (%d bytes): %w", n, m.Size, ErrIntegrity))
	case f.Manifest != m:
		return fail(errors.Join(errors.New("the readable half of the manifest was changed"), ErrIntegrity))
	}
	return m, nil
}

package seal

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/samlfailover/samlfailover/secret"
)

// keyBytes is the size of a store key.
const keyBytes = 32

// decode reads a store key: 32 bytes, in hex or base64.
func decode(v secret.Value) ([]byte, error) {
	text := strings.TrimSpace(v.Reveal())
	var raw []byte
	var err error
	if len(text) == hex.EncodedLen(keyBytes) {
		raw, err = hex.DecodeString(text)
	} else {
		raw, err = base64.StdEncoding.DecodeString(text)
	}
	switch {
	case v.IsZero():
		return nil, errors.New("there is no key; make one with: openssl rand -base64 32")
	case err != nil || len(raw) != keyBytes:
		return nil, fmt.Errorf("it is not %d bytes in base64 or hex; make one with: openssl rand -base64 %d", keyBytes, keyBytes)
	}
	seen := map[byte]bool{}
	for _, b := range raw {
		seen[b] = true
	}
	if len(seen) < keyBytes/4 {
		return nil, fmt.Errorf("it is not random; make one with: openssl rand -base64 %d", keyBytes)
	}
	return raw, nil
}

// Create makes a new store key in a file that only its owner may read (0600)
// and returns it. An existing file is never touched: the error then wraps
// fs.ErrExist. Keep the file beside the config, never in the data folder: who
// has both can write records that are believed.
func Create(path string) (secret.Value, error) {
	raw := make([]byte, keyBytes)
	if _, err := rand.Read(raw); err != nil {
		return secret.Value{}, fmt.Errorf("make a store key: %w", err)
	}
	text := base64.StdEncoding.EncodeToString(raw)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return secret.Value{}, fmt.Errorf("make the store key %s: it exists and is kept as it is (without it the store cannot be read): %w", path, err)
	}
	if err != nil {
		return secret.Value{}, fmt.Errorf("make the store key %s: %w", path, err)
	}
	_, err = f.WriteString(text + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return secret.Value{}, errors.Join(fmt.Errorf("make the store key %s: %w", path, err), os.Remove(path))
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // Windows cannot; a key that is lost now is made again at the next start
		_ = dir.Close()
	}
	return secret.New(text), nil
}

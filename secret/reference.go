package secret

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds a secret file: 64 KiB holds any key or token.
const maxFile = 64 << 10

// Resolver turns references from the config into secrets. Env is the
// environment as read once at start; Dir is the folder that relative files are
// looked up in (the config's). Safe for concurrent use.
type Resolver struct {
	Env map[string]string
	Dir string
}

// Resolve reads "env:NAME" or "file:PATH" (surrounding white space of a file's
// content is dropped). Errors name the reference, never the content.
func (r Resolver) Resolve(ref string) (Value, error) {
	kind, name, ok := strings.Cut(ref, ":")
	if !ok || name == "" {
		return Value{}, fmt.Errorf("a secret is named by reference, env:NAME or file:PATH, never written into the config itself")
	}
	switch kind {
	case "env":
		v, ok := r.Env[name]
		if !ok || v == "" {
			return Value{}, fmt.Errorf("secret %s: the environment variable is not set; export %s before starting", ref, name)
		}
		return New(v), nil
	case "file":
		return r.file(ref, name)
	}
	return Value{}, fmt.Errorf("unknown kind of secret reference (have env: and file:)")
}

func (r Resolver) file(ref, name string) (Value, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.Dir, path)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Value{}, fmt.Errorf("secret %s: %w", ref, err)
	case info.IsDir():
		return Value{}, fmt.Errorf("secret %s: is a directory, expected a file that holds the secret", ref)
	case info.Size() > maxFile:
		return Value{}, fmt.Errorf("secret %s: %d bytes is too large for a secret (limit %d)", ref, info.Size(), maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Value{}, fmt.Errorf("secret %s: %w", ref, err)
	}
	v := strings.TrimSpace(string(b))
	if v == "" {
		return Value{}, fmt.Errorf("secret %s: the file is empty", ref)
	}
	return New(v), nil
}

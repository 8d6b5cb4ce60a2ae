package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// header begins every text file that WriteDir writes, so that it knows its own.
const header = "# Written by samlfailover sandbox. "

// The files of a sandbox's folder.
const (
	caFile     = "ca.pem"
	envFile    = "env"
	configFile = "samlfailover.yaml"
	secretsDir = "secrets"
	dataDir    = "data"

	awsSecretFile = secretsDir + "/aws-secret-key"
)

// secretFile is where a tenant's secret lies, relative to the folder.
func secretFile(t seed.Tenant) string {
	if t.Kind == "okta" {
		return secretsDir + "/" + t.Name + "-token"
	}
	return secretsDir + "/" + t.Name + "-client-secret"
}

// WriteDir writes what clients need to live in this world into dir (0700, made
// if missing): ca.pem (0644), env (0600) for shells and foreign tools,
// samlfailover.yaml with its secrets under secrets/ (0600). Call it after
// Listen. A folder that holds anything else is refused, so that nobody's config
// is overwritten. Each file appears whole or not at all.
func (w *World) WriteDir(dir string) error {
	if w.ProxyURL() == "" {
		return errors.New("write the sandbox's folder: it does not listen yet, so the proxy has no address")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = w.registerController()
	}
	if err != nil {
		return fmt.Errorf("write the sandbox's folder: %w", err)
	}
	if err := ours(dir); err != nil {
		return err
	}
	for _, d := range []string{dir, filepath.Join(dir, secretsDir)} {
		if err := makePrivate(d); err != nil {
			return err
		}
	}
	for _, f := range w.files(dir) {
		if err := writeFile(filepath.Join(dir, f.name), f.text, f.mode); err != nil {
			return err
		}
	}
	return nil
}

type file struct {
	name string
	text []byte
	mode os.FileMode
}

func (w *World) files(dir string) []file {
	d := w.Demo()
	out := []file{
		{caFile, w.CAPEM(), 0o644},
		{awsSecretFile, []byte(d.Controller.SecretKey + "\n"), 0o600},
		{configFile, []byte(w.config()), 0o600},
		{envFile, []byte(w.env(dir)), 0o600},
	}
	out = slices.Concat(out, w.alertingFiles(), w.slackFiles())
	for _, t := range d.Tenants {
		out = append(out, file{secretFile(t), []byte(t.Secret + "\n"), 0o600})
	}
	return out
}

// ours refuses a folder that holds files which WriteDir did not write.
func ours(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the sandbox's folder %s: %w; name a folder", dir, err)
	}
	mine := []string{caFile, envFile, configFile, secretsDir, dataDir}
	for _, e := range entries {
		if !slices.Contains(mine, e.Name()) {
			return fmt.Errorf("write the sandbox's folder %s: it holds %q, which no sandbox wrote; name a new or empty folder", dir, e.Name())
		}
	}
	for _, name := range []string{envFile, configFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && !bytes.HasPrefix(text, []byte(header)) {
			return fmt.Errorf("write the sandbox's folder %s: its %s was not written by a sandbox; name a new or empty folder", dir, name)
		}
	}
	return nil
}

// makePrivate makes a folder that only its owner enters.
func makePrivate(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the sandbox's folder: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder needs its x bit
		return fmt.Errorf("close the sandbox's folder to others: %w", err)
	}
	return nil
}

// writeFile replaces a file by a whole one with this mode.
func writeFile(path string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Chmod(f.Name(), mode)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

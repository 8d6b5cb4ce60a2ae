package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
)

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
	return []file{
		{caFile, w.CAPEM(), 0o644},
		{filepath.Join(secretsDir, "okta-token"), []byte(w.demo.APIToken + "\n"), 0o600},
		{filepath.Join(secretsDir, "aws-secret-key"), []byte(w.demo.Controller.SecretKey + "\n"), 0o600},
		{configFile, []byte(w.config()), 0o600},
		{envFile, []byte(w.env(dir)), 0o600},
	}
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

// env is a file to source: from then on the shell's tools live in this world.
func (w *World) env(dir string) string {
	ca := filepath.Join(dir, caFile)
	var b strings.Builder
	b.WriteString(header + "Source it; the shell's tools then see this world only.\n")
	for _, u := range w.demo.Users {
		fmt.Fprintf(&b, "# Sign in at https://%s as %s, password %s\n", w.demo.OktaHost, u.Login, u.Password)
	}
	b.WriteString("unset HTTP_PROXY http_proxy ALL_PROXY all_proxy SSL_CERT_DIR\n" +
		"unset AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE\n" +
		"unset AWS_ENDPOINT_URL AWS_ENDPOINT_URL_STS AWS_ENDPOINT_URL_IAM AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI\n")
	for _, v := range [][2]string{
		{"HTTPS_PROXY", w.ProxyURL()}, {"https_proxy", w.ProxyURL()}, {"NO_PROXY", ""}, {"no_proxy", ""},
		{"SSL_CERT_FILE", ca}, {"AWS_CA_BUNDLE", ca}, {"CURL_CA_BUNDLE", ca}, {"REQUESTS_CA_BUNDLE", ca}, {"NODE_EXTRA_CA_CERTS", ca},
		{"AWS_ACCESS_KEY_ID", w.demo.Operator.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", w.demo.Operator.SecretKey},
		{"AWS_DEFAULT_REGION", "us-west-2"}, {"AWS_REGION", "us-west-2"}, {"AWS_STS_REGIONAL_ENDPOINTS", "regional"},
		{"AWS_EC2_METADATA_DISABLED", "true"}, {"AWS_CONFIG_FILE", filepath.Join(dir, secretsDir, "no-shared-config")},
		{"AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, secretsDir, "no-shared-credentials")},
		{"SANDBOX_URL", w.ProxyURL()}, {"SANDBOX_TOKEN", w.token}, {"SANDBOX_CA_SPKI", w.CASPKI()},
		{"OKTA_API_TOKEN", w.demo.APIToken}, {"SAMLFAILOVER_CONFIG", filepath.Join(dir, configFile)},
	} {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], shellQuote(v[1]))
	}
	return b.String()
}

// shellQuote writes a value as one word of any POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

package sandbox_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/sandbox/admin"
	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// running serves a world until the test ends.
func running(t *testing.T) *sandbox.World {
	t.Helper()
	w := newWorld(t)
	if err := w.Listen(); err != nil {
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
	return w
}

func throughProxy(t *testing.T, w *sandbox.World) *http.Client {
	t.Helper()
	u, err := url.Parse(w.ProxyURL())
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.CAPool()}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestRunServesProxyAndControl(t *testing.T) {
	t.Parallel()
	one, two := running(t), running(t)
	for _, w := range []*sandbox.World{one, two} {
		resp, err := throughProxy(t, w).Get("https://us-west-2.signin.aws.amazon.com/static/saml-metadata.xml")
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("SP metadata through the proxy: %v, %v", resp, err)
		}
		_ = resp.Body.Close()
	}
	c, err := admin.NewClient(one.ProxyURL(), one.Token())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Fault(t.Context(), admin.FaultRequest{Target: "us-west-2", Kind: "down"}); err != nil {
		t.Fatal(err)
	}
	if resp, err := throughProxy(t, one).Get("https://us-west-2.signin.aws.amazon.com/"); err == nil {
		_ = resp.Body.Close()
		t.Error("the Region is down and answers")
	}
	stranger, err := admin.NewClient(two.ProxyURL(), one.Token())
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("one world's token opens another: %v", err)
	}
}

func TestCloseEndsRun(t *testing.T) {
	t.Parallel()
	w := running(t) // its clean-up wants nil from Run
	resp, err := throughProxy(t, w).Get("https://acme.okta.com/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	w.Close()
	if _, err := throughProxy(t, w).Get("https://acme.okta.com/"); err == nil {
		t.Error("a closed world answers")
	}
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// spec 15.5
func TestWriteDir(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "it's a world")
	for range 2 { // the second time it replaces its own files
		if err := w.WriteDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]fs.FileMode{".": 0o700, "secrets": 0o700, "ca.pem": 0o644, "env": 0o600,
			"samlfailover.yaml": 0o600, "secrets/aws-secret-key": 0o600, "secrets/acme-okta-token": 0o600,
			"secrets/acme-pingone-prod-client-secret": 0o600, "secrets/acme-pingone-test-client-secret": 0o600, "secrets/acme-onelogin-client-secret": 0o600} {
			if got := modeOf(t, filepath.Join(dir, name)); got != want {
				t.Errorf("%s has mode %o, want %o", name, got, want)
			}
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "PRIVATE KEY") {
			t.Errorf("%s holds a private key", path)
		}
		name := filepath.Base(path)
		if strings.Contains(string(text), w.Token()) && name != "env" {
			t.Errorf("%s holds the token of the control verbs", path)
		}
		for _, tn := range w.Demo().Tenants {
			if strings.Contains(string(text), tn.Secret) && name != "env" && !strings.HasPrefix(name, tn.Name) {
				t.Errorf("%s holds the secret of %s", path, tn.Name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWrittenConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := w.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "samlfailover.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Network struct {
			Proxy  string
			CAFile string `yaml:"ca_file"`
		}
		Tenants     []struct{ Name string }
		Federations []struct {
			Name    string
			Regions []string
			Apps    []struct{ Name, Tenant, ID string }
			Lead    string
		}
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	f, d := c.Federations[0], w.Demo()
	if c.Network.Proxy != w.ProxyURL() || c.Network.CAFile != "ca.pem" || f.Name != seed.Federation || f.Regions[0] != "us-east-1" ||
		len(f.Apps) != 6 || len(c.Tenants) != 4 || f.Lead != d.Apps[0].Label {
		t.Errorf("not the world's config:\n%s", text)
	}
	for i, a := range d.Apps {
		if got := f.Apps[i]; got.Name != a.Label || got.ID != a.ID || got.Tenant != a.Tenant {
			t.Errorf("app %+v is written as %+v", a, got)
		}
	}
}

func TestEnvSurvivesAShell(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell here")
	}
	w := newWorld(t)
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), `a $HOME "quoted" 'folder'; exit 3`)
	if err := w.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), sh, "-c",
		`. "$1/env" && printf '%s\n' "$HTTPS_PROXY" "$SSL_CERT_FILE" "$SANDBOX_TOKEN" "${NO_PROXY-unset}" "${HTTP_PROXY-unset}" "${AWS_PROFILE-unset}" "${AWS_SESSION_TOKEN-unset}"`, "sh", dir)
	cmd.Env = []string{"HTTP_PROXY=http://corp:3128", "AWS_PROFILE=prod", "AWS_SESSION_TOKEN=old", "NO_PROXY=*", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	want := strings.Join([]string{w.ProxyURL(), filepath.Join(dir, "ca.pem"), w.Token(), "", "unset", "unset", "unset", ""}, "\n")
	if err != nil || string(out) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out, want)
	}
}

func TestWriteDirSparesOtherPeoplesFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Listen(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"samlfailover.yaml", "env", "notes.txt"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("federations: mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteDir(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if text, _ := os.ReadFile(path); string(text) != "federations: mine\n" {
			t.Errorf("%s was overwritten", name)
		}
		if _, err := os.Stat(filepath.Join(dir, "ca.pem")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was written beside it", name)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDir(file); err == nil {
		t.Error("a file is taken for a folder")
	}
}

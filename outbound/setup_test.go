package outbound_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

// marker must never show in an error, a log or a description.
const marker = "s3cr3t-m4rk3r"

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyPEM(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestBadCAFiles(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	good := certPEM(server.Certificate())
	cases := []struct {
		name string
		path string
		want string
	}{
		{"missing", filepath.Join(t.TempDir(), "none.pem"), "does not exist"},
		{"a directory", t.TempDir(), "is a directory"},
		{"not PEM", write(t, "a.pem", "hello"), "is not PEM"},
		{"empty", write(t, "b.pem", ""), "is not PEM"},
		{"DER", write(t, "c.pem", string(server.Certificate().Raw)), "is not PEM"},
		{"a private key only", write(t, "d.pem", keyPEM(t)), "no certificate"},
		{"a certificate that is garbage", write(t, "e.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"), "cannot be read"},
		{"a good one and a garbage one", write(t, "f.pem", good+"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"), "certificate 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for setting, s := range map[string]outbound.Settings{
				"network.ca_file": {CAFile: c.path},
				"SSL_CERT_FILE":   {Env: map[string]string{"SSL_CERT_FILE": c.path}},
				"AWS_CA_BUNDLE":   {Env: map[string]string{"AWS_CA_BUNDLE": c.path}},
			} {
				_, err := outbound.New(s)
				if !finding.Is(err, finding.NetworkSetup) {
					t.Fatalf("%s: error %v carries no finding %s", setting, err, finding.NetworkSetup)
				}
				for _, part := range []string{c.want, c.path, setting} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: error %q does not say %q", setting, err, part)
					}
				}
			}
		})
	}
}

func TestBadProxies(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, proxy, want string }{
		{"not a URL", "http://user:" + marker + "@bad host:1", "not a URL"},
		{"another scheme", "socks5://user:" + marker + "@proxy:1080", "neither http nor https"},
		{"no host", "http://user:" + marker + "@", "names no host"},
		{"a path", "http://user:" + marker + "@proxy:3128/path", "has a path"},
		{"a query", "http://proxy:3128?" + marker, "has a path, a query"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range []outbound.Settings{
				{Proxy: c.proxy}, {Env: map[string]string{"HTTPS_PROXY": c.proxy}}, {Env: map[string]string{"http_proxy": c.proxy}},
			} {
				_, err := outbound.New(s)
				if !finding.Is(err, finding.NetworkSetup) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %s with %q", err, finding.NetworkSetup, c.want)
				}
				if err != nil && strings.Contains(err.Error(), marker) { // spec 15.1
					t.Errorf("the error shows the proxy's password: %v", err)
				}
			}
		})
	}
}

func TestWhichProxy(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HTTPS_PROXY": "http://env:1", "NO_PROXY": "quiet.example.com,.internal"}
	cases := []struct {
		name, setting string
		env           map[string]string
		host, want    string
	}{
		{"none at all", "", nil, "sts.us-west-2.amazonaws.com", ""},
		{"from the environment", "", env, "sts.us-west-2.amazonaws.com", "env:1"},
		{"lower case counts too", "", map[string]string{"https_proxy": "low:2"}, "example.com", "low:2"},
		{"NO_PROXY names the host", "", env, "quiet.example.com", ""},
		{"NO_PROXY names the domain", "", env, "a.internal", ""},
		{"the setting wins over the environment and NO_PROXY", "http://set:3", env, "quiet.example.com", "set:3"},
		{"host:port means http", "set:3", env, "example.com", "set:3"},
		{"direct switches everything off", "direct", env, "example.com", ""},
		{"loopback goes direct", "http://set:3", env, "127.0.0.1:8443", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := outbound.New(outbound.Settings{Proxy: c.setting, Env: c.env})
			if err != nil {
				t.Fatal(err)
			}
			got, proxied := n.ProxyFor(c.host)
			if got != c.want || proxied != (c.want != "") {
				t.Errorf("proxy for %s is %q, want %q", c.host, got, c.want)
			}
		})
	}
}

// spec 15.2
func TestDescribe(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	general := write(t, "general.pem", certPEM(server.Certificate()))
	bundle := write(t, "bundle.pem", certPEM(server.Certificate()))
	n, err := outbound.New(outbound.Settings{Env: map[string]string{
		"HTTPS_PROXY": "http://user:" + marker + "@proxy:3128", "SSL_CERT_FILE": general, "AWS_CA_BUNDLE": bundle}})
	if err != nil {
		t.Fatal(err)
	}
	d := n.Describe()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), marker) {
		t.Errorf("the description shows the proxy's password: %s", text)
	}
	if d.Proxy != "http://[redacted]@proxy:3128" || d.ProxySource != "HTTPS_PROXY" {
		t.Errorf("proxy described as %q from %q", d.Proxy, d.ProxySource)
	}
	if len(d.CAs) != 1 || d.CAs[0].Source != general || len(d.CAs[0].SHA256) != 64 || d.CAs[0].NotAfter.IsZero() || d.CAs[0].Subject == "" {
		t.Errorf("CAs described as %+v", d.CAs)
	}
	if len(d.AWSCAs) != 1 || d.AWSCAs[0].Source != bundle {
		t.Errorf("CAs for AWS described as %+v", d.AWSCAs)
	}
}

func TestCADirectory(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	file := write(t, "ca.pem", certPEM(server.Certificate()))
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "README"), []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := outbound.New(outbound.Settings{Env: map[string]string{"SSL_CERT_DIR": filepath.Dir(file)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := n.Describe().CAs; len(got) != 1 || got[0].Source != file {
		t.Errorf("CAs of the folder: %+v", got)
	}
	if _, err := outbound.New(outbound.Settings{Env: map[string]string{"SSL_CERT_DIR": t.TempDir()}}); !finding.Is(err, finding.NetworkSetup) {
		t.Errorf("a folder without CAs was accepted (error %v); then nothing at all would be trusted", err)
	}
}

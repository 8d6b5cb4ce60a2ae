package awsaccess

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

// dials notes who was to be connected to, and refuses.
type dials struct {
	mu    sync.Mutex
	addrs []string
}

func (d *dials) dial(_ context.Context, _, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addrs = append(d.addrs, addr)
	return nil, errors.New("no network in this test")
}

// host prepares an environment for the SDK's own chain: nothing of the machine
// that runs the test shows through.
func host(t *testing.T, config string, env map[string]string) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"AWS_CONFIG_FILE": path, "AWS_SHARED_CREDENTIALS_FILE": path + ".none", "AWS_EC2_METADATA_DISABLED": "true"}
	for _, k := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"} {
		all[k] = ""
	}
	for k, v := range env {
		all[k] = v
	}
	for k, v := range all {
		t.Setenv(k, v)
	}
	return all
}

func chained(t *testing.T, env map[string]string, d *dials) *Access {
	t.Helper()
	n, err := outbound.New(outbound.Settings{Proxy: "direct", Env: env, DialContext: d.dial})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Settings{Region: "us-west-2", Env: env, Network: n})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func caBundle(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	path := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// With AWS_CA_BUNDLE set the SDK refuses to load with any HTTP client but its
// own.
func TestChainLoadsWithACABundle(t *testing.T) {
	env := host(t, "[default]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = x\n", map[string]string{"AWS_CA_BUNDLE": caBundle(t)})
	d := &dials{}
	creds, err := chained(t, env, d).base.Retrieve(t.Context())
	if err != nil || creds.AccessKeyID != "AKIAPROFILE" || len(d.addrs) != 0 {
		t.Errorf("key %q, error %v, dialled %v; want the profile's key and no network", creds.AccessKeyID, err, d.addrs)
	}
}

func TestEnvironmentKeysNeedNoChain(t *testing.T) {
	env := host(t, "[default]\nthis is not a config file", map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x"})
	creds, err := chained(t, env, &dials{}).base.Retrieve(t.Context())
	if err != nil || creds.AccessKeyID != "AKIAENV" {
		t.Errorf("key %q, error %v", creds.AccessKeyID, err)
	}
}

func TestNoCredentials(t *testing.T) {
	env := host(t, "", nil)
	d := &dials{}
	_, err := chained(t, env, d).base.Retrieve(t.Context())
	if !finding.Is(err, finding.AccountUnreadable) || !strings.Contains(err.Error(), "no AWS credentials were found") || len(d.addrs) != 0 {
		t.Errorf("error %v, dialled %v", err, d.addrs)
	}
}

// Whoever has no credentials is told so, not to look at the role or the network.
func TestNoCredentialsForARole(t *testing.T) {
	a := chained(t, host(t, "", nil), &dials{})
	creds := &assumer{access: a, role: RoleToAssume{RoleARN: "arn:aws:iam::111122223333:role/scan", SessionName: "test"}}
	_, err := creds.Retrieve(t.Context())
	f, ok := errors.AsType[finding.Finding](err)
	if !ok || !strings.HasPrefix(f.Why, "no AWS credentials were found: ") || !strings.HasPrefix(f.Remedy, "give this program AWS credentials first") {
		t.Errorf("error %v", err)
	}
}

// spec 15.2
func TestChainIgnoresEndpointOverrides(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("jwt"), 0o600); err != nil {
		t.Fatal(err)
	}
	assume := "[default]\nrole_arn = arn:aws:iam::111122223333:role/r\nsource_profile = base\n[profile base]\naws_access_key_id = AKIA\naws_secret_access_key = x\n"
	evil := map[string]string{"AWS_ENDPOINT_URL_STS": "https://evil.example.net"}
	cases := []struct {
		name   string
		config string
		env    map[string]string
		dialed string
		says   string
	}{
		{"web identity goes to the Regional STS", "", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/r", "AWS_ENDPOINT_URL_STS": "https://evil.example.net"},
			"sts.us-west-2.amazonaws.com:443", ""},
		{"a profile's role is not fetched from there", assume, evil, "", string(finding.EndpointOverride)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			env := host(t, c.config, c.env)
			synctest.Test(t, func(t *testing.T) {
				d := &dials{}
				_, err := chained(t, env, d).base.Retrieve(t.Context())
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want one that says %q", err, c.says)
				}
				for _, addr := range d.addrs {
					if addr != c.dialed {
						t.Errorf("dialled %s", addr)
					}
				}
				if c.dialed != "" && len(d.addrs) == 0 {
					t.Errorf("%s was not dialled: %v", c.dialed, err)
				}
			})
		})
	}
}

func TestAWSHosts(t *testing.T) {
	t.Parallel()
	for host, ok := range map[string]bool{"sts.us-west-2.amazonaws.com": true, "IAM.amazonaws.com": true, "sts.cn-north-1.amazonaws.com.cn": true,
		"sts.us-west-2.api.aws": true, "amazonaws.com.evil.net": false, "evilamazonaws.com": false, "localhost": false, "169.254.169.254": false, "": false} {
		if err := awsHost(host); (err == nil) != ok {
			t.Errorf("%q: %v, want ok %v", host, err, ok)
		}
	}
}

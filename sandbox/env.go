package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/seed"
)

// env is a file to source: from then on the shell's tools live in this world.
func (w *World) env(dir string) string {
	var b strings.Builder
	b.WriteString(header + "Source it; the shell's tools then see this world only.\n")
	b.WriteString(w.signInHints())
	b.WriteString("unset HTTP_PROXY http_proxy ALL_PROXY all_proxy SSL_CERT_DIR\n" +
		"unset AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE\n" +
		"unset AWS_ENDPOINT_URL AWS_ENDPOINT_URL_STS AWS_ENDPOINT_URL_IAM AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI\n" +
		"unset OKTA_API_CLIENT_ID OKTA_API_PRIVATE_KEY OKTA_HTTP_PROXY PINGONE_API_ACCESS_TOKEN PINGONE_REGION ONELOGIN_OAPI_URL\n")
	d, ca := w.Demo(), filepath.Join(dir, caFile)
	for _, v := range append([][2]string{
		{"HTTPS_PROXY", w.ProxyURL()}, {"https_proxy", w.ProxyURL()}, {"NO_PROXY", ""}, {"no_proxy", ""},
		{"SSL_CERT_FILE", ca}, {"AWS_CA_BUNDLE", ca}, {"CURL_CA_BUNDLE", ca}, {"REQUESTS_CA_BUNDLE", ca}, {"NODE_EXTRA_CA_CERTS", ca},
		{"AWS_ACCESS_KEY_ID", d.Operator.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", d.Operator.SecretKey},
		{"AWS_DEFAULT_REGION", d.Standby().String()}, {"AWS_REGION", d.Standby().String()}, {"AWS_STS_REGIONAL_ENDPOINTS", "regional"},
		{"AWS_EC2_METADATA_DISABLED", "true"}, {"AWS_CONFIG_FILE", filepath.Join(dir, secretsDir, "no-shared-config")},
		{"AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, secretsDir, "no-shared-credentials")},
		{"SANDBOX_URL", w.ProxyURL()}, {"SANDBOX_TOKEN", w.token}, {"SANDBOX_CA_SPKI", w.CASPKI()},
		{"SAMLFAILOVER_CONFIG", filepath.Join(dir, configFile)},
	}, slices.Concat(w.controllerVariables(), w.slackVariables(), vendorVariables(d))...) {
		fmt.Fprintf(&b, "export %s=%s\n", v[0], shellQuote(v[1]))
	}
	return b.String()
}

// signInHints are comments: who signs in where, to what.
func (w *World) signInHints() string {
	var b strings.Builder
	d := w.Demo()
	for _, t := range d.Tenants {
		fmt.Fprintf(&b, "# Sign in at %s (%s)\n", t.Portal, t.Name)
		for _, u := range d.Users {
			var labels []string
			for _, a := range d.Apps {
				if a.Tenant == t.Name && len(u.Roles[a.Label]) > 0 {
					labels = append(labels, a.Label)
				}
			}
			if len(labels) > 0 {
				fmt.Fprintf(&b, "#   as %s, password %s: %s\n", u.Login, u.Password, strings.Join(labels, ", "))
			}
		}
	}
	return b.String()
}

// vendorVariables are credentials under the names that the vendors' own SDKs
// and Terraform providers read. PingOne's second environment has a worker of its
// own, which is in the config only.
func vendorVariables(d seed.Demo) [][2]string {
	org, _ := d.Tenant(seed.Okta)
	ping, _ := d.Tenant(seed.PingOneProd)
	one, _ := d.Tenant(seed.OneLogin)
	name, base, _ := strings.Cut(seed.OktaHost, ".")
	subdomain, _, _ := strings.Cut(strings.TrimPrefix(one.URL, "https://"), ".")
	return [][2]string{
		{"OKTA_ORG_NAME", name}, {"OKTA_BASE_URL", base}, {"OKTA_API_TOKEN", org.Secret},
		{"OKTA_CLIENT_ORGURL", org.URL}, {"OKTA_CLIENT_TOKEN", org.Secret},
		{"PINGONE_REGION_CODE", "NA"}, {"PINGONE_ENVIRONMENT_ID", ping.WorkerEnvironment},
		{"PINGONE_CLIENT_ID", ping.ClientID}, {"PINGONE_CLIENT_SECRET", ping.Secret},
		{"ONELOGIN_CLIENT_ID", one.ClientID}, {"ONELOGIN_CLIENT_SECRET", one.Secret},
		{"ONELOGIN_SUBDOMAIN", subdomain}, {"ONELOGIN_API_URL", one.URL},
	}
}

// shellQuote writes a value as one word of any POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

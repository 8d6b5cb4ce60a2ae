package awsaccess

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/samlfailover/samlfailover/finding"
)

const (
	endpointVariable = "AWS_ENDPOINT_URL"
	ignoreVariable   = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
)

// overrides are endpoints that the operator allowed; nil = AWS's own.
type overrides struct{ iam, sts, organizations, account *string }

// readOverrides takes the service's variable before the general one, and both
// before the shared config, like the SDKs (AWS SDKs and Tools Reference Guide,
// "Service-specific endpoints").
func readOverrides(env map[string]string) overrides {
	if strings.EqualFold(env[ignoreVariable], "true") {
		return overrides{}
	}
	shared := sharedEndpoints(env)
	pick := func(service string) *string {
		for _, v := range []string{env[endpointVariable+"_"+service], env[endpointVariable], shared[strings.ToLower(service)], shared[""]} {
			if v != "" {
				return &v
			}
		}
		return nil
	}
	return overrides{iam: pick("IAM"), sts: pick("STS"), organizations: pick("ORGANIZATIONS"), account: pick("ACCOUNT")}
}

// EndpointVariables lists what in the environment and the shared config names
// AWS endpoints, for `check` and the start log: variable names, and
// "endpoint_url of profile P" with the service. Values are not shown; they may
// hold credentials.
func EndpointVariables(env map[string]string) []string {
	var out []string
	for name, value := range env {
		if value != "" && (name == endpointVariable || strings.HasPrefix(name, endpointVariable+"_")) {
			out = append(out, name)
		}
	}
	for service := range sharedEndpoints(env) {
		line := "endpoint_url of profile " + profile(env)
		if service != "" {
			line += " for " + service
		}
		out = append(out, line)
	}
	sort.Strings(out)
	return out
}

func profile(env map[string]string) string {
	if p := env["AWS_PROFILE"]; p != "" {
		return p
	}
	return "default"
}

// sharedEndpoints reads endpoint_url from the shared config files; the key "" is
// the profile's own. Files that are missing or broken name none.
func sharedEndpoints(env map[string]string) map[string]string {
	files := map[string]string{"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
	path := func(variable string) []string {
		if p := env[variable]; p != "" {
			return []string{p}
		}
		if home := env["HOME"]; home != "" {
			return []string{filepath.Join(home, ".aws", files[variable])}
		}
		return []string{}
	}
	shared, err := config.LoadSharedConfigProfile(context.Background(), profile(env), func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = path("AWS_CONFIG_FILE"), path("AWS_SHARED_CREDENTIALS_FILE")
	})
	if err != nil {
		return nil
	}
	out := map[string]string{}
	if shared.BaseEndpoint != "" {
		out[""] = shared.BaseEndpoint
	}
	for service, values := range shared.Services.ServiceValues {
		if v := values["endpoint_url"]; v != "" {
			out[service] = v
		}
	}
	return out
}

// awsSuffixes are the DNS suffixes of AWS API hosts (AWS SDK partition
// metadata).
var awsSuffixes = []string{".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws", ".api.amazonwebservices.com.cn",
	".api.amazonwebservices.eu", ".signin.aws.amazon.com", ".c2s.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov"}

// awsHost refuses hosts outside AWS: an endpoint that slipped past the rules
// above must not receive a signed request.
func awsHost(host string) error {
	host = strings.ToLower(host)
	if slices.ContainsFunc(awsSuffixes, func(s string) bool { return strings.HasSuffix(host, s) }) {
		return nil
	}
	return finding.Finding{Code: finding.EndpointOverride, Subject: "aws", What: "a call was to go to a host that is not AWS's and was not sent",
		Why: fmt.Sprintf("its host is %.100q", host), Remedy: "unset AWS_ENDPOINT_URL* and endpoint_url, or set network.allow_endpoint_override"}
}

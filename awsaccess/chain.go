package awsaccess

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
)

// chain is the SDK's default credential chain, loaded at first use because it
// reads files and may ask a metadata service. Only its credentials are used;
// the rest of what it loads is dropped.
type chain struct {
	settings Settings
	network  *outbound.Network
	sts      *sts.Client // for web identity: the Regional STS, whatever the environment says

	mu     sync.Mutex
	loaded aws.CredentialsProvider
}

// Retrieve loads the chain and asks it.
func (c *chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	provider, err := c.load(ctx)
	if err == nil {
		var creds aws.Credentials
		if creds, err = provider.Retrieve(ctx); err == nil {
			return creds, nil
		}
	}
	return aws.Credentials{}, fmt.Errorf("%w: %w", finding.Finding{Code: finding.AccountUnreadable, Subject: "aws",
		What: "no AWS credentials were found", Why: "neither the config nor the environment nor the SDK's default chain has any",
		Remedy: "set aws.access_key_id and aws.secret_access_key, or give this host a role"}, err)
}

func (c *chain) load(ctx context.Context) (aws.CredentialsProvider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil {
		return c.loaded, nil
	}
	opts := []func(*config.LoadOptions) error{
		config.WithRegion(c.settings.Region),
		config.WithHTTPClient(c.client()),
		config.WithRetryer(standardRetry),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) { o.Client = c.sts }),
	}
	if c.settings.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(c.settings.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, err
	}
	c.loaded = cfg.Credentials
	return c.loaded, nil
}

// client is a BuildableClient because the SDK insists on adding AWS_CA_BUNDLE
// itself and accepts no other kind then; the pool is a copy, so what it adds
// stays here.
func (c *chain) client() config.HTTPClient {
	if rt, ok := c.network.Replaced(); ok {
		return doer{rt: rt, anyHost: c.settings.AllowEndpointOverride}
	}
	ours := c.network.Transport()
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.Proxy = c.proxy(ours.Proxy)
		t.DialContext = ours.DialContext
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.network.Roots()}
		t.ForceAttemptHTTP2 = false
	})
}

// proxy is where each request of the chain passes: credentials endpoints of
// this host go direct, everything else must be AWS's.
func (c *chain) proxy(next func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		host := r.URL.Hostname()
		if localCredentials(host) {
			return nil, nil
		}
		if !c.settings.AllowEndpointOverride {
			if err := awsHost(host); err != nil {
				return nil, err
			}
		}
		return next(r)
	}
}

// localCredentials reports whether host serves credentials to this machine
// only: instance metadata, container agents, loopback.
func localCredentials(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast() || strings.HasPrefix(ip.String(), "fd00:ec2::")))
}

package awsaccess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/secret"
)

const (
	sweepAttempts = 8 // adaptive: a scan waits out throttling
	callAttempts  = 3
	maxBackoff    = 20 * time.Second
)

// Settings decide which AWS identity the product has and how it reaches AWS.
type Settings struct {
	// Region is where STS is asked first; FallbackRegions are asked in order
	// when it does not serve. All of one partition.
	Region          string
	FallbackRegions []string
	// AccessKeyID and SecretAccessKey (SessionToken if temporary) are the base
	// credentials. With an empty AccessKeyID those of Env count
	// (AWS_ACCESS_KEY_ID, ...), else the SDK's default chain: web identity,
	// profile, container, instance metadata.
	AccessKeyID     string
	SecretAccessKey secret.Value
	SessionToken    secret.Value
	Profile         string // for the default chain; "" = AWS_PROFILE
	// Env is the environment as read once by the caller.
	Env     map[string]string
	Network *outbound.Network
	// AllowEndpointOverride makes AWS_ENDPOINT_URL* and shared-config
	// endpoint_url count (network.allow_endpoint_override).
	AllowEndpointOverride bool
	Logger                *slog.Logger
}

// RoleToAssume names whose eyes an AWS client has. An empty RoleARN means the
// base credentials as they are.
type RoleToAssume struct {
	RoleARN     string
	ExternalID  string // "" = none
	SessionName string // "" = "samlfailover"; shows in CloudTrail
}

// Access makes AWS clients. Safe for concurrent use.
type Access struct {
	regions   []string
	base      aws.CredentialsProvider
	client    aws.HTTPClient
	overrides overrides
	log       *slog.Logger

	mu    sync.Mutex
	roles map[RoleToAssume]*aws.CredentialsCache
}

// New checks the settings; it makes no call. An error carries a finding.
func New(s Settings) (*Access, error) {
	bad := func(why, remedy string) (*Access, error) {
		return nil, finding.Finding{Code: finding.ConfigInvalid, Subject: "aws", What: "the AWS settings cannot be used", Why: why, Remedy: remedy}
	}
	if s.Network == nil {
		return bad("no network is given", "pass the network that outbound.New made")
	}
	if s.Region == "" {
		return bad("no Region is given for STS", "set aws.region to a Region near this controller, such as us-west-2")
	}
	if (s.AccessKeyID == "") != s.SecretAccessKey.IsZero() {
		return bad("an access key ID and a secret access key belong together, one of them is missing", "give both or none")
	}
	a := &Access{regions: append([]string{s.Region}, s.FallbackRegions...), log: s.Logger, roles: map[RoleToAssume]*aws.CredentialsCache{}}
	for _, r := range a.regions[1:] {
		if partitionOf(r) != partitionOf(s.Region) {
			return bad(fmt.Sprintf("the fallback Region %s is not in the partition of %s", r, s.Region), "name Regions of one partition")
		}
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if s.AllowEndpointOverride {
		a.overrides = readOverrides(s.Env)
	}
	network := s.Network.ForAWS()
	a.client = httpClient(network, s.AllowEndpointOverride)
	a.base = a.baseCredentials(s, network)
	return a, nil
}

// baseCredentials picks the configured pair, the environment's, or the SDK's
// chain.
func (a *Access) baseCredentials(s Settings, network *outbound.Network) aws.CredentialsProvider {
	switch {
	case s.AccessKeyID != "":
		return credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey.Reveal(), s.SessionToken.Reveal())
	case s.Profile == "" && s.Env["AWS_ACCESS_KEY_ID"] != "" && s.Env["AWS_SECRET_ACCESS_KEY"] != "":
		return credentials.NewStaticCredentialsProvider(s.Env["AWS_ACCESS_KEY_ID"], s.Env["AWS_SECRET_ACCESS_KEY"], s.Env["AWS_SESSION_TOKEN"])
	}
	webIdentity := a.stsWith(a.regions[0], aws.AnonymousCredentials{}, standardRetry)
	return aws.NewCredentialsCache(&chain{settings: s, network: network, sts: webIdentity})
}

// config is written by hand rather than loaded: a loaded one would carry the
// endpoints, Regions and CAs of the process's environment.
func (a *Access) config(region string, creds aws.CredentialsProvider, retryer func() aws.Retryer) aws.Config {
	return aws.Config{Region: region, Credentials: creds, HTTPClient: a.client, Retryer: retryer}
}

// STS returns a client of one Region's STS with the base credentials.
func (a *Access) STS(region string) *sts.Client {
	return a.stsWith(region, a.base, standardRetry)
}

// AnonymousSTS returns a client of one Region's STS that sends no credentials
// and does not retry, for AssumeRoleWithSAML.
func (a *Access) AnonymousSTS(region string) *sts.Client {
	return a.stsWith(region, aws.AnonymousCredentials{}, func() aws.Retryer { return aws.NopRetryer{} })
}

func (a *Access) stsWith(region string, creds aws.CredentialsProvider, retryer func() aws.Retryer) *sts.Client {
	return sts.NewFromConfig(a.config(region, creds, retryer), func(o *sts.Options) {
		o.BaseEndpoint = a.overrides.sts
	})
}

// IAM returns a client of the account's IAM. It assumes the role at once (the
// credentials are cached and renewed), so that an error names the role and what
// each STS Region said; it then carries finding account-unreadable. The client
// retries adaptively up to 8 times: it is for scans and repairs in calm times.
func (a *Access) IAM(ctx context.Context, role RoleToAssume) (*iam.Client, error) {
	partition, creds, err := a.as(ctx, role)
	if err != nil {
		return nil, err
	}
	return iam.NewFromConfig(a.config(iamRegion(partition), creds, adaptiveRetry), func(o *iam.Options) {
		o.BaseEndpoint = a.overrides.iam
	}), nil
}

// Organizations returns a client of AWS Organizations in the role's partition,
// as IAM does of IAM.
func (a *Access) Organizations(ctx context.Context, role RoleToAssume) (*organizations.Client, error) {
	partition, creds, err := a.as(ctx, role)
	if err != nil {
		return nil, err
	}
	return organizations.NewFromConfig(a.config(organizationsRegion(partition), creds, adaptiveRetry), func(o *organizations.Options) {
		o.BaseEndpoint = a.overrides.organizations
	}), nil
}

// as returns the credentials of a role, assumed at once, and its partition; no
// role: those that we have.
func (a *Access) as(ctx context.Context, role RoleToAssume) (partition string, creds aws.CredentialsProvider, err error) {
	if role.RoleARN == "" {
		return partitionOf(a.regions[0]), a.base, nil
	}
	if partition, err = partitionOfARN(role.RoleARN); err != nil {
		return "", nil, err
	}
	cache := a.assumed(role)
	if _, err := cache.Retrieve(ctx); err != nil {
		return "", nil, err
	}
	return partition, cache, nil
}

func standardRetry() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = callAttempts })
}

func adaptiveRetry() aws.Retryer {
	return patient{retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.FailOnNoAttemptTokens = true
		o.StandardOptions = append(o.StandardOptions, func(so *retry.StandardOptions) {
			so.MaxAttempts, so.MaxBackoff = sweepAttempts, maxBackoff
		})
	})}
}

// tokenWait is how often a sweep that is slowed down asks for its next turn.
const tokenWait = 100 * time.Millisecond

// patient waits for its turn itself. The SDK's own wait computes how long from
// floating-point tokens and, when rounding leaves almost one, sleeps for
// nothing over and over: a spin, and in virtual time a standstill.
type patient struct{ *retry.AdaptiveMode }

// GetAttemptToken waits within ctx until the adaptive rate allows an attempt.
func (p patient) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	for {
		release, err := p.AdaptiveMode.GetAttemptToken(ctx)
		if err == nil {
			return release, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a turn at a throttled AWS API: %w", ctx.Err())
		case <-time.After(tokenWait):
		}
	}
}

// RetryDelay gives up on an endpoint that cannot be reached after a few tries:
// many are for throttling only. In an outage of IAM a scan then says so within
// seconds.
func (p patient) RetryDelay(attempt int, cause error) (time.Duration, error) {
	var answered smithy.APIError
	if attempt >= callAttempts && !errors.As(cause, &answered) {
		return 0, cause
	}
	return p.AdaptiveMode.RetryDelay(attempt, cause)
}

// partitionOfARN returns the partition of an IAM role's ARN.
func partitionOfARN(arn string) (string, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "role/") || iamRegion(parts[1]) == "" {
		return "", finding.Finding{Code: finding.ConfigInvalid, Subject: arn, What: "this is not the ARN of an IAM role",
			Remedy: "write it as arn:aws:iam::<account>:role/<name>"}
	}
	return parts[1], nil
}

// partitionOf tells a Region's partition by its prefix (AWS SDK partition
// metadata); the special ones come first.
func partitionOf(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-isob-", "aws-iso-b"}, {"us-isof-", "aws-iso-f"},
		{"us-iso-", "aws-iso"}, {"eu-isoe-", "aws-iso-e"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// iamRegion is the Region of a partition that IAM's control plane signs for.
func iamRegion(partition string) string {
	return map[string]string{"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1",
		"aws-iso": "us-iso-east-1", "aws-iso-b": "us-isob-east-1", "aws-iso-e": "eu-isoe-west-1",
		"aws-iso-f": "us-isof-south-1", "aws-eusc": "eusc-de-east-1"}[partition]
}

// organizationsRegion is the Region of a partition that AWS Organizations signs
// for (AWS SDK endpoint metadata of the service).
func organizationsRegion(partition string) string {
	if partition == "aws-cn" {
		return "cn-northwest-1"
	}
	return iamRegion(partition)
}

// httpClient is what the SDK sends through: the network, without redirects, to
// AWS hosts only.
func httpClient(n *outbound.Network, anyHost bool) aws.HTTPClient {
	rt := n.Shared()
	return doer{rt: rt, anyHost: anyHost}
}

// exchangeWithin bounds one exchange to the last byte of its answer: what a
// failing network swallows must not be waited for for ever.
const exchangeWithin = 30 * time.Second

// doer is one exchange per call.
type doer struct {
	rt      http.RoundTripper
	anyHost bool
}

// Do refuses hosts that are not AWS's before anything is sent.
func (d doer) Do(r *http.Request) (*http.Response, error) {
	if !d.anyHost {
		if err := awsHost(r.URL.Hostname()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), exchangeWithin)
	res, err := d.rt.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &bounded{res.Body, cancel}
	return res, nil
}

// bounded is a body whose exchange ends when it is closed.
type bounded struct {
	io.ReadCloser
	end context.CancelFunc
}

// Close implements io.Closer.
func (b *bounded) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

package awsaccess

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/samlfailover/samlfailover/finding"
)

const (
	sessionName   = "samlfailover"
	perRegion     = 8 * time.Second // patience with one Region's STS
	expiryWindow  = 5 * time.Minute // credentials are renewed this long before they end
	sessionLength = time.Hour
)

// assumed returns the cached credentials of a role; one cache per role,
// external ID and session name.
func (a *Access) assumed(role RoleToAssume) *aws.CredentialsCache {
	if role.SessionName == "" {
		role.SessionName = sessionName
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.roles[role]; ok {
		return c
	}
	c := aws.NewCredentialsCache(&assumer{access: a, role: role}, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = expiryWindow
	})
	a.roles[role] = c
	return c
}

// assumer asks each Region's STS in order until one answers for good or ill.
type assumer struct {
	access *Access
	role   RoleToAssume
}

// Retrieve assumes the role. Only a Region that does not serve passes the call
// on to the next; a refusal is the same everywhere.
func (s *assumer) Retrieve(ctx context.Context) (aws.Credentials, error) {
	// Our own credentials come first, so that their absence is not taken for the
	// silence of a Region's STS.
	if _, err := s.access.base.Retrieve(ctx); err != nil {
		return aws.Credentials{}, s.failure([]string{plain(err)}, err)
	}
	var told []string
	var last error
	for _, region := range s.access.regions {
		creds, err := s.in(ctx, region)
		if err == nil {
			return creds, nil
		}
		last = err
		told = append(told, fmt.Sprintf("STS in %s: %s", region, plain(err)))
		if ctx.Err() != nil || !worthAnotherRegion(err) {
			break
		}
		s.access.log.WarnContext(ctx, "sts region does not serve", "region", region, "role", s.role.RoleARN, "reason", plain(err))
	}
	return aws.Credentials{}, s.failure(told, last)
}

func (s *assumer) failure(told []string, last error) error {
	return fmt.Errorf("%w: %w", finding.Finding{Code: finding.AccountUnreadable, Subject: s.role.RoleARN,
		What: "the role could not be assumed", Why: strings.Join(told, "; "), Remedy: s.remedy(last)}, last)
}

// remedy is the next step after err, the last Region's answer: a refusal is
// mended at the role, silence is not.
func (s *assumer) remedy(err error) string {
	var api smithy.APIError
	switch {
	case finding.Is(err, finding.AccountUnreadable):
		return "give this program AWS credentials first: aws.profile or aws.access_key_id in the config, the environment, or a role of this host"
	case !errors.As(err, &api):
		return "check the network and the proxy between here and STS"
	}
	return "check that the role exists and that its trust policy lets our identity in" + externalIDHint(s.role.ExternalID)
}

func externalIDHint(id string) string {
	if id == "" {
		return ""
	}
	return " with the configured external ID"
}

func (s *assumer) in(ctx context.Context, region string) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, perRegion)
	defer cancel()
	in := &sts.AssumeRoleInput{RoleArn: &s.role.RoleARN, RoleSessionName: &s.role.SessionName,
		DurationSeconds: aws.Int32(int32(sessionLength / time.Second))}
	if s.role.ExternalID != "" {
		in.ExternalId = &s.role.ExternalID
	}
	out, err := s.access.STS(region).AssumeRole(ctx, in)
	if err != nil {
		return aws.Credentials{}, err
	}
	c := out.Credentials
	if c == nil || c.AccessKeyId == nil || c.SecretAccessKey == nil || c.SessionToken == nil || c.Expiration == nil {
		return aws.Credentials{}, errors.New("the answer holds no credentials")
	}
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken,
		CanExpire: true, Expires: *c.Expiration, Source: "AssumeRole in " + region}, nil
}

// worthAnotherRegion tells a Region that does not serve from a refusal.
func worthAnotherRegion(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return true // no answer, or none of STS's
	}
	switch code := api.ErrorCode(); {
	case code == "RegionDisabledException", strings.HasPrefix(code, "Throttl"), code == "RequestLimitExceeded":
		return true
	case code == "InternalFailure", code == "ServiceUnavailable", code == "UnknownError":
		return true
	}
	return api.ErrorFault() == smithy.FaultServer
}

// plain is an AWS error in one short clause: its code and message, or why there
// was no answer.
func plain(err error) string {
	var api smithy.APIError
	switch f, ok := errors.AsType[finding.Finding](err); {
	case ok: // our own words, without the SDK's around them
		return f.What + ": " + f.Why
	case errors.As(err, &api):
		return api.ErrorCode() + ": " + api.ErrorMessage()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return err.Error()
}

package awsaccess

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/account"
)

// Account returns a client of AWS Account Management in the eyes of role, which
// says what Regions the role's account has enabled; errors as of IAM. Its one host
// is in us-east-1, as IAM's is: it is for scans in calm times.
func (a *Access) Account(ctx context.Context, role RoleToAssume) (*account.Client, error) {
	partition, creds, err := a.as(ctx, role)
	if err != nil {
		return nil, err
	}
	return account.NewFromConfig(a.config(iamRegion(partition), creds, adaptiveRetry), func(o *account.Options) {
		o.BaseEndpoint = a.overrides.account
	}), nil
}

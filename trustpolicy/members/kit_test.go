package members_test

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/sandbox"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// iamOf opens each account of a world with a key of its own.
func iamOf(w *sandbox.World) fleet.Opener {
	for _, a := range w.Cloud().Accounts() {
		a.AddAccessKey("ops", "AKIA"+a.ID(), "secret", []string{"iam:*"})
	}
	return func(_ context.Context, a federation.Account, _ fleet.Purpose) (fleet.IAM, error) {
		return iam.NewFromConfig(aws.Config{Region: "us-east-1", HTTPClient: &http.Client{Transport: w.RoundTripper()},
			Credentials: credentials.NewStaticCredentialsProvider("AKIA"+a.ID, "secret", "")}), nil
	}
}

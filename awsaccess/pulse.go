package awsaccess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

const (
	pulseWithin = 3 * time.Second        // one question
	pulseAgain  = 250 * time.Millisecond // a lost packet is no outage
)

// IAMAnswers asks a partition's one IAM control plane, twice at most, whether it
// answers at all; nil if it does, after 6.5 seconds at the latest. It needs no
// credentials: IAM sends a request that names no action to its product page. In
// an outage of its Region, that is what a sweep has to know before it asks for
// every account, one retry after the other.
func (a *Access) IAMAnswers(ctx context.Context, partition string) error {
	at, err := iam.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, iam.EndpointParameters{Region: aws.String(iamRegion(partition)),
		UseFIPS: aws.Bool(false), UseDualStack: aws.Bool(false), Endpoint: a.overrides.iam})
	if err != nil {
		return fmt.Errorf("find the IAM endpoint of partition %s: %w", partition, err)
	}
	ask := func() error {
		ctx, cancel := context.WithTimeout(ctx, pulseWithin)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.URI.String(), nil)
		if err != nil {
			return err
		}
		res, err := a.client.Do(req)
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %s: %w", pulseWithin, err)
		}
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // the connection is used again
		_ = res.Body.Close()
		if res.StatusCode >= http.StatusInternalServerError {
			return errors.New("it answers " + res.Status)
		}
		return nil
	}
	err = ask()
	if err == nil {
		return nil
	}
	t := time.NewTimer(pulseAgain)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
		err = ask()
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", at.URI.Host, err)
	}
	return nil
}

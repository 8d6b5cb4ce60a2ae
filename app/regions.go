package app

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/signin"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
)

// regionsPerPage is the most that ListRegions gives at once (AWS Account
// Management API).
const regionsPerPage = 50

// regionReader asks AWS Account Management which Regions an account has enabled,
// as the account's scan role. nil outside the partition aws: in no other one does
// an account have to enable a Region.
func regionReader(f federation.Federation, a *awsaccess.Access) fleet.RegionReader {
	if f.Partition != signin.AWS {
		return nil
	}
	return func(ctx context.Context, acc federation.Account) (map[string]string, error) {
		client, err := a.Account(ctx, scanIdentity(acc))
		if err != nil {
			return nil, err
		}
		out := map[string]string{}
		for p := account.NewListRegionsPaginator(client, &account.ListRegionsInput{MaxResults: aws.Int32(regionsPerPage)}); p.HasMorePages(); {
			page, err := p.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("list the Regions of account %s: %w", acc.ID, err)
			}
			for _, r := range page.Regions {
				out[aws.ToString(r.RegionName)] = string(r.RegionOptStatus)
			}
		}
		return out, nil
	}
}

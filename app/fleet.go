package app

import (
	"context"

	"github.com/samlfailover/samlfailover/awsaccess"
	"github.com/samlfailover/samlfailover/config"
	"github.com/samlfailover/samlfailover/federation"
	"github.com/samlfailover/samlfailover/inventory"
	"github.com/samlfailover/samlfailover/outbound"
	"github.com/samlfailover/samlfailover/trustpolicy/fleet"
	"github.com/samlfailover/samlfailover/trustpolicy/members"
)

// access builds the base AWS identity. Regional STS is asked in the configured
// Region first; without one, in the federations' Regions, the standbys before
// home, since home is what is expected to break.
func access(s Setup, secrets config.Secrets, n *outbound.Network) (*awsaccess.Access, error) {
	return accessIn(s, secrets, n, stsRegions(s.Config))
}

// accessIn is access that asks the STS of these Regions, at least one, in order.
func accessIn(s Setup, secrets config.Secrets, n *outbound.Network, regions []string) (*awsaccess.Access, error) {
	return awsaccess.New(awsaccess.Settings{
		Region: regions[0], FallbackRegions: regions[1:],
		AccessKeyID: secrets.AWS.AccessKeyID, SecretAccessKey: secrets.AWS.SecretAccessKey, SessionToken: secrets.AWS.SessionToken,
		Profile: s.Config.AWS.Profile, Env: s.Env, Network: n,
		AllowEndpointOverride: s.Config.Network.AllowEndpointOverride, Logger: s.Log,
	})
}

func stsRegions(c *config.Config) []string {
	var out []string
	seen := map[string]bool{"": true}
	add := func(code string) {
		if !seen[code] {
			seen[code] = true
			out = append(out, code)
		}
	}
	add(c.AWS.Region.String())
	for _, r := range c.AWS.FallbackRegions {
		add(r.String())
	}
	if len(out) == 0 {
		for _, f := range c.Federations() {
			for _, r := range append(f.Regions[1:len(f.Regions):len(f.Regions)], f.Regions[0]) {
				add(r.String())
			}
		}
	}
	return out
}

// opener opens an account's IAM through its scan or enforce role.
func opener(a *awsaccess.Access) fleet.Opener {
	return func(ctx context.Context, acc federation.Account, purpose fleet.Purpose) (fleet.IAM, error) {
		role := scanIdentity(acc)
		if purpose == fleet.ToWrite {
			role.RoleARN, role.SessionName = acc.EnforceRole, "samlfailover-enforce"
		}
		return a.IAM(ctx, role)
	}
}

// scanIdentity is whose eyes an account is read with.
func scanIdentity(acc federation.Account) awsaccess.RoleToAssume {
	return awsaccess.RoleToAssume{RoleARN: acc.ScanRole, ExternalID: acc.ExternalID, SessionName: "samlfailover-scan"}
}

// newFleet returns one federation's trust policies, over the accounts that it has
// when it is scanned, looked at with the configured pace; apps returns its apps as
// last read.
func newFleet(s Setup, f federation.Federation, a *awsaccess.Access, k members.Keeper, apps func(context.Context) []inventory.AppRead, progress func(fleet.Progress)) (*members.Fleet, error) {
	out, err := fleet.New(fleet.Options{Federation: f, Open: opener(a), Pace: float64(s.Config.AWS.IAMPace), Apps: apps, Regions: regionReader(f, a), Log: s.Log, Progress: progress,
		Answers: func(ctx context.Context) error { return a.IAMAnswers(ctx, string(f.Partition)) }})
	if err != nil {
		return nil, err
	}
	return members.Live(out, newMembers(f, a, k, s.Log)), nil
}

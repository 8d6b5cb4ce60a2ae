package seed

import (
	"fmt"
	"strings"

	"github.com/samlfailover/samlfailover/sandbox/onelogin"
	"github.com/samlfailover/samlfailover/signin"
)

// place is the AWS that a world's people sign in to: its partition with the
// Regions of the federation, home first, standby second, and what else differs
// from partition to partition.
type place struct {
	partition signin.Partition
	regions   []signin.Region
	aliases   []string // other spellings of the home Region's endpoint
	// validator is the pattern of OneLogin's apps that the ACS has to match.
	validator string
	// environment is the awsEnvironmentType of Okta's AWS Account Federation app.
	environment string
	// collectors and collector are how many principals with what name bring a
	// trust policy within one audience's length of the default quota of 2048
	// characters; a test holds them there.
	collectors int
	collector  string
}

// Partitions are those in which there is a demo world.
func Partitions() []signin.Partition { return []signin.Partition{signin.AWS, signin.GovCloud} }

// placeOf returns the place of a partition; "" is aws.
func placeOf(p signin.Partition) (place, error) {
	switch p {
	case "", signin.AWS:
		return place{partition: signin.AWS, regions: regions("us-east-1", "us-west-2", "eu-west-1"),
			aliases:   []string{"https://us-east-1.signin.aws.amazon.com/saml"},
			validator: onelogin.AnyRegion, environment: "aws.amazon", collectors: 25, collector: "logging/log-archive-collector"}, nil
	case signin.GovCloud:
		// Okta does not publish the awsEnvironmentType of GovCloud; ours.
		return place{partition: signin.GovCloud, regions: regions("us-gov-west-1", "us-gov-east-1"),
			validator: `^https:\/\/([a-z0-9-]+\.)?signin\.amazonaws-us-gov\.com\/saml$`, environment: "aws.us-gov",
			collectors: 22, collector: "logging/log-archive-collector"}, nil
	}
	return place{}, fmt.Errorf("there is no demo world in partition %q, only in %v", p, Partitions())
}

func regions(codes ...string) []signin.Region {
	var out []signin.Region
	for _, c := range codes {
		out = append(out, signin.MustRegion(c))
	}
	return out
}

func (p place) home() signin.Region { return p.regions[0] }

// arn names something in an account's IAM.
func (p place) arn(account, rest string) string {
	return "arn:" + string(p.partition) + ":iam::" + account + ":" + rest
}

// landing is a page of the home Region's console; HOME in path is the Region.
func (p place) landing(path string) string {
	e, _ := p.home().Endpoint()
	return "https://" + e.ConsoleHost + strings.ReplaceAll(path, "HOME", p.home().String())
}

// audiences are the endpoints of Regions, as trust policies name them.
func audiences(regions ...signin.Region) []string {
	var out []string
	for _, r := range regions {
		out = append(out, mustACS(r).String())
	}
	return out
}

func mustACS(r signin.Region) signin.ACS {
	acs, err := r.ACS("")
	if err != nil {
		panic(err) // a Region of placeOf is in the catalogue
	}
	return acs
}

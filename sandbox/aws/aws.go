package aws

import (
	"net/http"

	"github.com/samlfailover/samlfailover/sandbox/aws/account"
	"github.com/samlfailover/samlfailover/sandbox/aws/console"
	"github.com/samlfailover/samlfailover/sandbox/aws/iam"
	"github.com/samlfailover/samlfailover/sandbox/aws/organizations"
	awssignin "github.com/samlfailover/samlfailover/sandbox/aws/signin"
	"github.com/samlfailover/samlfailover/sandbox/aws/sts"
	"github.com/samlfailover/samlfailover/sandbox/aws/world"
	"github.com/samlfailover/samlfailover/sandbox/mishap"
	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/signin"
)

// The state of the cloud; see package world.
type (
	Account    = world.Account
	Role       = world.Role
	Provider   = world.Provider
	Strictness = world.Strictness

	Organization = world.Organization
	Member       = world.Member
)

// Cloud is a simulated AWS. It may be used concurrently; several may live in one
// process and know nothing of each other.
type Cloud struct {
	*world.Cloud
	metadata map[signin.Partition]*awssignin.Metadata
}

// New returns a cloud without accounts.
func New() *Cloud {
	c := &Cloud{world.New(), map[signin.Partition]*awssignin.Metadata{}}
	for _, p := range signin.Partitions() {
		c.metadata[p] = awssignin.NewMetadata(p)
	}
	return c
}

// Sites returns every AWS host of the world with its handler: sign-in, console
// and Regional STS of every Region whose host is known, the us-east-1 alias of
// sign-in, global STS, the Region-less consoles, the IAM and the Organizations
// hosts.
func (c *Cloud) Sites() []proxy.Site {
	var out []proxy.Site
	for _, e := range signin.Catalogue() {
		out = append(out, c.regional(e)...)
	}
	return append(out, c.global()...)
}

func (c *Cloud) regional(e signin.Endpoint) []proxy.Site {
	out := []proxy.Site{
		{Host: e.SignInHost, Service: "signin", Region: e.Region, Handler: c.signIn(e)},
		{Host: e.STSHost, Service: "sts", Region: e.Region, Handler: c.sts(e, false)},
	}
	if e.ConsoleHost != "" {
		out = append(out, proxy.Site{Host: e.ConsoleHost, Service: "console", Region: e.Region,
			Handler: &console.Handler{Cloud: c.Cloud, Endpoint: e}})
	}
	return out
}

// single is a host that a partition has only once, in one Region.
type single struct{ host, service, region string }

// singles lists them: the control planes of IAM and Organizations (botocore,
// partitions.json and the endpoint rules of both), the global STS endpoint, the alias of the us-east-1
// sign-in host, and the consoles without a Region.
func singles() []single {
	return []single{
		{"us-east-1.signin.aws.amazon.com", "signin", "us-east-1"},
		{"sts.amazonaws.com", "sts-global", "us-east-1"},
		{"console.aws.amazon.com", "console", "us-east-1"},
		{"console.amazonaws-us-gov.com", "console", "us-gov-west-1"},
		{"console.amazonaws.cn", "console", "cn-north-1"},
		{"console.amazonaws-eusc.eu", "console", "eusc-de-east-1"},
		{"iam.amazonaws.com", "iam", "us-east-1"},
		{"iam.us-gov.amazonaws.com", "iam", "us-gov-west-1"},
		{"iam.cn-north-1.amazonaws.com.cn", "iam", "cn-north-1"},
		{"iam.eusc-de-east-1.amazonaws.eu", "iam", "eusc-de-east-1"},
		{"organizations.us-east-1.amazonaws.com", "organizations", "us-east-1"},
		{"organizations.us-gov-west-1.amazonaws.com", "organizations", "us-gov-west-1"},
		{"account.us-east-1.amazonaws.com", "account", "us-east-1"},
	}
}

func (c *Cloud) global() []proxy.Site {
	var out []proxy.Site
	for _, s := range singles() {
		r := signin.MustRegion(s.region)
		e, _ := r.Endpoint()
		var h http.Handler
		switch s.service {
		case "signin":
			h = c.signIn(e)
		case "sts-global":
			h = c.sts(e, true)
		case "console":
			h = &console.Handler{Cloud: c.Cloud, Endpoint: e, Regionless: true}
		case "iam":
			h = &iam.Handler{Cloud: c.Cloud, Partition: e.Partition, Region: r}
		case "organizations":
			h = &organizations.Handler{Cloud: c.Cloud, Partition: e.Partition, Region: r}
		case "account":
			h = &account.Handler{Cloud: c.Cloud, Partition: e.Partition, Region: r}
		}
		site := proxy.Site{Host: s.host, Service: s.service, Region: r, Handler: h}
		if s.service == "iam" {
			site.ReadOnly = mishap.InReadOnlyMode(h)
		}
		if s.service == "organizations" {
			site.Throttled = http.HandlerFunc(organizations.Throttled)
		}
		if s.service == "account" {
			site.Throttled = http.HandlerFunc(account.Throttled)
		}
		out = append(out, site)
	}
	return out
}

func (c *Cloud) signIn(e signin.Endpoint) http.Handler {
	return &awssignin.Handler{Cloud: c.Cloud, Endpoint: e, Metadata: c.metadata[e.Partition]}
}

func (c *Cloud) sts(e signin.Endpoint, global bool) http.Handler {
	return &sts.Handler{Cloud: c.Cloud, Partition: e.Partition, Region: e.Region, Global: global}
}

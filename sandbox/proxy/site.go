// Package proxy is for the sandbox's network: the forward proxy (CONNECT), the
// sandbox's own CA, and the dispatch of each host name to its simulator.
//
// It must never dial anything and never import product code but signin.
package proxy

import (
	"net/http"

	"github.com/samlfailover/samlfailover/signin"
)

// Site is one simulated host. Service and Region are what a fault's target may
// name: Service one of "signin", "console", "sts", "sts-global", "iam",
// "organizations", "account", "okta", "pingone", "onelogin", "pagerduty", "webhook", "slack"; Region the Region
// the host lives in (us-east-1 for IAM and global STS; zero for hosts outside
// AWS); Tenant the IdP tenant's name, or "".
type Site struct {
	Host    string
	Service string
	Region  signin.Region
	Tenant  string
	Handler http.Handler
	// Parts are tenants that share the host, and Part says which of them a
	// request concerns ("" = none). Both nil: nobody shares it.
	Parts []string
	Part  func(*http.Request) string
	// Throttled refuses a request as one too many, in the service's words; nil:
	// the words of AWS's Query APIs, or a plain 429.
	Throttled http.Handler
	// ReadOnly serves reads as ever and refuses writes in the service's words;
	// nil: the service has no such mode.
	ReadOnly http.Handler
}

// part is the tenant that a request concerns, where several share the host.
func (s Site) part(r *http.Request) string {
	if s.Part == nil {
		return ""
	}
	return s.Part(r)
}

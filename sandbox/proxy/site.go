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
// "organizations", "account", "okta", "portal"; Region the Region the host
// lives in (us-east-1 for IAM and global STS; zero for hosts outside AWS);
// Tenant the IdP tenant's name, or "".
type Site struct {
	Host    string
	Service string
	Region  signin.Region
	Tenant  string
	Handler http.Handler
}

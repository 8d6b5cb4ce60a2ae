package sandbox

import (
	"io"
	"net/http"
	"slices"

	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/signin"
)

// closedSites are AWS APIs that live in one Region, that a failover must never
// wait on, and that nobody in this world may call: AWS Organizations and Account
// Management (their endpoint tables in the AWS General Reference; Account
// Management's endpoint in GovCloud is not known here). They are here so that a
// call is seen in the request log and dies with the Region.
func closedSites() []proxy.Site {
	var out []proxy.Site
	for _, s := range []struct{ service, region string }{
		{"organizations", "us-east-1"}, {"account", "us-east-1"}, {"organizations", "us-gov-west-1"},
	} {
		out = append(out, proxy.Site{Host: s.service + "." + s.region + ".amazonaws.com", Service: s.service,
			Region: signin.MustRegion(s.region), Handler: http.HandlerFunc(denied)})
	}
	return out
}

// denied refuses as these APIs refuse a caller without permission.
func denied(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","Message":"You don't have permissions to access this resource."}`)
}

// allSites joins lists of sites; the first one that has a host serves it.
func allSites(lists ...[]proxy.Site) []proxy.Site {
	var out []proxy.Site
	for _, s := range slices.Concat(lists...) {
		if !slices.ContainsFunc(out, func(have proxy.Site) bool { return have.Host == s.Host }) {
			out = append(out, s)
		}
	}
	return out
}

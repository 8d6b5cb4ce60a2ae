package sandbox

import (
	"io"
	"net/http"
	"slices"

	"github.com/samlfailover/samlfailover/sandbox/proxy"
	"github.com/samlfailover/samlfailover/signin"
)

// closedSites are AWS APIs that live in one Region, that a failover must never
// wait on, and that nobody in this world may call: Account Management (its
// endpoint table in the AWS General Reference; the endpoint in GovCloud is not
// known here). It is here so that a call is seen in the request log and dies with
// the Region.
func closedSites() []proxy.Site {
	return []proxy.Site{{Host: "account.us-east-1.amazonaws.com", Service: "account",
		Region: signin.MustRegion("us-east-1"), Handler: http.HandlerFunc(denied)}}
}

// denied refuses as this API refuses a caller without permission.
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

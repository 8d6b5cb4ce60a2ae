package outbound

import (
	"fmt"
	"net/http"
)

// Streaming returns a client for one counterpart whose answers may be long: it
// has no time limit of its own, so pass a context with a deadline. origin is as
// in OriginOptions, http on loopback only. It follows no redirect, and closes
// its connections with Close of the network.
func (n *Network) Streaming(name, origin string) (client *http.Client, base string, err error) {
	u, err := parseOrigin(origin)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return &http.Client{Transport: n.Shared(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, u.String(), nil
}

package login

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// ProxyError says that a forward proxy could not reach a host.
type ProxyError struct {
	Status string // of the answer to CONNECT, "502 Bad Gateway"
	Kind   string // Proxy-Status error of RFC 9209, 2.3, "connection_refused"; "" = not said
}

// Error returns the kind, else the status.
func (e *ProxyError) Error() string { return "the proxy answered: " + e.why() }

func (e *ProxyError) why() string {
	if e.Kind == "" {
		return e.Status
	}
	return strings.ReplaceAll(e.Kind, "_", " ")
}

// OnProxyConnectResponse is for http.Transport.OnProxyConnectResponse: it turns
// a proxy's refusal into a ProxyError, so that Run can name the reason.
func OnProxyConnectResponse(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{Status: res.Status, Kind: proxyStatusError(res.Header.Get("Proxy-Status"))}
}

// proxyStatusError finds the error parameter of a Proxy-Status field.
func proxyStatusError(field string) string {
	for _, param := range strings.Split(field, ";") {
		if kind, ok := strings.CutPrefix(strings.TrimSpace(param), "error="); ok {
			return strings.Trim(kind, `"`)
		}
	}
	return ""
}

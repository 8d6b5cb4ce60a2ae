package outbound

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"

	"github.com/samlfailover/samlfailover/finding"
)

// direct is the setting that switches every proxy off.
const direct = "direct"

// proxyChoice is the decision which requests go through which proxy.
type proxyChoice struct {
	choose  func(*url.URL) (*url.URL, error)
	shown   string // redacted, "" = none
	source  string // "network.proxy", "HTTPS_PROXY", ...
	noProxy string
}

func (p proxyChoice) forRequest(r *http.Request) (*url.URL, error) { return p.choose(r.URL) }

// chooseProxy reads the setting or the environment; every proxy named there is
// checked now rather than at the first request.
func chooseProxy(setting string, env map[string]string) (proxyChoice, error) {
	none := func(*url.URL) (*url.URL, error) { return nil, nil }
	switch setting {
	case direct:
		return proxyChoice{choose: none, source: "network.proxy"}, nil
	case "":
		return proxyFromEnv(env)
	}
	u, err := checkProxy("network.proxy", setting)
	if err != nil {
		return proxyChoice{}, err
	}
	cfg := httpproxy.Config{HTTPProxy: u.String(), HTTPSProxy: u.String()}
	return proxyChoice{choose: cfg.ProxyFunc(), shown: redactURL(u), source: "network.proxy"}, nil
}

func proxyFromEnv(env map[string]string) (proxyChoice, error) {
	https, httpsName := firstOf(env, "HTTPS_PROXY", "https_proxy")
	plain, plainName := firstOf(env, "HTTP_PROXY", "http_proxy")
	no, _ := firstOf(env, "NO_PROXY", "no_proxy")
	out := proxyChoice{source: httpsName, noProxy: no}
	cfg := httpproxy.Config{NoProxy: no}
	if https != "" {
		u, err := checkProxy(httpsName, https)
		if err != nil {
			return proxyChoice{}, err
		}
		cfg.HTTPSProxy, out.shown = u.String(), redactURL(u)
	}
	if plain != "" {
		u, err := checkProxy(plainName, plain)
		if err != nil {
			return proxyChoice{}, err
		}
		cfg.HTTPProxy = u.String()
	}
	out.choose = cfg.ProxyFunc()
	return out, nil
}

// firstOf returns the first variable that is set and not empty.
func firstOf(env map[string]string, names ...string) (value, name string) {
	for _, n := range names {
		if v := env[n]; v != "" {
			return v, n
		}
	}
	return "", ""
}

// checkProxy accepts http and https proxies; "host:port" means http. The text
// itself is not repeated in errors: it may hold a password.
func checkProxy(source, text string) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, finding.Finding{Code: finding.NetworkSetup, Subject: source,
			What: "the proxy cannot be used", Why: why,
			Remedy: "write it as http://host:port (or https://host:port), or set network.proxy to " + direct}
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return bad("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad(fmt.Sprintf("its scheme %q is neither http nor https", u.Scheme))
	case u.Hostname() == "":
		return bad("it names no host")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return bad("it has a path, a query or a fragment")
	}
	u.Path = ""
	return u, nil
}

// redactURL shows where a proxy is and that it has credentials, never which.
func redactURL(u *url.URL) string {
	if u.User != nil {
		return u.Scheme + "://[redacted]@" + u.Host
	}
	return u.Scheme + "://" + u.Host
}

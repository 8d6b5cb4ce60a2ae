package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Server says whether, where and to whom the controller answers over the
// network. Without listen it answers on its local socket only.
type Server struct {
	Listen      string    `yaml:"listen" doc:"Address and port of the HTTP API, such as 127.0.0.1:8443; :8443 for every address of the machine. Absent: none, only the local socket answers. Off loopback it needs tls."`
	TLS         ServerTLS `yaml:"tls" doc:"The server's own certificate; its files are read again when they change."`
	ClientCA    string    `yaml:"client_ca" doc:"PEM file of the CA whose client certificates are taken as proof of who asks (people names whose they are), relative to this file. Needs tls."`
	Hosts       []string  `yaml:"hosts" unique:"true" max:"50" doc:"Names that clients may use for this server (the Host header, without the port). Absent: the address in listen, and localhost on loopback. Needed with tls off loopback."`
	Proxies     []string  `yaml:"proxies" unique:"true" max:"50" doc:"Addresses or networks (10.0.0.0/8) of proxies in front whose X-Forwarded-For is believed. Absent: none is."`
	MetricsFrom []string  `yaml:"metrics_from" unique:"true" max:"50" doc:"Addresses or networks that may read /metrics without a token, such as 127.0.0.1. Absent: none may."`
	OIDC        []Issuer  `yaml:"oidc" max:"10" doc:"OpenID Connect issuers whose bearer tokens are taken as proof of who asks. None is asked at start, and none is needed where personal tokens are."`
	Limits      Limits    `yaml:"limits" doc:"What one address, and all together, may ask of the server."`
}

// ServerTLS are files, relative to the config; absolute after loading.
type ServerTLS struct {
	Cert string `yaml:"cert" required:"true" doc:"PEM file of the certificate with its chain, relative to this file."`
	Key  string `yaml:"key" required:"true" doc:"PEM file of its private key, relative to this file."`
}

// Issuer is an OpenID Connect issuer. Keys is the URL of its key set, "" for
// the one that its discovery document names on the issuer's own origin.
type Issuer struct {
	Issuer      string   `yaml:"issuer" required:"true" doc:"The issuer's https URL, exactly as its tokens say it (iss)."`
	Audience    string   `yaml:"audience" required:"true" pattern:"audience" doc:"What the tokens' aud must name: this API, as registered at the issuer."`
	Keys        string   `yaml:"keys" doc:"The https URL of the issuer's key set (jwks_uri). Absent: found by discovery, on the issuer's own host; needed where the keys lie on another host."`
	Federations []string `yaml:"federations" required:"true" min:"1" unique:"true" doc:"Federations in which these tokens count. A person's role elsewhere does not come with them."`
	Role        string   `yaml:"role" default:"viewer" enum:"viewer,operator,approver,admin" doc:"The highest role that a token of this issuer can carry, whatever the person's own is."`
	GroupsClaim string   `yaml:"groups_claim" default:"groups" pattern:"claim" doc:"The claim that lists a person's groups."`
}

// Limits bound what is asked of the server. Body is in KiB.
type Limits struct {
	Body        int           `yaml:"body" default:"1024" min:"16" max:"8192" doc:"The largest request body, in KiB."`
	Rate        int           `yaml:"rate" default:"500" min:"1" max:"10000" doc:"Requests per second of one address; twice as many in a burst."`
	Concurrent  int           `yaml:"concurrent" default:"512" min:"8" max:"10000" doc:"Requests that are answered at the same time, event streams among them; one address gets at most half of them."`
	HeaderTime  time.Duration `yaml:"header_time" default:"10s" min:"1s" max:"1m" doc:"How long a client may take to send the head of a request."`
	BodyTime    time.Duration `yaml:"body_time" default:"15s" min:"1s" max:"5m" doc:"How long it may take to send the body."`
	FailedLogin int           `yaml:"failed_logins" default:"20" min:"3" max:"10000" doc:"Refused credentials in a row after which an address is made to wait; it gets another try every second."`
}

// Loopback reports whether the API is reachable from this machine only.
func (s Server) Loopback() bool { return loopbackHost(hostOf(s.Listen)) }

// hostOf is the part of host:port before the port.
func hostOf(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	return host
}

func loopbackHost(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// server checks the network API (spec 13.6).
func (c *checker) server() {
	s := &c.doc.Server
	for key, name := range map[string]*string{"server.tls.cert": &s.TLS.Cert, "server.tls.key": &s.TLS.Key, "server.client_ca": &s.ClientCA} {
		switch {
		case strings.HasPrefix(*name, "~"):
			c.fail(key, "~ is not understood here", "write the path out, or relative to this file")
		case *name != "" && !filepath.IsAbs(*name):
			*name = filepath.Join(c.dir, *name)
		}
	}
	c.networks("server.proxies", s.Proxies)
	c.networks("server.metrics_from", s.MetricsFrom)
	for i, h := range s.Hosts {
		if h != "" && (strings.ContainsAny(h, "/:@*?# ") && net.ParseIP(h) == nil || strings.ToLower(h) != h) {
			c.fail(fmt.Sprintf("server.hosts[%d]", i), "this is not a host's name", "write the name alone, in lower case: failover.corp.example")
		}
	}
	c.issuers(s.OIDC)
	if !c.written("server", "listen") {
		for _, key := range []string{"tls", "client_ca", "hosts", "proxies", "metrics_from", "oidc", "limits"} {
			if c.written("server", key) {
				c.fail("server."+key, "it belongs to the network API, and there is no server.listen", "add listen, or remove it")
			}
		}
		return
	}
	c.listen(s)
}

// listen checks the address, and that nobody off this machine is answered
// without TLS and a way to prove who asks.
func (c *checker) listen(s *Server) {
	host, port, err := net.SplitHostPort(s.Listen)
	number, bad := strconv.Atoi(port)
	if s.Listen == "" {
		return // refused already
	}
	if err != nil || bad != nil || number < 1 || number > 65535 || host != "" && host != "localhost" && net.ParseIP(host) == nil {
		c.fail("server.listen", "this is not an address and a port", "write it as 127.0.0.1:8443, or :8443 for every address")
		return
	}
	secure := c.written("server", "tls")
	if s.ClientCA != "" && !secure {
		c.missing("server", "tls", "a client certificate is shown in TLS only")
	}
	if !loopbackHost(host) {
		if !secure {
			c.fail("server.listen", "other machines can reach this address, and credentials would cross the network in clear", "add server.tls, or listen on 127.0.0.1")
		}
	}
	if !c.canAsk() && !c.doc.Slack.Configured() {
		if loopbackHost(host) {
			c.warn("server.listen", "nobody can prove who they are, so everybody is refused", "give people tokens, a client_ca or an oidc issuer")
		} else {
			c.fail("server.listen", "other machines can reach this address, and nobody could prove who they are", "give people tokens, a client_ca or an oidc issuer, or listen on 127.0.0.1")
		}
	}
	if len(s.Hosts) > 0 {
		return
	}
	switch {
	case loopbackHost(host):
		s.Hosts = []string{"localhost", "127.0.0.1", "::1"}
		if !slices.Contains(s.Hosts, host) {
			s.Hosts = append(s.Hosts, host)
		}
	case host == "" || net.ParseIP(host).IsUnspecified():
		c.missing("server", "hosts", "this address stands for every one of the machine, so the names that clients use are not known")
	default:
		s.Hosts = []string{host}
	}
}

// canAsk reports whether anybody could prove over the network who they are.
func (c *checker) canAsk() bool {
	s := c.doc.Server
	return len(s.OIDC) > 0 || s.ClientCA != "" || len(c.doc.Tokens) > 0 ||
		slices.ContainsFunc(c.doc.People, func(p Person) bool { return len(p.Tokens) > 0 })
}

// networks checks addresses and networks.
func (c *checker) networks(path string, list []string) {
	for i, text := range list {
		if _, err := ParseNetwork(text); text != "" && err != nil {
			c.fail(fmt.Sprintf("%s[%d]", path, i), "this is neither an address nor a network", "write it as 10.1.2.3 or 10.0.0.0/8")
		}
	}
}

// ParseNetwork reads a network, or an address as the network of itself alone.
func ParseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.60q is neither an address nor a network", text)
	}
	return p.Masked(), nil
}

// issuers checks the OpenID Connect issuers. Which federations there are is
// known once the document is decoded.
func (c *checker) issuers(all []Issuer) {
	first := map[string]int{}
	for i, o := range all {
		path := fmt.Sprintf("server.oidc[%d]", i)
		c.secureURL(path+".issuer", o.Issuer)
		c.secureURL(path+".keys", o.Keys)
		if j, ok := first[o.Issuer]; ok && o.Issuer != "" {
			c.fail(path+".issuer", fmt.Sprintf("the issuer is configured already, as number %d", j+1), "configure each issuer once")
			continue
		}
		first[o.Issuer] = i
		for k, name := range o.Federations {
			c.knownFederation(fmt.Sprintf("%s.federations[%d]", path, k), name, "the name grants nothing")
		}
	}
}

// secureURL checks an https URL without user, query and fragment; http is for
// loopback only.
func (c *checker) secureURL(path, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		c.fail(path, "this is not a plain URL", "write it as https://login.example/oauth2/default")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopbackHost(u.Hostname())):
		c.fail(path, "an issuer is reached over https only", "write it as https://login.example/oauth2/default")
	}
}

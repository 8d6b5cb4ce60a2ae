package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/samlfailover/samlfailover/sandbox/fault"
	"github.com/samlfailover/samlfailover/sandbox/reqlog"
)

// name is how this proxy calls itself in Proxy-Status.
const name = "samlfailover-sandbox"

// holdTime is how long a CONNECT into a black hole is held before the proxy
// gives up.
const holdTime = time.Minute

// ServeHTTP carries CONNECT to simulated hosts and refuses everything else. A
// CONNECT that fails says why in Proxy-Status (RFC 9209, 2.3):
//
//	host not simulated   502 destination_not_found; nothing is ever dialled
//	port other than 443  502 connection_refused
//	dns                  502 dns_error
//	down, refuse         502 connection_refused
//	blackhole            held until the client leaves; after 60 s 504 connection_timeout
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		fail(w, http.StatusForbidden, "http_request_denied", "this proxy carries https only: use it for CONNECT, and an https address")
		return
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		fail(w, http.StatusBadRequest, "http_request_error", "CONNECT needs host:port")
		return
	}
	s := p.sites[strings.ToLower(host)]
	if s == nil {
		p.recordUnknown(host, http.StatusBadGateway)
		fail(w, http.StatusBadGateway, "destination_not_found", "the sandbox does not simulate this host; nothing was dialled")
		return
	}
	if port != "443" {
		p.record(s, reqlog.Entry{Kind: reqlog.Connect, Client: clientOf(r), Method: r.Method, Status: http.StatusBadGateway, Note: "port " + port})
		fail(w, http.StatusBadGateway, "connection_refused", "simulated hosts listen on port 443 only")
		return
	}
	p.connect(w, r, s)
}

// connect opens the way to a simulated host, or fails as faults demand.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request, s *site) {
	effects, after := p.connectEffects(s)
	entry := reqlog.Entry{Kind: reqlog.Connect, Client: clientOf(r), Method: r.Method, Status: http.StatusOK, Note: faultNote(effects)}
	e, hit := effects.First(fault.DNS, fault.Down, fault.Refuse, fault.Blackhole)
	switch {
	case hit && e.Kind == fault.Blackhole:
		entry.Status = 0 // recorded at once: nobody knows when it ends
		p.record(s, entry)
		if pause(r.Context(), holdTime) == nil {
			fail(w, http.StatusGatewayTimeout, "connection_timeout", "fault: blackhole")
		}
	case hit:
		entry.Status = http.StatusBadGateway
		p.record(s, entry)
		what := "connection_refused"
		if e.Kind == fault.DNS {
			what = "dns_error"
		}
		fail(w, http.StatusBadGateway, what, "fault: "+string(e.Kind))
	default:
		p.record(s, entry)
		p.tunnel(w, s, effects, after)
	}
}

// tunnel takes the client's connection over and serves the site on it.
func (p *Proxy) tunnel(w http.ResponseWriter, s *site, effects fault.Effects, after uint64) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		fail(w, http.StatusInternalServerError, "proxy_internal_error", "the connection cannot be taken over")
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = conn.Close()
		return
	}
	_ = p.serve(&siteConn{Conn: conn, early: buffered.Reader, site: s, opened: after}, effects)
}

// fail answers with a status and the reason, for machines and for people.
func fail(w http.ResponseWriter, status int, reason, details string) {
	w.Header().Set("Proxy-Status", fmt.Sprintf("%s; error=%s; details=%q", name, reason, details))
	http.Error(w, name+": "+details, status)
}

// Listen opens a TCP listener on a loopback address ("127.0.0.1:0", "[::1]:0",
// "localhost:8443") and refuses every other: the sandbox is nobody else's
// business.
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w; write it as 127.0.0.1:0", addr, err)
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %q: the sandbox listens on loopback only, such as 127.0.0.1:0", addr)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		_ = ln.Close()
		return nil, fmt.Errorf("listen on %q: it leads to %s, which is not loopback", addr, ln.Addr())
	}
	return ln, nil
}

package gate

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// maxConnections is how many connections are open at the same time, those that
// ask nothing included. Each is a file of the process, and a process without
// files left cannot reach an identity provider either.
const maxConnections = 2048

// connections are those that are open, by source. One source gets at most half
// of them; what is too many is closed before it is heard. Safe for concurrent
// use.
type connections struct {
	most int

	mu   sync.Mutex
	open map[net.Conn]netip.Addr
	from map[netip.Addr]int
}

func newConnections(most int) *connections {
	return &connections{most: most, open: map[net.Conn]netip.Addr{}, from: map[netip.Addr]int{}}
}

// note is an http.Server's ConnState.
func (c *connections) note(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		at := netip.Addr{}
		if ap, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
			at = masked(ap.Addr().Unmap().WithZone(""))
		}
		if len(c.open) >= c.most || c.from[at] >= max(1, c.most/2) {
			_ = conn.Close() // the server notices by itself
			return
		}
		c.open[conn] = at
		c.from[at]++
	case http.StateClosed, http.StateHijacked:
		at, counted := c.open[conn]
		if !counted {
			return
		}
		delete(c.open, conn)
		if c.from[at]--; c.from[at] <= 0 {
			delete(c.from, at)
		}
	case http.StateActive, http.StateIdle: // counted already
	}
}

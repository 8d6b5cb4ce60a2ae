package gate

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// hostName is the name in a Host header, without the port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func within(nets []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(a) })
}

// source is the address that a request comes from. What a proxy says of it is
// believed only of proxies that are named (spec 13.6): from the right, the first
// address that is none of them. Of IPv6 it is the /64, which one customer has.
func source(r *http.Request, proxies []netip.Prefix) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := ap.Addr().Unmap().WithZone("")
	if !within(proxies, at) {
		return masked(at)
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break // nothing to the left of it can be believed
		}
		if at = next.Unmap().WithZone(""); !within(proxies, at) {
			break
		}
	}
	return masked(at)
}

func masked(a netip.Addr) netip.Addr {
	if a.Is6() && !a.IsLoopback() {
		return netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a
}

// addresses keep a bucket of tries for each source address. What is kept is
// bounded: a flood from many addresses drops the oldest, never another's. Safe
// for concurrent use.
type addresses struct {
	perSecond float64
	burst     int

	mu  sync.Mutex
	all map[netip.Addr]*bucket
}

type bucket struct {
	tries *rate.Limiter
	used  time.Time
}

// maxAddresses bounds what is kept: about 200 bytes each.
const maxAddresses = 16 << 10

func newAddresses(perSecond float64, burst int) *addresses {
	return &addresses{perSecond: perSecond, burst: burst, all: map[netip.Addr]*bucket{}}
}

// take uses one try up; without one it says how long to wait for the next.
func (a *addresses) take(from netip.Addr) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	b := a.of(from, now)
	if b.tries.AllowN(now, 1) {
		return 0, true
	}
	return a.wait(b, now), false
}

// left reports whether there is a try, and uses none up.
func (a *addresses) left(from netip.Addr) (wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, known := a.all[from]
	now := time.Now()
	if !known || b.tries.TokensAt(now) >= 1 {
		return 0, true
	}
	return a.wait(b, now), false
}

func (a *addresses) wait(b *bucket, now time.Time) time.Duration {
	return time.Duration((1 - b.tries.TokensAt(now)) / a.perSecond * float64(time.Second))
}

// of returns the bucket of an address; the caller holds the lock.
func (a *addresses) of(from netip.Addr, now time.Time) *bucket {
	b, ok := a.all[from]
	if !ok {
		if len(a.all) >= maxAddresses {
			a.forget(now)
		}
		b = &bucket{tries: rate.NewLimiter(rate.Limit(a.perSecond), a.burst)}
		a.all[from] = b
	}
	b.used = now
	return b
}

// forget drops the buckets that are full again, and if that is not enough the
// quarter that was used longest ago.
func (a *addresses) forget(now time.Time) {
	for k, b := range a.all {
		if b.tries.TokensAt(now) >= float64(a.burst) {
			delete(a.all, k)
		}
	}
	if len(a.all) < maxAddresses {
		return
	}
	var times []time.Time
	for _, b := range a.all {
		times = append(times, b.used)
	}
	slices.SortFunc(times, time.Time.Compare)
	old := times[len(times)/4]
	for k, b := range a.all {
		if !b.used.After(old) {
			delete(a.all, k)
		}
	}
}

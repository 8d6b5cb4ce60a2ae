// Package outbound is for every HTTP client of the product: one Network built
// from proxy and CA settings, and per counterpart a Client that is bound to one
// origin, bounded in size, depth, time and pace, and that never sends
// credentials to another host. It also says in plain words how far a failed
// exchange came (Trace, Diagnose), for probes and IdP adapters alike.
//
// It must never read the environment itself (the caller passes what it read
// once), never follow a link to another origin, never keep cookies, and never
// put userinfo, a query, a path or a header into an error.
package outbound

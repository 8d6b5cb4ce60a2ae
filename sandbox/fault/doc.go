// Package fault is for the sandbox's live table of faults: which hosts,
// services, Regions or tenants are broken right now, how, and for how long.
//
// It must never break anything itself: it answers what is broken, the proxy
// acts. It must never import product code.
package fault

// Package call is for calling one vendor's API, once for all vendors: reads
// that are repeated within the caller's deadline, writes that go out once, rate
// buckets of which calm-time traffic takes a share only, a circuit that spares
// a dead tenant, and an access token that is kept fresh before it is needed.
// What differs between vendors is data and small functions in a Vendor.
//
// It must never repeat a write whose fate is open, never hold back a call of a
// move to spare a tenant, and never fetch a token while a valid one is kept.
package call

// Package sandbox is for the simulated world: every AWS, identity-provider and
// console host name that samlfailover talks to, in one process, behind a
// forward proxy with its own CA. The product reaches it only through settings
// that corporate networks need anyway (network.proxy, network.ca_file), so no
// product code knows that it exists.
//
// It must never dial anything, never listen beyond loopback, never write its
// CA's key anywhere, and of our packages import signin only.
package sandbox

// Package metrics is for the controller's Prometheus metrics: one registry of
// its own, counted as things happen and read from the status when it is asked.
//
// It must never use the library's default registry, where etcd registers its
// own, carry a secret, or take a label from what a caller has sent: every label
// has a bounded set of values.
package metrics

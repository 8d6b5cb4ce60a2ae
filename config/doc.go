// Package config is for turning one YAML file into plain values: strictly, with
// every mistake reported at once as file:line:column, what is wrong and what to
// do. The same structs give the JSON Schema and the reference page.
//
// It must never talk to a network, hold a secret (it keeps references until
// Resolve is called), read the environment, or decide anything at run time.
package config

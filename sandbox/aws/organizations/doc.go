// Package organizations is for the simulated AWS Organizations (AWS
// Organizations API Reference): its read calls, over the signed JSON 1.1
// protocol.
//
// It must never answer an unsigned or unauthorised call, nor one from an account
// that neither manages the organization nor is a delegated administrator.
package organizations

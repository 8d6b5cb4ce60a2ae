// Package login is for one whole sign-in the way a browser does it: the IdP's
// portal, the app's tile, the form that posts itself to AWS, the role chooser,
// the console. It works over any http.RoundTripper and says in plain words why
// a sign-in failed.
//
// It must never follow anything to a host that is neither the portal nor in the
// catalogue of AWS sign-in and console hosts, never run the pages' scripts, and
// never put an assertion, a password or a query value into its report.
package login

// Package signin is for the one question that everything else stands on: which
// hosts are AWS's own SAML sign-in endpoints, and in which Region does each
// live. It holds the compiled catalogue and the types Region, ACS, RelayState
// and Target, which can only be made from it. Decoding goes through the
// catalogue too, so a value that came from a file, an API call or a journal is
// as safe as one that was made here.
//
// It must never do I/O, never import another package of this project and never
// accept a host that is not in its table.
package signin

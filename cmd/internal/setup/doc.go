// Package setup makes a first configuration from what it finds on a host: which programs sign
// mail there, for which domains, with which selectors. It reads files and asks programs for their
// configuration, and changes nothing.
//
// Each kind of signer is found by one function, listed in Find. Where DNS is can't be found out, so
// the questions about it are made from the fields of the DNS drivers (see Account).
package setup

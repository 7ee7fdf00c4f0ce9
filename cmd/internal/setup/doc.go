// Package setup makes a first configuration from what the drivers find on a host: which programs sign
// mail there, for which domains, with which selectors. It changes nothing.
//
// Each driver finds its own programs (see package found). Where DNS is can't be found out, so the
// questions about it are made from the fields of the DNS drivers (see Account).
package setup

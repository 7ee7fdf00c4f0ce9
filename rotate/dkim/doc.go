// Package dkim makes DKIM keys and reads and writes key records: generate,
// format, parse, compare (RFC 6376, RFC 8301, RFC 8463).
//
// It knows no network and no files. It is a leaf: it imports the
// standard library and small modules; every room may import it.
package dkim

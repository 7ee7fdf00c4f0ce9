// Package dkim makes DKIM keys and reads and writes key records: generate,
// format, parse, compare (RFC 6376, RFC 8301, RFC 8463).
//
// It knows no network and no files. It imports the standard library and small
// leaf modules; every other room may import it.
package dkim

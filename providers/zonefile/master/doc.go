// Package master reads master files, the standard form of zone files (RFC 1035 section 5). It changes
// nothing.
//
// A file is read in two layers. The first is RFC 1035 section 5.1 with what BIND, Knot and NSD
// make of it: entries, directives ($ORIGIN, $TTL, $INCLUDE, $GENERATE), and of each record
// owner, TTL, class and type; the data stays text. A change needs no more. The
// second layer understands the data, where it is compared or served.
//
// Only regular files of a bounded size are read, and a file can include no more than those who wrote it can read.
package master

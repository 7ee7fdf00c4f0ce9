// Package settings says what can be configured about a driver: each key with its type, meaning,
// default and rule. The configuration reader, its errors and the reference page are made
// from that. It holds secrets, too, as handles that never print and are read again each time.
//
// It is a leaf: it imports rotate/dkim, rotate/fault and rotate/safefile.
package settings

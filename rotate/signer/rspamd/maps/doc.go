// Package maps makes rspamd sign with the keys it is given, by a map of selectors and by key files whose names hold
// domain and selector:
//
//	selector_map:  example.com s2
//	path:          /var/lib/rspamd/dkim/$domain.$selector.key
//
// # What it promises
//
// At every instant, also after a crash between any two operations, each domain has one selector, and the key that
// belongs to it (I1, I2, I7).
//
// rspamd reads each map by itself, in each of its processes, some time after it has changed. With a map of
// selectors and a map of file names that both change, a process that has read one of them only would sign with the new
// key under the old selector, or the other way round, and no order of writing prevents that. So one thing alone
// changes at a switch: the selector. The file follows from it, because its name holds the selector:
//
//  1. The key file of the new selector, which nothing uses now, is replaced in one instant.
//  2. The line of the map of selectors is replaced in one instant. This is the switch, for however many domains.
//
// A process that still has the old map finds the old selector's file, which is as it was. A map of paths is
// written too, where one is named, and its line for a domain is always the same: the template with $selector. One that
// names a file without the selector is refused (foreign-signer-line), as it can't be made safe in one step.
//
// # Two things that rspamd does
//
// It keeps keys in memory by the name of the file, and loads one again only when the file's time of change is later, in
// whole seconds (dkim.c, rspamd_dkim_sign_key_maybe_invalidate). So a key file that replaces another gets a time at
// least one second later, whatever the clock says; what the last one had is kept in a file of notes beside
// the map, with the keys that dkimbot wrote: others are not replaced (I6).
//
// Of two lines for one domain the last counts. So our marked block stands at the end of a map, and lines of others stay
// byte for byte.
//
// It may import the leaves and the packages of rotate/signer.
package maps

// Package redis makes rspamd sign with the keys it is given, by two hashes in Redis: which selector a domain has, and
// the private key of each selector and domain.
//
//	HGET <selector_prefix> example.com     s2
//	HGET <key_prefix> s2.example.com       -----BEGIN PRIVATE KEY----- ...
//
// # What it promises
//
// At every instant, also after a crash between any two requests, each domain has one selector, and the key that belongs
// to it (I1, I2, I7). rspamd asks for both with each message, one after the other, and keeps nothing. So the key
// of the new selector, which nothing uses now, is written first, and read back; then the selector, together
// with the public key that mailcow shows. A message that is between its two questions finds the old selector's key,
// which stays until it is forgotten, after the drain.
//
// Fields that dkimbot did not write are kept, and so is a key of somebody else in the place of one that it is to write
// (I6): a hash of notes, named like key_prefix with ":dkimbot" behind it, says which keys are dkimbot's. The key that a
// domain was signed with counts as taken over when dkimbot switches away from it.
//
// Every request is about single fields, so that processes which work for different domains don't meet (I8).
//
// Other users of the host can't come between: of this host it uses the files of password and ca_file alone, and a
// secret that others may read or write is refused when it is read.
//
// It may import the leaves and the packages of rotate/signer.
package redis

// Package vault makes rspamd sign with the keys it is given, by secrets in Vault, one for each domain:
//
//	{"selectors": [{"selector": "s2", "domain": "example.com", "key": "-----BEGIN PRIVATE KEY----- ...", "alg": "rsa",
//	  "bits": 2048, "valid_start": 1767225600, "valid_end": 1775001600}]}
//
// rspamd asks for the secret with each message, keeps nothing, and signs with every entry that is valid then:
// valid_start <= now < valid_end, by its own clock, where a missing bound is none.
//
// # What it promises
//
// At every instant, by any clock, exactly one entry is valid (I1, I2): after each write the validity times
// of the entries divide all of time among them. One write is one instant, so a crash anywhere leaves one or
// the other (I7), and writes use check-and-set where the engine has versions (I8).
//
// A switch at once makes the new entry valid for all time, and gives every other one the same number as its
// start and its end: an entry that no clock finds valid. So clocks that differ don't matter.
//
// A switch away from a compromised key is always one at once, and so is one that takes the place of a scheduled one
// before its time: back, or for such a key.
//
// A switch that is scheduled (Config.After) gives the old entry an end, T, and the new one the same number
// as its start. It then happens at T by each rspamd's clock, whether dkimbot runs or not. T is a whole
// second of dkimbot's clock; an rspamd whose clock is late by a second switches a second later, which Lag
// has to cover. There is one thing that it can't have: rspamd reads the clock for one entry after the other,
// and signs in between. For a message for which T comes just then, within about a millisecond, two
// signatures would be made with the old entry first, and none with the new one first. The old one is first.
//
// Entries that dkimbot did not write are kept (I6): its own have a key_id. The one that a domain is signed
// with counts as taken over when dkimbot switches away from it; it then gets times and a key_id. Where several entries
// are valid, or one will be that dkimbot did not write, it refuses by name; a compromised key is left all the same
// where they have other selectors. Entries of others that are past stay.
//
// It may import the leaves, rotate/ports and the packages of rotate/signer. It is handed what reaches Vault.
package vault

// Package stalwart makes a Stalwart mail server sign with the keys it is given, over JMAP. Stalwart 0.16 or later is
// needed: 0.15 holds one key of each algorithm for a domain.
//
// # What it promises
//
// A domain has DkimSignature objects, each with selector, key and stage. Stalwart signs with every one that is active,
// and with no other.
//
//  1. A new key is created with stage pending, and read back.
//  2. One x:DkimSignature/set has the updates: the new one becomes active, then the one before retiring. Stalwart
//     writes them in this order, keeps the signers of a domain in memory, and forgets those only after the last one.
//  3. What is active is read back, and nothing else is believed. A switch that was cut off counts only after a further
//     change of a signature that does not sign: with that, Stalwart forgets what it kept in memory.
//
// So mail is signed once at every instant (I1), with two exceptions. A message that is the first of its domain since
// Stalwart was started, and comes within the milliseconds of step 2, may be signed with both keys; both
// verify. And where Stalwart carries out only a part of the set, as when somebody else changes an object at
// that moment, two keys sign until the next request, which repairs it; the key before is activated again
// where none would sign. A process that is killed leaves the keys of one step or the next; the next run
// continues from what it finds (I7).
//
// # Other people's keys
//
// None is ever destroyed or given another key (I6): Forget destroys just the key that it is given. All active
// signatures of RFC 6376 of a domain become retiring at its first switch, since only one may sign; until then Active
// reports several. Signatures of DKIM2 are left alone; one that uses a selector of dkimbot's is reported, because its
// key is replaced in DNS some day.
//
// The domain's dkimManagement must be Manual, or Stalwart would rotate by itself. Whether a message is signed at all is
// said by dkimSignDomain of Stalwart's SenderAuth.
//
// Other users of the host can't come between: of this host it uses the files of token and ca_file alone, and a
// secret that others may read or write is refused when it is read.
//
// It may import the leaves and the packages of rotate/signer.
package stalwart

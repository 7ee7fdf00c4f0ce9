// Package dkimpy makes dkimpy-milter sign with the keys it is given: private key files, KeyTable, SigningTable, one
// restart, and a question to the daemon afterwards.
//
// # What it promises
//
// dkimpy-milter reads tables and keys once, when it starts. At every instant, also after a crash between any two
// operations followed by anybody's restart, each domain has one selector and the key that belongs to it (I1, I7):
//
//  1. New key files are written beside the old ones, synced and renamed; none is ever overwritten.
//  2. KeyTable and KeyTableEd25519 are replaced. Each key has an entry of its own name, so that no entry ever changes;
//     that of the key in force stays. With both tables a domain needs an entry in each, or its mail is turned away: the
//     one for the other kind of key names /dev/null, with which the daemon does not sign.
//  3. The SigningTable is replaced. This is the switch, for however many domains.
//  4. One restart, and a probe message for each domain, which must come back with the new selector, alone, verifying.
//
// What the daemon answers is believed, and nothing else: until the restart a domain is active with the key from
// before. When it does not come back, or does worse than before, the tables go back to what they were, and it is
// started again.
//
// The daemon does not start while a key file that its tables name is missing, and does not notice while it runs. So
// lost files of ours come from the keystore before a restart, and while one is missing there is none. A daemon that is
// down for that signs nothing, which is repaired.
//
// In a restart no mail is signed. What the mail server does with mail that comes then is its own setting: Postfix's
// milter_default_action must be tempfail, its default, so that mail waits; with accept it would go out unsigned.
//
// # Other people's lines
//
// Our lines stand in a marked block at the end of each table: the daemon keeps the last value of a key. Lines of
// others are kept byte for byte (I6). A pattern that it finds before ours, or that leads to a selector of ours, is
// refused with the code "foreign-signer-line", and a line with which it would not start, or turn away all mail, with
// "unloadable-line".
//
// It may import the leaves and the packages of rotate/signer.
package dkimpy

// Package opendkim makes OpenDKIM sign with the keys it is given: private key
// files, KeyTable, SigningTable, one reload, and a check afterwards.
//
// # What it promises
//
// At every instant, also after a crash between any two operations followed by
// anybody's reload or restart of the daemon, each domain has one selector and a
// readable key (invariants I1, I7). The order of the operations sees to that:
//
//  1. New key files are written beside the old ones, synced and renamed; no key
//     file is ever overwritten.
//  2. A marker beside the KeyTable names the domains whose change is under way.
//  3. The KeyTable is replaced. It keeps the entry of the selector that signed
//     before until the next activation, so the old SigningTable stays valid; OpenDKIM reads the
//     SigningTable first and the KeyTable second.
//  4. The SigningTable is replaced. This is the switch.
//  5. One reload, for however many domains.
//  6. The check: tables and key files are read again as OpenDKIM reads them and,
//     when the milter socket is known, a probe message for each domain is given
//     to the daemon as a mail server would; its signature must carry the new
//     selector, be the only one of the domain and verify with the public key. The
//     probe ends there, nothing is delivered.
//  7. The marker is removed.
//
// A change is outstanding until step 7. While the marker names a domain, Active
// answers with the key from before the change, because a reload that failed may
// have left the daemon with it, and Activate reloads and checks again even when
// no file differs. In that time mail may be signed with either key; both are
// published, so it verifies (I2).
//
// When the proof shows that the daemon turns a domain's mail away, or signs so
// that it does not verify, or not at all any more, the tables go back to what they were for that domain.
//
// # Other people's lines
//
// Our lines stand in a marked block at the top of each table. OpenDKIM uses the
// first match, in the KeyTable too, so a line for the same domain further down
// is without effect from the instant of the switch, and it is kept byte for
// byte, as is everything else outside of the block (I6). One that somebody puts above the block later is named, and
// the block comes first again when the domain's key is activated again. With MultipleSignatures every
// matching line signs; the proof notices. A key that foreign lines have in force
// is written into our block too when it is activated, as after an adoption, so that they may go. A foreign KeyTable
// line for something else with the name of one of our entries, or a foreign
// SigningTable line that uses one, or that leads to one of our selectors and that
// ours is not found before, is refused with the code "foreign-signer-line".
//
// Existing reads tables that dkimbot did not write, to adopt their keys.
//
// # OpenDKIM's ways
//
// Seen with OpenDKIM 2.11: SIGUSR1 only asks for the reload, which happens when
// the next connection begins; connections that are open keep the old tables
// until they end. A table that can't be loaded leaves the old ones in force, silently. Key
// files are read for every message, as the daemon's user. The daemon signs with
// one algorithm (SignatureAlgorithm) whatever the key is, and an Ed25519 key
// under rsa-sha256 makes it turn mail away: therefore Ed25519 keys are accepted
// only with a milter socket to prove them by. The patterns of a refile are tried one by
// one for every message: with ten thousand domains that is about 6 ms, and a
// plain "file:" SigningTable, which we write as well, is four times faster.
//
// It may import the leaves and the packages of rotate/signer.
package opendkim

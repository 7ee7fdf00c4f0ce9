// Package ses makes Amazon SES sign with keys of our own (BYODKIM), in one region. Each region is a signer
// of its own, so that each confirms by itself; the keys can be the same.
//
// # What it promises
//
// An identity of SES has one key and one selector: both change with one PutEmailIdentityDkimSigningAttributes, so that
// no message is signed twice (I1). SES then looks for the record in DNS, and shows PENDING until it has
// found it. What it signs with meanwhile is not documented: the old key, the new one, or none. So
//
//  1. a key is given to SES only once its record is public, which is dkimbot's rule anyway, and the old record stays;
//  2. a switch is confirmed at SUCCESS alone, and the drain counts from there (I10);
//  3. while SES shows PENDING or TEMPORARY_FAILURE, Active does not say what signs.
//
// That mail is signed in the minutes of PENDING can't be promised here. A probe shows it.
//
// SES never gives a key away and does not say which one it has, so Active names the selector alone. SUCCESS means that
// SES compared its key with the public one of the selector's record. A process that is killed after it gave
// the key away is followed by one that finds selector and PENDING, and only waits, or gives the same key
// once more (I7).
//
// SES takes one request a second; each domain takes at least two for a switch. Easy DKIM, with keys of Amazon's, counts
// as no key: the first switch replaces it. SES keeps no other keys than the one that signs, so there is
// nothing to forget, and nothing of others that could be lost.
//
// Other users of the host can't come between: of this host it uses the files of the credentials alone, and a
// secret that others may read or write is refused when it is read.
//
// It may import the leaves and the packages of rotate/signer.
package ses

// Package probe has a signer sign a message and looks at it as a receiver does: mail is the proof, whatever
// the signer's files or its program say.
//
// A [Prober] submits a message from each domain through the mail server of the signer (SMTP), and gets it back: on a
// listener of its own, which that mail server delivers to, or from a mailbox (Maildir, IMAP). It knows the message by a
// random token, in a field of the header and in the body, so that neither a message of somebody else, nor a bounce or
// reply that quotes it, is taken for it. Then it reads every signature: the DKIM-Signature fields of the domain are
// verified against what the authoritative servers show, those of others are named, and so are the selectors of ARC and
// DKIM2. A domain's mail is as it should be when there is exactly one signature of the domain, with the expected
// selector, and it verifies.
//
// Two things can go wrong, and they are distinguished. Mail shows something else: the old selector, two
// signatures, none, or one that does not verify (codes.MailDiffers). Or no message came to be seen
// (codes.ProbeFailed), which says nothing of the signer: the mail server refused it, it did not arrive in
// time, the mailbox can't be read, DNS did not answer.
//
// What the engine does with that, in each phase:
//
//   - A switch, a first key, a way back: the signer has been switched already when mail is asked. Whatever keeps mail
//     from showing it, the switch is not confirmed, no drain begins, and it is tried again with growing pauses. An
//     OpenDKIM is reloaded once more. Nothing is taken back: both keys are published, so mail verifies with either
//     (I1, I2), and a person goes back by rollback.
//   - Away from a compromised key: mail that still shows that key holds the switch. Anything else does not: what the
//     signer says of itself counts then, and the history says so.
//   - Before a key is replaced, revoked or destroyed: mail is asked once more. A key that mail shows in use stays, and
//     so does one that is not compromised where the probe fails.
//   - The health check sends mail for each domain in one hour of the day, which follows from its name. Mail that shows
//     another key than the signer says is drift, and is repaired. A probe that fails changes nothing there.
//   - Plans, status and preflight send nothing (I11). The preflight tries the way as far as it goes without a message.
//
// Anybody may connect to the listener, for as long as something is waited for. It takes messages for the
// probe's address only, of bounded size, number of connections and time, and drops all but those with a token. Of too
// many connections somebody's own oldest one ends: those of another host, or another user of this one, stay.
//
// A mail server that is started again meanwhile, as one that signs itself is for each switch, is waited for.
//
// The package imports rotate/ports, the leaves, and the libraries for SMTP, IMAP and DKIM. It is not part of
// rotate/signer, so that adapters know nothing of mail; what receivers report of other people's mail (DMARC) is another
// matter and another room.
package probe

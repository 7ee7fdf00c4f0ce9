// Package e2e tests the whole of dkimbot with real mail, in the way a mail engineer
// would: Postfix hands mail to OpenDKIM, the dkimbot program rotates the keys, which
// Vault holds, BIND serves a zone that only dynamic updates change, and every
// message that is delivered is verified with programs that nobody here wrote.
//
// TestRealMail runs the same laboratory several times, side by side: once as it
// should be, through two rotations, and then with one thing wrong each time, to
// show that the laboratory would notice. What a run saw is a report; it has a
// counter for everything that must not happen.
//
// TestCrashes gives many small domains, with the same servers but a milter session
// for each message in place of Postfix, what machines have in store for programs: an
// end at any point (failpoints before and after each effect and each record of it,
// ptrace before each durable system call), SIGTERM, a state database from a backup, a
// clock that is wrong. Each must come to the end that an undisturbed one comes to, also
// when a rotation is rolled back, or a key is compromised.
//
// TestHardDays gives what persons order on hard days (going back, leaving compromised keys,
// taking over) while mail flows, also with the name server, Vault or the signer out of order.
//
// TestDockerMailserver and TestMailcow follow the README of an example: dkimbot's commands as they
// stand there, with the configuration that ships, and a look at mail after each.
//
// The laboratory runs as root, because Postfix does, on loopback and high ports.
//
// The package holds tests alone. They may import whatever starts servers
// (nameservertest, vaulttest, signertest) and nothing of the product: they know it
// by its program, its configuration and its JSON.
package e2e

// Package rotate is the heart of dkimbot: it decides what has to be done for a
// domain, and does it, so that no mail is ever unsigned or unverifiable.
//
// # The scheme
//
// A domain has two selectors, say s1 and s2, and both always have a key record in
// DNS. In one turn, the rotation, all signers switch to the other selector; the
// old one is drained for seven days, because mail signed with it may be queued
// and some receivers keep its key that long; then it gets a fresh key, which
// waits, published, for the next turn. So no rotation waits for DNS at the moment
// of the switch, and until the replacement the old key is there to go back to.
//
// # Phases
//
//	new -> bootstrapping -> ready -> switching -> draining -> replacing -> ready -> ...
//
// A domain is new until the first effect is intended; bootstrapping while both
// first keys are made, published and the first is put to use; ready while one
// selector signs and the other waits; switching until the last signer has
// confirmed; draining until the wait is over; replacing while the drained
// selector gets its fresh key.
//
// # Invariants
//
// Code, tests and messages refer to them by number.
//
//   - I1 never unsigned: at every instant each signer has exactly one selector and a readable private key
//     for each domain.
//   - I2 never unverifiable: a record is visible on every authoritative server, and its name's negative-cache time has
//     passed, before a signer uses it; a replaced key is used only when the settle time has passed since.
//   - I3 one record stands at a selector's name.
//   - I4 stored before published: a private key is in the keystore, and was read back, before its public
//     half goes into DNS.
//   - I5 fresh keys: a replaced selector gets a newly made key; the old one is destroyed after the new
//     record has been seen.
//   - I6 hands off: what dkimbot did not make is never changed, and is reported.
//   - I7 crash anywhere: no effect without a recorded intent, no intent forgotten.
//   - I8 one writer: two processes never act on one domain at once.
//   - I9 no secret leaks into logs, plans, state, errors, or the process list.
//   - I10 the clock starts at success: the drain starts when the last signer has confirmed; of a domain that is
//     purged, at the first health check that finds no signer using it.
//   - I11 dry means dry: planning is given nothing that can write.
//   - I12 lost state is an alarm: keys without state are refused, never started over.
//
// # How it is built
//
// This package has the words: what the configuration says (Domain), what a command asks
// (Request), where a domain stands (State), what was seen (Observation), what is to be done
// (Step, DomainPlan). What is wrong, package rotate/finding says. The small interfaces to
// everything outside stand in package rotate/ports. A State changes by its methods only
// (confirm.go, revocation.go, released.go, adoption.go), and from phase to phase by the table of
// transitions.go. Package rotate/follow brings it up to names that the configuration has changed.
// Package rotate/plan decides what has to be done and is pure; package rotate/engine does it.
//
// The leaves, which every room may import, are rotate/calendar, rotate/child, rotate/codes, rotate/dkim, rotate/fault,
// rotate/netlimit, rotate/preflight, rotate/safefile and rotate/settings.
//
// The package imports rotate/calendar, rotate/codes, rotate/dkim, rotate/fault and rotate/finding, and no other room.
package rotate

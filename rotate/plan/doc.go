// Package plan decides what has to be done for a domain. Plan is a pure function from the
// time, the configuration, a request, the stored state and what was observed to a
// rotate.DomainPlan, which is plain data (I11). It has no import that could write.
//
// Read it as a story. A domain that is new gets a key at each of two selectors, and signers begin
// to sign with the first (bootstrap.go). When the schedule says so, they switch to the other
// (switch.go). Mail that was signed before is still on its way, so the old record stays for a
// while (drain.go). Then the old selector gets a fresh key (replace.go), and the domain waits for
// the schedule again.
//
// Life interrupts that, and an ordered list of rules (plan.go) comes before the four steps: the
// domain was released (release.go); the state makes no sense, or something that is not
// dkimbot's is in the way (checks.go); an adoption was interrupted (adopt.go); a key is
// compromised (compromised.go); signers were sent back (rollback.go); a record has vanished, or
// a signer signs with the wrong key (repair.go). Each rule says whether the scheme continues, begins
// nothing new, or waits.
//
// A plan grows in a draft (draft.go). What the steps are made of stands in provide.go: make a key,
// store it, publish it, see it in DNS, give it to a signer. How long each has to wait, so that no
// receiver misses a record, package health says. What begins something new asks the limits first
// (limits.go).
//
// Package health says what is there and what may be done. Package order changes what the state wants as a person
// instructs, before it is planned from; package adoption takes keys that are in use under management, before
// anything is planned for them here; package forecast plays plans forward.
package plan

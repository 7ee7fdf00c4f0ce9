// Package simulate plays dkimbot forward in virtual time, years in a second, and
// watches whether any mail would have failed.
//
// The engine, the planner and the rules of the state are the real ones. Everything
// that they touch is modelled, and everything in the models follows from one seed:
// name servers that lag each on its own, a DNS provider, a keystore, signers'
// hosts, the state database, processes that are killed and started again, and the
// receivers of mail with their caches. Mail is signed all the time with what each
// host really holds, and verified at receivers until as late as mail may arrive.
// Nothing outside of the package is touched.
//
// # What goes wrong
//
// At the level All: name servers that lag by hours and days, or don't answer; a
// provider, keystore, host or database that is slow, out of order for days, fails
// before the effect, fails half-way, does it without answering, or does it minutes
// after the caller gave up; check-and-set conflicts from such late effects; reloads
// that fail, or that are in effect only when the activation lag has passed; hosts
// restored from old backups; mail hosts that pause; processes killed before and
// after any effect; two processes at once, and an operator's command as a third;
// clocks that are set; the state database lost, or restored from an old backup;
// other people's records and secrets in the way; rotations asked for at any time.
//
// # What is watched
//
// Every effect, every write of the state and every message are held against the
// invariants I1 to I8, I10 and I12 of package rotate. The oracles know only the
// world, never what the engine believes. A violation ends a strict run, and comes
// with the seed, the step, the timeline that led there and the way to replay it. In
// the end, after weeks without faults, everything must be as if nothing had happened (I7).
//
// # What is assumed
//
// dkimbot can't promise anything beyond these, and the models keep to them:
//
//   - Mail is verified within the drain after it was signed, and receivers keep a key
//     for at most seven days after they fetched it, resolvers for its TTL.
//   - The machine's clock is right. While it is set forth and back by up to half an
//     hour, waits may be short by twice that, and no more is asked of them.
//   - An effect that was given up comes within minutes or not at all, and on a signer's
//     host not after a newer one; a process is not suspended in the middle of one for
//     longer than its lease.
//   - A host that is restored from a backup whose keys were replaced already signs
//     with keys that are gone; that mail is lost until dkimbot has switched it. One
//     whose keys still stand is safe, unless it is restored while they are being
//     replaced, or comes back by other hands before dkimbot has seen it.
//   - A name server does not go back to older data than it has shown.
//   - At a new domain's selectors nothing stood before, or caches have forgotten it.
//   - A state database restored from a backup knows of every drain that was begun anew
//     because a signer had strayed.
//
// The package imports rotate, rotate/dkim, rotate/fault and the rules of state.
package simulate

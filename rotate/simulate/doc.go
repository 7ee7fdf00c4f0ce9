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
// other people's records and secrets in the way; a standby's private key that the
// keystore loses; maintenance windows and freezes; several domains that are due at once,
// of which only some may switch in a run or an hour.
//
// Some domains are signed before dkimbot comes, with keys that somebody made: at one of
// the policy's selectors, or at other ones, perhaps not by every host yet, perhaps with a
// record in test mode, with any TTL, and with another key public beside it. They are
// adopted, or moved over.
//
// # Classes of faults
//
// A scenario can have more, each by its name (-classes): strangers change the records at
// dkimbot's names; keystores are others, older or sealed for days; clocks are set by anything
// up to years; daemons are restarted on old tables while their files stay; twins are hosts
// with two names; aliases are names that lead elsewhere by CNAME, also two to one; silent are
// name servers that do not answer dkimbot for days, and answer the rest of the world; wildcards
// answer for selectors that have no record; stops keep a process from working for hours, in the middle
// of an effect or of a wait, while others take over; agents stand before every host, late, away for days, on hosts
// that are built again from nothing; panels give records of dkimbot's other tags, and mail verifies by them; changes
// are made to the configuration between the runs, in every phase: drain, settle and TTL, the kind of keys, signers that
// are renamed, added and removed, other selectors, domains on hold, keys copied to another keystore; with
// leavers, a signer that is removed continues to sign for days or weeks, and with movers, domains move to other
// selectors often and other people remove the records that they left, while mail needs them; detours lead selectors'
// names to the domain's other one, or nowhere, for a while; on
// hard-days many more keys are reported as compromised. Two are oracles: bounds asks that what
// can be done at once is done in the same run, and that no compromised key waits for a signer that does not answer
// when others have left it; truths that what is told is so.
//
// # What people order
//
// Also at the level All, in strict runs, an operator at the terminal: rotations asked
// for at any time; all signers or one of them sent back, and the switch carried on
// later; keys reported as compromised, that of the active selector, of the standby or
// both, revoked at once or not; domains released, to be purged at once, later or
// not at all, whose hosts are moved to something else by hand, each at its time or never,
// and that are taken back weeks later; plans
// that are made, approved, applied days later, and once more by somebody who does not
// know; keys in use adopted, at first perhaps with a key that is not the one in DNS, and
// once more when that is done; records at selectors that dkimbot did not make removed, as soon as
// the plan says that they may go, or later, or never. Commands are killed, fail and lose their answers like
// everything else. At the end of each run, when nothing else fails, comes a drill: a host returns from a
// backup, and keys are reported as compromised once more.
//
// Not modelled: an adoption of what the keystore holds after the state was lost, and one
// while the signers use several keys.
//
// # What is watched
//
// Every effect, every write of the state and every message are held against the
// invariants I1 to I8, I10 and I12 of package rotate. The oracles know only the
// world, never what the engine believes. A violation ends a strict run, and comes
// with the seed, the step, the timeline that led there and the way to replay it. In
// the end, after weeks without faults, everything must be as if nothing had happened (I7).
//
// Of orders they ask besides: a key is revoked only when it was reported, and while
// some signer has left it (I2); no private key is destroyed while a host signs with it
// (I1); within days without faults no server shows a compromised key, the keystore does not hold it
// and no host signs with it (I7); a host that came back from a backup signs with what it
// should again, whatever windows say (I7); for a domain that was released nothing is
// done (I6), but for what is purged: a record when every host has left its key and no
// mail is under way that was signed with it (I2), a private key when its record is gone (I5),
// and in the end nothing is left of either (I7); an approved plan is carried out once, and nothing that it
// does not have (I7). Of counts: no more domains begin to switch in a run, and in an hour over all processes,
// than may, but for those that flee from a compromised key or whose count a person set aside;
// those that were held back get their turn (I7).
// Of adoptions: a key is adopted only when DNS shows it (I2) and the keystore holds it (I4); what
// has to be refused changes nothing, and what somebody else made is not touched before (I6);
// a record at another selector may go, when that is said, without any mail failing (I2).
//
// # What is assumed
//
// dkimbot can't promise anything beyond these, and the models keep to them:
//
//   - Where DNS does not answer, signers are brought to a key by what was seen of it last.
//
//   - A signer that signs with nothing while others sign with the key, and one that flees from
//     a compromised key, do not wait for name servers that do not answer: who asks those may not
//     verify its mail until they show the record. That counts as forgone.
//
//   - Where two names lead to one, what stands there once one domain was released is the
//     other one's.
//
//   - Mail is verified within the drain after it was signed, and receivers keep a key
//     for at most seven days after they fetched it, resolvers for its TTL.
//
//   - The machine's clock is right. While it is set forth and back by up to half an
//     hour, waits may be short by twice that, and no more is asked of them.
//
//   - An effect that was given up comes within minutes or not at all, and on a signer's
//     host and at a name in DNS not after a newer one, nor on a host that was taken out of
//     service. What a process that was stopped for longer than its lease does when it wakes is one
//     effect; on a host it is found like a daemon that signs with old tables.
//
//   - A host that is restored from a backup whose keys were replaced already signs
//     with keys that are gone; that mail is lost until dkimbot has switched it. One
//     whose keys still stand is safe, unless it is restored while they are being
//     replaced, or comes back by other hands before dkimbot has seen it.
//
//   - A name server does not go back to older data than it has shown.
//
//   - At a new domain's selectors nothing stood before, or caches have forgotten it; but
//     for keys that are adopted.
//
//   - Who removes a record that signers have left has dkimbot plan just before, and goes by
//     what it says.
//
//   - To receivers, mail that is signed under a record in test mode (t=y) is as good as
//     unsigned: where a provider leaves it beside the one that takes its place, it need not verify.
//
//   - A state database restored from a backup knows of every drain that was begun again
//     because a signer had strayed, of other keys that were seen at its selectors, and of every
//     order that was given. Orders are given on the newest state.
//
//   - Mail that is signed with a key which was reported as compromised need not verify,
//     whenever it was signed: its record goes, and the drain is cut short. It counts as forgone.
//
//   - Signers that have to leave such a key come to the other selector's before that has settled:
//     until it has, only resolvers' caches are waited for, and receivers that keep
//     keys for days may not verify mail that is signed with it. That counts as forgone, too.
//
//   - So do signers that leave a selector at which every server shows somebody else's record.
//
//   - The private key of a compromised key is destroyed without a look at DNS, and its record may
//     go while every signer signs with it if that was ordered, or when they stray so that
//     it can't be known.
//
//   - The keystore loses the private key of a standby only, never both, and while no
//     effect is under way that may yet come late. To destroy what it has lost does nothing,
//     also when that comes late and the numbers of versions have begun again.
//
//   - Where a switch that a rollback of some held up is carried on, a signer that strays
//     unseen since the drain which the rollback interrupted does not keep the drain from
//     beginning; it begins again when the stray is seen (I10).
//
//   - Switches that began before the state database was lost, or restored, and within the
//     two hours after the clock was set are not counted.
//
//   - A host that comes back from a backup while its domain is purged is moved away
//     again when dkimbot has seen it, and a state database restored from a backup knows of it.
//
//   - A person moves a host away an hour or more after the domain was released.
//
//   - A released domain is taken back, and a switch that a partial rollback held up is
//     carried on, by a person; the last weeks of a run begin with that.
//
//   - A changed configuration is taken over by all processes between their runs. Mail is promised a longer drain from
//     when dkimbot has read it, and a shorter one at once. A state database that is restored knows of every change
//     that dkimbot has read, and of every copy of the keystore.
//
//   - Mail that is signed before a domain's keys are adopted is promised no longer drain than there is at first.
//
//   - A person who is told that the record of a former selector may go removes it within days, and once more if it had
//     to be published again.
//
//   - A signer is added with nothing of the domain on it, and gets mail when it signs. No mail is sent through one any
//     more that is taken out, and it was seen since it came back from a backup.
//
//   - On a signer that was taken out and comes back from a backup, a person takes away what that brought, within weeks.
//
//   - What a process has seen of other people's records, and was killed before it could write it, is lost.
//
//   - Whoever brings the right keystore back destroys there what dkimbot destroyed, or missed, in another one.
//
// It may import everything of rotate but the adapters of signers, and the rules of state.
package simulate

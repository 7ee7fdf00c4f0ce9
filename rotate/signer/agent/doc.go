// Package agent lets dkimbot switch signers on other hosts. There an agent runs ('dkimbot agent', package host): it
// reads from Vault what is wanted of it, installs that with an adapter of its own host, and reports what it sees in
// effect. It opens no port. On the coordinator, which is the dkimbot that plans and publishes, an agent is a signer.
//
// # Documents
//
// They lie beside the keys, in the same KV engine:
//
//	<mount>/data/<prefix>-agents/<agent>/wish     written by the coordinator only
//	<mount>/data/<prefix>-agents/<agent>/report   written by the agent only
//
// A wish says for each domain which selector and key id is to sign, and which copies of keys are to be forgotten. It
// holds no private key (I9): the agent reads that where it is kept, at <prefix>/<domain>/<selector>, and installs it
// only if it is the key that the wish names. Each wish has a sequence number, which only grows, and each domain in it
// the number of the wish that changed it last. Documents are written by check-and-set.
//
// Its agent's memory on the host is compared with what stands in Vault by a mark that each report has. The memory holds
// the mark before the report is written, so a report by the memory's name with another mark is by a copy of it: by
// another host, or by this one before it came back from a backup. The one that finds it takes a new name and says so.
//
// A report says what the adapter on the agent's host sees in effect, asked after everything was installed, and the
// number of the wish that was read before. It is never made from the wish.
//
// # What it promises
//
//   - Activate returns when the agent has reported the key in effect under this wish or a newer one (I10). Until then
//     the switch is not confirmed; it is asked for again, which changes nothing, and the wish stays where it is.
//   - Active returns what was reported. An agent that has not reported lately is a signer that does not answer, and so
//     is one that has not reported since the domain's wish changed: what it signs with may change at any moment. No key
//     is replaced while a signer does not answer (I1, I2). The error names the agent, and since when it is waited for.
//   - A wish can wait for days. The agent takes up the newest one when it comes back, and nothing in between. One that
//     is older than one it had, as from a Vault that was restored, changes nothing: what signs is reported, and the
//     coordinator's next wish has a higher number than both (I7).
//   - What somebody wrote over a wish, and is none, counts as none: what is reported is returned, and the
//     coordinator's next wish takes its place.
//   - The agent does once what it is asked for, until that is in effect. What is changed on its host afterwards it
//     reports; the coordinator asks again, or not, as where the domain was released (I6).
//   - A host that was rebuilt from nothing has no memory of that: it is given its keys at the agent's first turn. So is
//     one that came back from a backup with its memory; then the report says what was found, and Active returns that
//     until the coordinator has asked again: so the drain begins again (I10).
//   - Two hosts that report under one name are a signer that does not answer, also where one has a copy of the other's
//     memory. When one is not heard of any more, no switch is complete that it may not have taken up, until the
//     configuration says that it is gone; then the drain begins (I2, I10). A host whose memory was lost, or that came
//     back from a backup, can not be distinguished from a second one, and so counts as such.
//   - What is not found out: a copy under the same host name of a memory whose own host has never reported since.
//   - What the coordinator did not name is never removed.
//
// Ages are reported by Vault's clock alone. It may import the leaves, rotate/ports and the
// packages of rotate/signer.
package agent

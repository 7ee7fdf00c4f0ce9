// Package host is the agent's side of package agent: it runs beside a signer, takes up what the coordinator wants, and
// reports what the signer does.
//
// One turn: read the wish and the own last report; ask the adapter what is in effect; read the private keys that are
// wanted and are not in effect, each accepted only if it is the key that the wish names; install them, all at once; ask
// the adapter again; report. A turn that fails at any point leaves the signer with what it had, and the next one begins
// from the start (I1, I7).
//
// What was in effect once is not done again before the coordinator asks again: what is changed on the host is
// reported. The memory on the host holds that (memory.go); the number of the newest wish that was taken up, so that an
// older one, from a Vault that was restored, changes nothing; what the signer was found drifted with, until the
// coordinator has heard of it (drifted.go); and a name of its own with the marks of its last reports, so that two hosts
// under one name are found out, also where one has a copy of the other's memory (others.go). A host whose memory is
// lost is a new one: it takes up what is wanted now.
//
// It may import the leaves and the packages of rotate/signer.
package host

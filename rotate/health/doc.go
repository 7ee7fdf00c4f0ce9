// Package health compares a domain as it was seen with what its state knows, and says what is
// where, what differs from what should be, and what may be done in view of that.
//
// It is asked by the planner before each change, by the engine before it writes, and by the regular health check. It
// is pure: it is given what was seen, reads nothing, and has nothing that could change anything (I11).
//
// The view says what is there: which record stands at a selector (standing.go), which private key the keystore holds
// (keys.go), what signers sign with (signers.go), and whether the state is older than what is there (stale.go). The
// Judge says from that what may be done, above all with compromised keys (compromised.go, exposed.go). The Check
// returns the findings: what is not as it should be, and who repairs it (drift.go, key_drift.go).
package health

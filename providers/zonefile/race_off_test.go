//go:build !race

package zonefile

// raceEnabled tells the long proofs, which compute alone and have no race to find, to try a sample
// here; "make corpus" tries all.
const raceEnabled = false

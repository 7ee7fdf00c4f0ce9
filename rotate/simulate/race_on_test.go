//go:build race

package simulate

// raceEnabled tells tests that everything takes ten times as long.
const raceEnabled = true

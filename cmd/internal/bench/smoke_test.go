package bench

import (
	"testing"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
)

// What is measured must work, and end as it should (ground.check, bootstrap, byHand
// look). This run is too small to measure anything.
func TestTurn(t *testing.T) {
	r := results{domains: 2}
	r.turn(t, vaulttest.Start(t), 1)
	if r.busy.keys != 4 || r.idle.keys != 4 {
		t.Errorf("for two domains %d keys were made, and %d to compare; want 4 and 4", r.busy.keys, r.idle.keys)
	}
	for what, s := range map[string]series{"key": r.ours, "bare key": r.bare, "keys alone": r.alone, "bootstrap": r.whole,
		"script": r.script} {
		if len(s) != 1 || s[0] <= 0 {
			t.Errorf("%s: measured %v", what, s)
		}
	}
	if r.whole[0] < negative.Seconds() {
		t.Errorf("a bootstrap took %.2f s, and did not wait for negative caches (I2)", r.whole[0])
	}
}

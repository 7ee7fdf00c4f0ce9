package bench

import (
	"testing"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
)

// What is measured must work: these runs are too small to measure anything.

func TestBootstrap(t *testing.T) {
	r := newGround(t, vaulttest.Start(t), 2).bootstrap(t)
	if r.keys.keys != 4 {
		t.Errorf("%d keys were made for two domains", r.keys.keys)
	}
}

func TestByHand(t *testing.T) {
	newGround(t, vaulttest.Start(t), 1).byHand(t)
}

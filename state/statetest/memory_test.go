package statetest_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/statetest"
)

func TestMemory(t *testing.T) {
	statetest.Run(t, func(*testing.T) state.Store { return statetest.NewMemory() })
}

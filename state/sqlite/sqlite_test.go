package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/statetest"
)

func TestStore(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		return open(t, filepath.Join(t.TempDir(), "state.db"))
	})
}

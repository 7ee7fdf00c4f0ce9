package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestStateBelowAFile: a state database that can have no directory is told before anything is done.
func TestStateBelowAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dkimbot.yaml")
	text := "state: { path: " + path + "/state/state.db }\nkeystore: { driver: file, path: " + dir + "/keys }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Prepare(t.Context(), cfg, func(rotate.Event) {})
	faulttest.Shown(t, err)
}

package machine

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestAHangingReloadIsWaitedForOnce: the many domains whose switch one reload was to bring wait for it
// once, and not one after the other: an emergency of the last of them would come hours late (I7).
func TestAHangingReloadIsWaitedForOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	running, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		child.Run(running, child.Program{Argv: []string{"sh", "-c", "echo $$ >" + file + "; exec sleep 1000"},
			Timeout: time.Hour, KeepsDaemons: true})
	}()
	defer func() { stop(); <-ended }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if text, _ := os.ReadFile(file); strings.TrimSpace(string(text)) != "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the reload did not start")
		}
	}
	self, err := This()
	if err != nil {
		t.Fatal(err)
	}
	h := NewOrphans(self, slog.New(slog.DiscardHandler))
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if found := h.End(soon, self.String()); found.Hanging != 1 {
		t.Fatalf("the first domain found %+v, want the reload", found)
	}
	if found := h.End(t.Context(), self.String()); found != (ports.Orphans{}) {
		t.Errorf("the second one waited again: %+v", found)
	}
}

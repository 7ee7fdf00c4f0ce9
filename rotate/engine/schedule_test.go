package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/engine"
)

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute,
		3: 2 * time.Minute, 4: 4 * time.Minute, 5: 8 * time.Minute,
		6: 16 * time.Minute, 7: 32 * time.Minute, 8: time.Hour, 9: time.Hour, 1_000_000: time.Hour} {
		if got := engine.Backoff(failures); got != want {
			t.Errorf("after %d failures %s, want %s", failures, got, want)
		}
	}
}

package daemon

import (
	"testing"
	"time"
)

// TestAnswersUntilEnded: a process that ends closes its socket some time before. That it has ended is what is said.
func TestAnswersUntilEnded(t *testing.T) {
	ended := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { close(ended) })
	if err := answers(t.TempDir()+"/none", ended, time.Minute, false); err == nil || err.Error() != "has ended" {
		t.Errorf("got %v", err)
	}
}

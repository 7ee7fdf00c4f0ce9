package milter

import (
	"net"
	"testing"
	"time"
)

// TestImpostorGivesNoEnd: who says again and again that he is at work is not waited for for ever.
func TestImpostorGivesNoEnd(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		for {
			if _, err := far.Write([]byte{0, 0, 0, 1, 'p'}); err != nil {
				return
			}
		}
	}()
	b := newBounded(near)
	defer b.Close()
	b.until = time.Now().Add(50 * time.Millisecond)
	deadline := time.Now().Add(time.Minute)
	for p := make([]byte, 5); ; {
		b.SetReadDeadline(time.Now().Add(probeTimeout)) // as the library does for each packet
		b.left = mostAnswered                           // its time ends it, not its length
		if _, err := b.Read(p); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is still listened to")
		}
	}
}

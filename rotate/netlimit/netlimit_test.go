package netlimit_test

import (
	"io"
	"net"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/netlimit"
)

// TestConn: what is sent beyond the bound is not read.
func TestConn(t *testing.T) {
	near, far := net.Pipe()
	go func() {
		for {
			if _, err := far.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}()
	got, err := io.ReadAll(netlimit.Conn(near, 10<<10))
	near.Close()
	if len(got) != 10<<10 || err == nil {
		t.Errorf("read %d octets, %v", len(got), err)
	}
}

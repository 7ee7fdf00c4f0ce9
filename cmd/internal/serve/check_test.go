package serve

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// TestCheckOfTheAddress: an address that the daemon can't answer at is told beforehand; one at which a
// daemon answers is well.
func TestCheckOfTheAddress(t *testing.T) {
	if parts := Check(""); len(parts) != 0 {
		t.Errorf("without an address: %v", parts)
	}
	check := func(address string) error {
		for _, a := range preflight.Ask(t.Context(), Check(address), preflight.Usual) {
			return a.Err
		}
		t.Fatalf("nothing was asked of %s", address)
		return nil
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() { // a program that hangs up
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	healthy := Health{Alive: func() bool { return true }}
	daemon := start(t, "127.0.0.1:0", healthy)
	socket := unixPrefix + filepath.Join(t.TempDir(), "dkimbot.sock")
	for address, words := range map[string]string{
		"127.0.0.1:0":                   "",
		daemon.Addr().String():          "",
		other.Addr().String():           "address already in use",
		"192.0.2.1:9980":                "cannot assign requested address",
		socket:                          "",
		unixPrefix + "/dev/null/d.sock": "/dev/null",
	} {
		if err := check(address); words == "" && err != nil || words != "" &&
			(err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%s: %v", address, err)
		}
	}
	start(t, socket, healthy)
	if err := check(socket); err != nil {
		t.Errorf("a daemon answers at the socket: %v", err)
	}
}

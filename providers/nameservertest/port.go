package nameservertest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// FreePort returns a port that is free for UDP and TCP on each of the loopback
// addresses (127.0.0.1 when none are given). Servers that share a zone need one
// port on several addresses: ask for it here and give it to each of them.
//
// The port lies below the range from which the kernel takes the ports of
// outgoing connections, so that none of those grabs it meanwhile; and until the
// test ends no other call returns it, in this process or another one.
func FreePort(t testing.TB, ips ...string) int {
	t.Helper()
	if len(ips) == 0 {
		ips = []string{"127.0.0.1"}
	}
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if reserve(t, port) && free(ips, port) {
			return port
		}
	}
	t.Fatalf("no port is free on %v", ips)
	return 0
}

// reserve takes a name that stands for the port, in the abstract namespace of
// unix(7): there is one owner of it, and it goes with the test's process.
func reserve(t testing.TB, port int) bool {
	l, err := net.Listen("unix", "@dkimbot-test-port-"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { l.Close() })
	return true
}

func free(ips []string, port int) bool {
	for _, ip := range ips {
		addr := net.JoinHostPort(ip, strconv.Itoa(port))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		defer l.Close()
		p, err := net.ListenPacket("udp", addr)
		if err != nil {
			return false
		}
		defer p.Close()
	}
	return true
}

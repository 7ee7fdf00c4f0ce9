package nameservertest

import (
	"io"
	"net"
	"testing"
	"time"
)

// relay passes UDP and TCP from the address from to the address to until the
// test ends. BIND needs it: it listens on addresses that an interface carries,
// and of 127.0.0.0/8 that is 127.0.0.1 alone.
func relay(t testing.TB, from, to string) {
	t.Helper()
	packets, err := net.ListenPacket("udp", from)
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close(); streams.Close() })
	go relayPackets(packets, to)
	go relayStreams(streams, to)
}

// relayTimeout ends what was left open: longer than a test waits for an answer.
const relayTimeout = 10 * time.Second

func relayPackets(from net.PacketConn, to string) {
	for {
		buf := make([]byte, 1<<16)
		n, client, err := from.ReadFrom(buf)
		if err != nil {
			return
		}
		go func() {
			server, err := net.Dial("udp", to)
			if err != nil {
				return
			}
			defer server.Close()
			server.SetDeadline(time.Now().Add(relayTimeout))
			server.Write(buf[:n])
			if n, err := server.Read(buf); err == nil {
				from.WriteTo(buf[:n], client)
			}
		}()
	}
}

func relayStreams(from net.Listener, to string) {
	for {
		client, err := from.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer server.Close()
			client.SetDeadline(time.Now().Add(relayTimeout))
			server.SetDeadline(time.Now().Add(relayTimeout))
			go func() {
				io.Copy(server, client)
				server.(*net.TCPConn).CloseWrite()
			}()
			io.Copy(client, server)
		}()
	}
}

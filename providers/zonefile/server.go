package zonefile

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Server is an authoritative name server for the zone files of a directory. It
// answers from the files as they are at the time of each query, and as BIND would from
// the same files. What it can't read it logs. It is meant for
// trials, laboratories and tests; it transfers no zones, takes no updates and
// knows nothing of DNSSEC.
type Server struct {
	addr    string
	servers []*dns.Server
}

// shutdownTimeout is how long Close waits for answers under way.
const shutdownTimeout = time.Second

// Serve starts to answer for every zone that has a file in dir, over UDP and
// TCP at listen (host:port; with port 0 on a free one), and returns once it
// does. Zones may be added, changed and removed meanwhile. It only reads.
func Serve(dir, listen string, log *slog.Logger) (*Server, error) {
	what := "answer for the zones in " + dir + " at " + listen
	tcp, udp, err := listenBoth(listen)
	if err != nil {
		return nil, fault.Lasting(what, err,
			"choose another address for listen of the provider, or end the program that holds this one")
	}
	h := &handler{zones: &zoneCache{dir: dir, log: log}}
	s := &Server{addr: tcp.Addr().String(), servers: []*dns.Server{
		{Listener: tcp, Handler: h},
		{PacketConn: udp, Handler: h},
	}}
	for _, srv := range s.servers {
		started, failed := make(chan struct{}), make(chan error, 1)
		srv.NotifyStartedFunc = func() { close(started) }
		go func() { failed <- srv.ActivateAndServe() }()
		select {
		case <-started:
		case err := <-failed:
			s.Close()
			return nil, fault.Temporary(what, err,
				"try again; if it does not pass, give another address as listen, or leave it out")
		}
	}
	return s, nil
}

// listenBoth opens the same port for TCP and UDP.
func listenBoth(listen string) (net.Listener, net.PacketConn, error) {
	var last error
	for range 10 { // a port that is free for TCP may be taken for UDP
		tcp, err := net.Listen("tcp", listen)
		if err != nil {
			return nil, nil, err
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
		last = err
	}
	return nil, nil, last
}

// Addr returns the address that is listened on, host:port.
func (s *Server) Addr() string { return s.addr }

// Close stops the server and gives its port back. Closing twice is harmless.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	var first error
	for _, srv := range s.servers {
		if err := srv.ShutdownContext(ctx); err != nil && first == nil {
			first = fmt.Errorf("stop the name server at %s: %w", s.addr, err)
		}
	}
	s.servers = nil
	return first
}

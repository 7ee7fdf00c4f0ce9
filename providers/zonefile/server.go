package zonefile

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Server is an authoritative name server for the zone files of a directory. It
// answers from the files as they are at the time of each query. It is meant for
// trials, laboratories and tests; it transfers no zones, takes no updates and
// knows nothing of DNSSEC and DNAME.
type Server struct {
	addr    string
	servers []*dns.Server
}

// shutdownTimeout is how long Close waits for answers under way.
const shutdownTimeout = time.Second

// Serve starts to answer for every zone that has a file in dir, over UDP and
// TCP at listen (host:port; with port 0 on a free one), and returns once it
// does. Zones may be added, changed and removed meanwhile. It only reads.
func Serve(dir, listen string) (*Server, error) {
	what := "answer for the zones in " + dir + " at " + listen
	tcp, udp, err := listenBoth(listen)
	if err != nil {
		return nil, fault.Lasting(what, err, "choose another address for listen of the provider, or end the program that holds this one")
	}
	h := &handler{zones: &zoneCache{dir: dir}}
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
			return nil, fault.Temporary(what, err, "try again; if it does not pass, give another address as listen, or leave it out")
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

// ednsSize is the size of UDP answers that pass everywhere unfragmented.
const ednsSize = 1232

type handler struct{ zones *zoneCache }

// ServeDNS answers one query.
func (h *handler) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	r := h.reply(q)
	size := dns.MaxMsgSize
	if w.LocalAddr().Network() == "udp" {
		size = dns.MinMsgSize
	}
	if opt := q.IsEdns0(); opt != nil {
		if opt.Version() != 0 { // RFC 6891 section 6.1.3
			r = new(dns.Msg).SetRcode(q, dns.RcodeBadVers)
		}
		r.SetEdns0(ednsSize, false)
		if size == dns.MinMsgSize {
			size = min(max(int(opt.UDPSize()), dns.MinMsgSize), ednsSize)
		}
	}
	r.Truncate(size)
	w.WriteMsg(r)
}

func (h *handler) reply(q *dns.Msg) *dns.Msg {
	r := new(dns.Msg).SetReply(q)
	if q.Opcode != dns.OpcodeQuery {
		return r.SetRcode(q, dns.RcodeNotImplemented)
	}
	if len(q.Question) != 1 {
		return r.SetRcode(q, dns.RcodeFormatError)
	}
	question := q.Question[0]
	switch question.Qtype {
	case dns.TypeAXFR, dns.TypeIXFR:
		return r.SetRcode(q, dns.RcodeRefused)
	}
	if question.Qclass != dns.ClassINET {
		return r.SetRcode(q, dns.RcodeRefused)
	}
	z, err := h.zones.find(dns.CanonicalName(question.Name))
	switch {
	case err != nil:
		return r.SetRcode(q, dns.RcodeServerFailure)
	case z == nil:
		return r.SetRcode(q, dns.RcodeRefused)
	}
	z.answer(r, question)
	return r
}

package nameservertest

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Liar is a name server that misbehaves as its handler tells it.
type Liar struct {
	Addr string // host:port
	Port int

	handler atomic.Pointer[dns.HandlerFunc]
	queries atomic.Int64
}

// LiarKey is the TSIG key that liars know, and LiarSecret its secret. An answer is
// signed with it when Signed makes it.
const (
	LiarKey    = "dkimbot."
	LiarSecret = "c2VjcmV0"
)

// Signed signs the answer to m as its key's owner expects.
func Signed(r, m *dns.Msg) *dns.Msg {
	t := m.IsTsig()
	return r.SetTsig(t.Hdr.Name, t.Algorithm, 300, time.Now().Unix())
}

// StartLiar starts a liar on the loopback address ip ("" is 127.0.0.1), for UDP
// and TCP, at port, or at a free one for 0.
func StartLiar(t testing.TB, ip string, port int, h dns.HandlerFunc) *Liar {
	t.Helper()
	if ip == "" {
		ip = "127.0.0.1"
	}
	if port == 0 {
		port = FreePort(t, ip)
	}
	l := &Liar{Addr: net.JoinHostPort(ip, strconv.Itoa(port)), Port: port}
	l.Set(h)
	for _, network := range []string{"udp", "tcp"} {
		ready := make(chan struct{})
		srv := &dns.Server{Addr: l.Addr, Net: network, NotifyStartedFunc: func() { close(ready) }, Handler: l,
			TsigSecret:    map[string]string{LiarKey: LiarSecret},
			MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
		failed := make(chan error, 1)
		go func() { failed <- srv.ListenAndServe() }()
		select {
		case <-ready:
		case err := <-failed:
			t.Fatalf("listen on %s: %v", l.Addr, err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			srv.ShutdownContext(ctx) // a slow handler is not waited for
		})
	}
	return l
}

// Set changes how the liar behaves from now on.
func (l *Liar) Set(h dns.HandlerFunc) { l.handler.Store(&h) }

// Queries returns how many messages have been received.
func (l *Liar) Queries() int { return int(l.queries.Load()) }

// ServeDNS counts the message and hands it to the handler.
func (l *Liar) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	l.queries.Add(1)
	(*l.handler.Load())(w, m)
}

// Rcode answers everything with one code, such as dns.RcodeServerFailure.
func Rcode(code int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(m, code)) }
}

// Silent never answers.
func Silent() dns.HandlerFunc { return func(dns.ResponseWriter, *dns.Msg) {} }

// Slow answers as next does, after d.
func Slow(d time.Duration, next dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		time.Sleep(d)
		next(w, m)
	}
}

// TruncateUDP sets TC and answers nothing over UDP; over TCP it does as next does.
func TruncateUDP(next dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		if w.LocalAddr().Network() != "udp" {
			next(w, m)
			return
		}
		r := new(dns.Msg).SetReply(m)
		r.Authoritative, r.Truncated = true, true
		w.WriteMsg(r)
	}
}

// DropTCP answers over UDP as next does and never over TCP, as behind a bad firewall.
func DropTCP(next dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		if w.LocalAddr().Network() == "udp" {
			next(w, m)
		}
	}
}

// Serve answers for the zone authoritatively, and plainly: exact names, a CNAME
// in place of any type, NXDOMAIN and NODATA with the SOA. It refuses other names.
// A liar is made of it by giving it a zone that differs from the truth.
func Serve(t testing.TB, z Zone) dns.HandlerFunc {
	t.Helper()
	var records []dns.RR
	p := dns.NewZoneParser(strings.NewReader(z.text([]string{"127.0.0.1"})), "", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		records = append(records, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("zone %s: %v", z.Name, err)
	}
	return func(w dns.ResponseWriter, m *dns.Msg) { w.WriteMsg(plainAnswer(z.origin(), records, m)) }
}

func plainAnswer(zone string, records []dns.RR, m *dns.Msg) *dns.Msg {
	r := new(dns.Msg).SetReply(m)
	if len(m.Question) != 1 || !dns.IsSubDomain(zone, dns.CanonicalName(m.Question[0].Name)) {
		return r.SetRcode(m, dns.RcodeRefused)
	}
	r.Authoritative = true
	q, exists := m.Question[0], false
	for _, rr := range records {
		owner := dns.CanonicalName(rr.Header().Name)
		exists = exists || dns.IsSubDomain(dns.CanonicalName(q.Name), owner)
		if k := rr.Header().Rrtype; owner == dns.CanonicalName(q.Name) && (k == q.Qtype || k == dns.TypeCNAME) {
			r.Answer = append(r.Answer, rr)
		}
	}
	if len(r.Answer) == 0 {
		r.Ns = records[:1] // Zone.text puts the SOA first
	}
	if !exists {
		r.Rcode = dns.RcodeNameError
	}
	return r
}

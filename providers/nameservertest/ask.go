package nameservertest

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Query asks the server directly, at its first address, and returns the data
// of the records of that name and type, in the order of the answer: joined strings for TXT,
// zone-file text for others. No such record is an empty result; an answer
// other than NOERROR and NXDOMAIN fails the test.
func (s *Server) Query(t testing.TB, name, kind string) []string {
	t.Helper()
	return Query(t, s.Addr, name, kind)
}

// Query is Server.Query for any address.
func Query(t testing.TB, addr, name, kind string) []string {
	t.Helper()
	r := Exchange(t, addr, name, kind)
	if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		t.Fatalf("query %s %s at %s: %s", name, kind, addr, dns.RcodeToString[r.Rcode])
	}
	var data []string
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == dns.StringToType[kind] {
			data = append(data, rdata(rr))
		}
	}
	return data
}

// Exchange asks a server over TCP and returns the whole answer. It asks again where a connection ends without
// one: servers wait for a question for two seconds only, and a busy machine may stop the test for longer.
func Exchange(t testing.TB, addr, name, kind string) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: "tcp", Timeout: 20 * time.Second}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
	for try := 1; ; try++ {
		r, _, err := c.Exchange(m, addr)
		if err == nil {
			return r
		}
		if try == 3 {
			t.Fatalf("query %s %s at %s: %v", name, kind, addr, err)
		}
	}
}

func rdata(rr dns.RR) string {
	if txt, ok := rr.(*dns.TXT); ok {
		return dkim.Unescape(strings.Join(txt.Txt, ""))
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}

// Add plants records, given as lines of a zone file with absolute names, by a
// dynamic update with a key of its own that no policy narrows.
func (s *Server) Add(t testing.TB, records ...string) {
	t.Helper()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil || rr == nil {
			t.Fatalf("record %q: %v", text, err)
		}
		m := s.update(t, rr.Header().Name)
		m.Insert([]dns.RR{rr})
		s.send(t, m)
	}
}

// Remove removes all records of the name and type; type ANY removes the whole name.
func (s *Server) Remove(t testing.TB, name, kind string) {
	t.Helper()
	m := s.update(t, name)
	set := []dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.StringToType[kind],
		Class: dns.ClassINET}}}
	if kind == "ANY" {
		m.RemoveName(set)
	} else {
		m.RemoveRRset(set)
	}
	s.send(t, m)
}

func (s *Server) update(t testing.TB, name string) *dns.Msg {
	t.Helper()
	zone := ""
	for _, z := range s.zones {
		if dns.IsSubDomain(z.origin(), dns.CanonicalName(name)) && len(z.origin()) > len(zone) {
			zone = z.origin()
		}
	}
	if zone == "" {
		t.Fatalf("the server at %s has no zone for %s", s.Addr, name)
	}
	return new(dns.Msg).SetUpdate(zone)
}

func (s *Server) send(t testing.TB, m *dns.Msg) {
	t.Helper()
	m.SetTsig(planterName, dns.HmacSHA256, 300, time.Now().Unix())
	c := dns.Client{Net: "tcp", Timeout: 20 * time.Second, TsigSecret: map[string]string{planterName: s.planter}}
	r, _, err := c.Exchange(m, s.Addr)
	if err != nil {
		t.Fatalf("update at %s: %v", s.Addr, err)
	}
	if r.Rcode != dns.RcodeSuccess {
		t.Fatalf("update at %s: %s", s.Addr, dns.RcodeToString[r.Rcode])
	}
}

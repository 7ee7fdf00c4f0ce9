package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// fuzzed is what a made-up server answers with: a message for each type of question.
type fuzzed struct {
	answers map[uint16][]byte // what is not there is answered as a sound server would
	match   bool              // the id and the question are made to fit what was asked
	sent    map[string][]byte // the answer to the last question for TXT records at a name
}

// wire is a stream to the made-up server. It answers at once and then ends.
type wire struct {
	net.Conn
	server *fuzzed
	in     bytes.Buffer
}

func (w *wire) Close() error                     { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
func (w *wire) Read(b []byte) (int, error)       { return w.in.Read(b) }

func (w *wire) Write(b []byte) (int, error) {
	q := new(dns.Msg)
	if err := q.Unpack(b[2:]); err != nil {
		return 0, err
	}
	answer := w.server.answer(q)
	if len(answer) > 0xffff {
		return 0, io.ErrShortWrite
	}
	w.in.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer))))
	w.in.Write(answer)
	return len(b), nil
}

func (f *fuzzed) answer(q *dns.Msg) []byte {
	kind := q.Question[0].Qtype
	answer, ok := f.answers[kind]
	if !ok {
		return pack(sound(q))
	}
	if f.match {
		answer = fit(answer, q)
	}
	if kind == dns.TypeTXT {
		f.sent[q.Question[0].Name] = answer
	}
	return answer
}

// fit makes an answer to q of a message: its id, and one question if it has one.
func fit(answer []byte, q *dns.Msg) []byte {
	if len(answer) < 12 {
		return answer
	}
	out := slices.Clone(answer)
	binary.BigEndian.PutUint16(out, q.Id)
	m := new(dns.Msg)
	if m.Unpack(out) == nil && len(m.Question) == 1 {
		m.Question = q.Question
		if b, err := m.Pack(); err == nil {
			return b
		}
	}
	return out
}

// sound is what the server of example.test answers when nothing is there.
func sound(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	soa := &dns.SOA{Hdr: dns.RR_Header{Name: "example.test.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300},
		Ns: "ns.example.test.", Mbox: "h.example.test.", Minttl: 60}
	if q.Question[0].Qtype == dns.TypeSOA && dns.CanonicalName(q.Question[0].Name) == "example.test." {
		m.Answer = []dns.RR{soa}
	} else {
		m.Ns = []dns.RR{soa}
	}
	return m
}

func pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// messages are the seeds: what servers and liars answer.
func messages() (seeds [][]byte) {
	const owner = "s1._domainkey.example.test."
	q := question(owner, dns.TypeTXT, false)
	add := func(edit func(m *dns.Msg), records ...string) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		for _, r := range records {
			rr, err := dns.NewRR(r)
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		if edit != nil {
			edit(m)
		}
		seeds = append(seeds, pack(m))
	}
	key := owner + ` 60 IN TXT "v=DKIM1; p=" "AAAA"`
	add(nil, key)
	add(nil, key, owner+` 60 IN TXT "v=DKIM1; " "p=AAAA"`)
	add(nil)
	add(nil, owner+" 60 IN CNAME other.example.test.")
	add(nil, owner+" 60 IN CNAME other.example.test.", `other.example.test. 60 IN TXT "v=DKIM1; p="`)
	add(nil, owner+" 60 IN CNAME "+owner)
	add(nil, owner+" 60 IN CNAME k.example.org.", `k.example.org. 60 IN CNAME l.example.org.`,
		`l.example.org. 60 IN TXT "x"`)
	add(nil, key, owner+" 60 IN CNAME other.example.test.")
	add(nil, owner+` 60 CH TXT "v=DKIM1; p="`)
	add(nil, owner+` 60 IN TXT "\000\255\"\\"`, `elsewhere.test. 1 IN TXT "y"`)
	add(func(m *dns.Msg) { m.Truncated = true }, key)
	add(func(m *dns.Msg) { m.Authoritative = false }, key)
	add(func(m *dns.Msg) { m.Response = false }, key)
	add(func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }, key)
	add(func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, key)
	add(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }, key)
	add(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, key)
	add(func(m *dns.Msg) { m.Question = nil }, key)
	add(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA }, key)
	add(func(m *dns.Msg) { m.Question[0].Name = "other.test." }, key)
	add(func(m *dns.Msg) {
		m.Authoritative = false
		m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: "_domainkey.example.test.", Rrtype: dns.TypeNS,
			Class: dns.ClassINET}, Ns: "ns.example.test."}}
	})
	whole := seeds[0]
	return append(seeds, whole[:len(whole)-3], append(slices.Clone(whole), 0, 1, 2), whole[:12], nil,
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
}

// FuzzLook answers questions with whatever message: nothing makes a look panic, and
// what it calls complete was shown, just so, by an answer that is sound in every respect (I2, I3).
func FuzzLook(f *testing.F) {
	for i, m := range messages() {
		for kinds := range uint8(8) {
			f.Add(m, kinds, i%2 == 0, kinds%2 == 0)
			f.Add(m, kinds, true, i%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, message []byte, kinds uint8, match, recursive bool) {
		server := &fuzzed{answers: map[uint16][]byte{}, match: match, sent: map[string][]byte{}}
		for i, kind := range []uint16{dns.TypeTXT, dns.TypeNS, dns.TypeSOA} {
			if kinds&(1<<i) != 0 {
				server.answers[kind] = message
			}
		}
		cfg := Config{Nameservers: []string{"192.0.2.1"}, Resolvers: []string{"192.0.2.2"}, Timeout: time.Second}
		if recursive {
			cfg.Mode = Resolvers
		}
		v, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		v.client.dial = func(context.Context, string, string) (net.Conn, error) { return &wire{server: server}, nil }
		s, err := v.Look(t.Context(), name)
		if err != nil || !s.Complete {
			if err != nil && len(s.Values) > 0 {
				t.Errorf("values %q beside the error %v", s.Values, err)
			}
			return
		}
		owner := dns.Fqdn(s.Owner)
		asked := owner
		if recursive {
			asked = dns.Fqdn(name.String()) // one answer holds the whole chain
		}
		sent, ok := server.sent[asked]
		if !ok {
			sent = nil
			if kinds&1 != 0 {
				t.Fatalf("complete without a question for %s: %+v", asked, s)
			}
		}
		if want := shownBy(sent, asked, owner, recursive); sent != nil && (want == nil || !slices.Equal(*want, s.Values)) {
			t.Fatalf("complete with %q at %s; the message says %v", s.Values, owner, want)
		} else if sent == nil && len(s.Values) > 0 {
			t.Fatalf("%q from a server that shows nothing", s.Values)
		}
	})
}

// shownBy returns the values that a message shows at owner, read with no code of
// the package's; nil for a message that is no sound answer.
func shownBy(message []byte, asked, owner string, recursive bool) *[]string {
	m := new(dns.Msg)
	if err := m.Unpack(message); err != nil || !m.Response || m.Opcode != dns.OpcodeQuery || m.Truncated || !recursive &&
		!m.Authoritative {
		return nil
	}
	q := m.Question
	if len(q) != 1 || q[0].Qtype != dns.TypeTXT || q[0].Qclass != dns.ClassINET || !strings.EqualFold(q[0].Name, asked) {
		return nil
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return nil
	}
	values := []string{}
	var data [][]byte
	for _, rr := range m.Answer {
		h := rr.Header()
		if !strings.EqualFold(h.Name, owner) || h.Class != dns.ClassINET {
			continue
		}
		switch rr.(type) {
		case *dns.CNAME:
			return nil
		case *dns.TXT:
			buf := make([]byte, 0x10000)
			end, err := dns.PackRR(rr, buf, 0, nil, false)
			if err != nil {
				return nil
			}
			rdata := buf[end-int(h.Rdlength) : end]
			if slices.ContainsFunc(data, func(d []byte) bool { return bytes.Equal(d, rdata) }) {
				continue // the same record once more
			}
			data = append(data, slices.Clone(rdata))
			var joined []byte
			for len(rdata) > 0 {
				n := int(rdata[0]) + 1
				joined, rdata = append(joined, rdata[1:n]...), rdata[n:]
			}
			values = append(values, string(joined))
		}
	}
	slices.Sort(values)
	return &values
}

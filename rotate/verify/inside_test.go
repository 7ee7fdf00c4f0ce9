package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

var (
	name      = dkim.Name{Domain: "example.test", Selector: "s1"}
	errSilent = fmt.Errorf("read: %w", context.DeadlineExceeded)
	errAway   = &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
	anyText   = "v=DKIM1; p=any"
)

// says builds an answer of server at addr: records, nothing or an error.
func says(server, addr string, what any) answer {
	a := answer{reply: reply{server: server, addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 53)}}
	switch what := what.(type) {
	case error:
		a.err = what
		a.fail(a.trouble())
	case string:
		a.msg, a.shows, a.values = new(dns.Msg), records, []string{what}
	case nil:
		a.msg, a.shows = new(dns.Msg), nothing
	}
	return a
}

// An address family without a way out is left out and named; a server that is
// down is not (lego#1777).
func TestAgree(t *testing.T) {
	tests := map[string]struct {
		answers []answer
		lagging []string
		ok      bool
	}{
		"IPv6 has no route": {[]answer{
			says("ns1", "192.0.2.1", anyText), says("ns1", "2001:db8::1", errAway),
			says("ns2", "192.0.2.2", anyText), says("ns2", "2001:db8::2", errAway)},
			[]string{"ns1 (2001:db8::1): can't be reached from here (no route); left out, as nothing answers over IPv6",
				"ns2 (2001:db8::2): can't be reached from here (no route); left out, as nothing answers over IPv6"}, true},
		"IPv6 swallows all": {[]answer{
			says("ns1", "192.0.2.1", anyText), says("ns1", "2001:db8::1", errSilent)},
			[]string{"ns1 (2001:db8::1): did not answer; left out, as nothing answers over IPv6"}, true},
		"IPv4 has no route": {[]answer{
			says("ns1", "192.0.2.1", errAway), says("ns1", "2001:db8::1", anyText)},
			[]string{"ns1 (192.0.2.1): can't be reached from here (no route); left out, as nothing answers over IPv4"}, true},
		"one IPv6 address is down": {[]answer{
			says("ns1", "192.0.2.1", anyText), says("ns1", "2001:db8::1", errSilent),
			says("ns2", "192.0.2.2", anyText), says("ns2", "2001:db8::2", anyText)},
			[]string{"ns1 (2001:db8::1): did not answer"}, false},
		"a server with IPv6 only": {[]answer{
			says("ns1", "192.0.2.1", anyText), says("ns2", "2001:db8::2", errAway)},
			[]string{"ns2 (2001:db8::2): can't be reached from here (no route)"}, false},
		"IPv6 answers SERVFAIL": {[]answer{
			says("ns1", "192.0.2.1", anyText), failing(says("ns1", "2001:db8::1", nil), "answers SERVFAIL")},
			[]string{"ns1 (2001:db8::1): answers SERVFAIL"}, false},
		"no address": {[]answer{
			says("ns1", "192.0.2.1", anyText),
			{reply: reply{server: "ns2", err: errors.New("has no address in DNS")}, says: "has no address in DNS"}},
			[]string{"ns2: has no address in DNS"}, false},
		"configured addresses are servers of their own": {[]answer{
			says("", "192.0.2.1", anyText), says("", "2001:db8::1", errSilent)},
			[]string{"2001:db8::1: did not answer"}, false},
		"two against one": {[]answer{
			says("ns1", "192.0.2.1", nil), says("ns2", "192.0.2.2", anyText), says("ns3", "192.0.2.3", nil)},
			[]string{`ns2 (192.0.2.2): shows "v=DKIM1; p=any"`}, false},
		"something against nothing": {[]answer{
			says("ns1", "192.0.2.1", nil), says("ns2", "192.0.2.2", anyText)},
			[]string{"ns1 (192.0.2.1): shows no record"}, false},
		"a tie names all": {[]answer{
			says("ns1", "192.0.2.1", "a"), says("ns2", "192.0.2.2", "b"), says("ns3", "192.0.2.3", nil)},
			[]string{`ns1 (192.0.2.1): shows "a"`, `ns2 (192.0.2.2): shows "b"`, "ns3 (192.0.2.3): shows no record"}, false},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			for range 10 { // the order of maps must not show
				_, lagging, ok := agree(tt.answers)
				slices.Sort(lagging)
				if diff := cmp.Diff(tt.lagging, lagging); diff != "" || ok != tt.ok {
					t.Fatalf("ok %v\n%s", ok, diff)
				}
			}
		})
	}
}

func failing(a answer, says string) answer {
	a.says, a.shows = says, failed
	return a
}

// A machine without IPv6 looks up a zone with dual-stacked servers at once.
func TestNoRoute(t *testing.T) {
	h := ns.Serve(t, ns.Zone{Name: "example.test", Records: `s1._domainkey TXT "v=DKIM1; p=any"`})
	server := ns.StartLiar(t, "", 0, h)
	resolver := ns.StartLiar(t, "", 0, ns.Serve(t, ns.Zone{Name: "example.test", Records: "ns1 AAAA 2001:db8::1"}))
	v, err := New(Config{Resolvers: []string{resolver.Addr}, Port: server.Port, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	v.client.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "[2001:db8::1]") {
			return nil, errAway
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	s, err := v.Look(t.Context(), name)
	if err != nil || !s.Complete || len(s.Lagging) != 1 || !strings.Contains(s.Lagging[0], "2001:db8::1") ||
		!slices.Equal(s.Values, []string{anyText}) {
		t.Errorf("%+v, %v", s, err)
	}
}

// The same where IPv6 packets vanish: what it costs is bounded by the time-out.
func TestSilentIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Fatalf("the test needs the loopback address ::1: %v", err)
	} else {
		l.Close()
	}
	zone := ns.Zone{Name: "example.test", Servers: []string{"127.0.0.1"},
		Records: "s1._domainkey TXT \"v=DKIM1; p=any\"\nns1 AAAA ::1"}
	port := ns.FreePort(t, "127.0.0.1", "::1")
	server := ns.StartLiar(t, "127.0.0.1", port, ns.Serve(t, zone))
	ns.StartLiar(t, "::1", port, ns.Silent())
	v, err := New(Config{Resolvers: []string{server.Addr}, Port: port, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Look(t.Context(), name)
	if err != nil || !s.Complete || len(s.Lagging) != 1 || !strings.Contains(s.Lagging[0], "::1") {
		t.Errorf("%+v, %v", s, err)
	}
}

// unescape is the inverse of what miekg/dns makes of octets on the wire.
func TestUnescape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 255).Draw(t, "octets")
		rr := &dns.RFC3597{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Rdata: fmt.Sprintf("%02x%x", len(raw), raw)}
		wire := make([]byte, 600)
		n, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := dns.UnpackRR(wire[:n], 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := dkim.Unescape(strings.Join(back.(*dns.TXT).Txt, "")); got != string(raw) {
			t.Fatalf("got %q, want %q", got, raw)
		}
	})
	for in, want := range map[string]string{`a\`: `a\`, `\1`: "1", `\12x`: "12x"} {
		if got := dkim.Unescape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// The same record twice in one answer is one record; behind a CNAME the
// authority section speaks of another zone.
func TestReading(t *testing.T) {
	rr := func(s string) dns.RR {
		r, err := dns.NewRR(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	twice := &dns.Msg{Answer: []dns.RR{rr(`a.test. TXT "x" "y"`), rr(`A.test. TXT "x" "y"`), rr(`b.test. TXT "z"`)}}
	twice.Authoritative = true
	if a := read(reply{msg: twice}, "test.", "a.test."); !slices.Equal(a.values, []string{"xy"}) {
		t.Errorf("got %q", a.values)
	}
	soa := rr("example.test. SOA a. b. 1 2 3 4 5")
	if z := soaOwner(&dns.Msg{Ns: []dns.RR{soa}}, "mail.sub.example.test."); z != "example.test." {
		t.Errorf("got %q", z)
	}
	if z := soaOwner(&dns.Msg{Answer: []dns.RR{rr("mail.sub.example.test. CNAME www.example.test.")}, Ns: []dns.RR{soa}},
		"mail.sub.example.test."); z != "" {
		t.Errorf("got %q", z)
	}
	if z := soaOwner(&dns.Msg{Ns: []dns.RR{soa}}, "example.org."); z != "" {
		t.Errorf("got %q", z)
	}
}

// The memory is bounded, and what has run out goes first.
func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	c := newCache[int](time.Minute, func() time.Time { return now })
	for i := range maxEntries {
		c.keep(fmt.Sprint(i), i)
	}
	now = now.Add(2 * time.Minute)
	c.keep("fresh", 1)
	if _, ok := c.peek("fresh"); !ok || len(c.kept) != 1 {
		t.Errorf("%d entries", len(c.kept))
	}
	for i := range maxEntries + 10 {
		c.keep(fmt.Sprint(i), i)
	}
	if n := len(c.kept); n > maxEntries || n < maxEntries/2 {
		t.Errorf("%d entries", n)
	}
	if _, err := c.get(t.Context(), "bad", func(context.Context) (int, error) { return 0, errors.New("no") }); err == nil {
		t.Error("the error is lost")
	}
	if n, err := c.get(t.Context(), "bad", func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Error("an error was kept")
	}
}

// One who gives up takes nobody along who waits for the same.
func TestFinderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[int](time.Minute, time.Now)
		first, giveUp := context.WithCancel(t.Context())
		go c.get(first, "key", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		synctest.Wait()
		var n int
		var err error
		go func() {
			n, err = c.get(t.Context(), "key", func(context.Context) (int, error) { return 7, nil })
		}()
		synctest.Wait()
		giveUp()
		synctest.Wait()
		if n != 7 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

func TestSystemResolvers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if _, err := systemResolvers(path); err == nil {
		t.Error("a missing file is taken")
	}
	for text, want := range map[string][]string{
		"search example.com\n": nil,
		"nameserver 192.0.2.53\nnameserver fe80::1%lo\noptions edns0\n": {"192.0.2.53", "fe80::1%lo"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := systemResolvers(path)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// TestEndlessTTL: a TTL of decades, as by a mistake in a zone, counts as the week for which resolvers keep an answer at
// most.
func TestEndlessTTL(t *testing.T) {
	for ttl, want := range map[uint32]time.Duration{0: 0, 300: 5 * time.Minute, 604799: 7*24*time.Hour - time.Second,
		3600000: 7 * 24 * time.Hour, 1<<31 - 1: 7 * 24 * time.Hour} {
		if got := seconds(ttl); got != want {
			t.Errorf("%d: %s instead of %s", ttl, got, want)
		}
	}
}

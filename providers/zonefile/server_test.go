package zonefile_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

const serverZone = `$TTL 300
@	600	SOA ns hostmaster 41 1h 10m 1d 60
	NS	ns
	NS	ns.example.net.
	MX	10 www
ns	A	127.0.0.1
www	A	192.0.2.1
www	A	192.0.2.2
WWW2	A	192.0.2.3
s1._domainkey TXT "v=DKIM1; " "p="
s2._domainkey CNAME s1._domainkey
c1	CNAME	c2
c2	CNAME	www
gone	CNAME	nothing
out	CNAME	www.example.net.
intochild CNAME www.child
loop	CNAME	pool
pool	CNAME	loop
a.b.ent	A	192.0.2.4
*.wild	TXT	"wild"
x.wild	A	192.0.2.5
*.wildc	CNAME	www
child	NS	ns.child
child	NS	ns.example.net.
child	DS	1 8 2 0000000000000000000000000000000000000000000000000000000000000000
ns.child A	127.0.0.1
`

func serve(t testing.TB, dir string) *zonefile.Server {
	t.Helper()
	s, err := zonefile.Serve(dir, "127.0.0.1:0", slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The server answers as BIND does from the same file.
func TestServeAsBINDDoes(t *testing.T) {
	p, path := newZone(t, serverZone)
	if _, err := p.SetRecords(t.Context(), "example.com", []libdns.Record{txt("s3._domainkey", longText)}); err != nil {
		t.Fatal(err)
	}
	s, bind := serve(t, p.Dir), nameservertest.StartBIND(t, nameservertest.Zone{Name: "example.com", File: path})
	for _, query := range []string{
		"@ SOA", "@ NS", "@ MX", "@ TXT", "www A", "WwW A", "www2 A", "www TXT", "www.www A", "nothing A",
		"s1._domainkey TXT", "s2._domainkey TXT", "s2._domainkey CNAME", "s3._domainkey TXT", "s4._domainkey TXT",
		"_domainkey TXT",
		"c1 A", "c1 AAAA", "gone A", "out A", "ent A", "b.ent A", "c.ent A",
		"wild TXT", "any.wild TXT", "a.b.wild TXT", "any.wild A", "x.wild TXT", "y.x.wild TXT", "any.wildc A", "*.wild TXT",
		"child NS", "child A", "www.child A", "s1._domainkey.child TXT", "child DS", "www.child DS", "intochild A",
	} {
		name, kind, _ := strings.Cut(query, " ")
		name = strings.TrimPrefix(name+".example.com.", "@.")
		got, want := nameservertest.Exchange(t, s.Addr(), name, kind), nameservertest.Exchange(t, bind.Addr, name, kind)
		if diff := cmp.Diff(essence(want), essence(got)); diff != "" {
			t.Errorf("%s: BIND -, we +:\n%s", query, diff)
		}
	}
}

// essence is what of an answer matters to a resolver.
func essence(m *dns.Msg) []string {
	out := []string{dns.RcodeToString[m.Rcode], fmt.Sprint("aa ", m.Authoritative, " ra ", m.RecursionAvailable)}
	for section, rrs := range map[string][]dns.RR{"answer": m.Answer, "authority": m.Ns, "additional": m.Extra} {
		for _, rr := range rrs {
			if rr.Header().Rrtype != dns.TypeOPT {
				out = append(out, section+" "+strings.ToLower(rr.Header().Name)+strings.TrimPrefix(rr.String(), rr.Header().Name))
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestServeLoop(t *testing.T) {
	p, _ := newZone(t, serverZone)
	r := nameservertest.Exchange(t, serve(t, p.Dir).Addr(), "loop.example.com", "A")
	if r.Rcode != dns.RcodeServerFailure || len(r.Answer) != 2 { // as BIND does
		t.Errorf("unexpected answer:\n%v", r)
	}
}

// TestServeLongNames: where a zone's name nearly fills a file's name, names below it, which no file can have, lead to it.
func TestServeLongNames(t *testing.T) {
	label := strings.Repeat("a", 63)
	zone := strings.Join([]string{label, label, label, label[:39], "example"}, ".") // 253 bytes with "s1._domainkey."
	p, path := newZone(t, strings.ReplaceAll(serverZone, "example.com", zone))
	if err := os.Rename(path, filepath.Join(p.Dir, zone+".zone")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SetRecords(t.Context(), zone, []libdns.Record{txt("s3._domainkey", "x")}); err != nil {
		t.Fatal(err)
	}
	if got := nameservertest.Query(t, serve(t, p.Dir).Addr(), "s3._domainkey."+zone, "TXT"); !cmp.Equal(got, []string{"x"}) {
		t.Errorf("got %q", got)
	}
}

// Answers come from the files as they are now.
func TestServeFollowsTheFiles(t *testing.T) {
	p, path := newZone(t, serverZone+"$INCLUDE more.inc\n")
	inc := filepath.Join(p.Dir, "more.inc")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(inc, "inc TXT one\n")
	s := serve(t, p.Dir)
	rcode := func(name string) string {
		return dns.RcodeToString[nameservertest.Exchange(t, s.Addr(), name, "TXT").Rcode]
	}
	want := func(name, kind string, data ...string) {
		t.Helper()
		if got := nameservertest.Query(t, s.Addr(), name, kind); !cmp.Equal(got, data) {
			t.Errorf("%s %s: %q, want %q", name, kind, got, data)
		}
	}
	for i := range 20 { // quick changes of the same size
		value := fmt.Sprintf("value %02d", i)
		if err := setX(p, t.Context(), value); err != nil {
			t.Fatal(err)
		}
		want("x.example.com", "TXT", value)
	}
	want("inc.example.com", "TXT", "one")
	write(inc, "inc TXT another\n")
	want("inc.example.com", "TXT", "another")

	// Another file of the same size and time.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(path+".new", strings.Replace(read(t, path), "value 19", "value 99", 1))
	if err := errors.Join(os.Chtimes(path+".new", time.Time{}, info.ModTime()), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	want("x.example.com", "TXT", "value 99")

	// A zone that comes, one below another, and one that goes.
	if got := rcode("example.net"); got != "REFUSED" {
		t.Error(got)
	}
	write(filepath.Join(p.Dir, "example.net"), serverZone)
	want("s1._domainkey.example.net", "TXT", "v=DKIM1; p=")
	write(filepath.Join(p.Dir, "child.example.com.zone"), serverZone)
	want("s1._domainkey.child.example.com", "TXT", "v=DKIM1; p=")
	want("s1._domainkey.example.com", "TXT", "v=DKIM1; p=")

	write(path, "garbage\n")
	if got := rcode("www.example.com"); got != "SERVFAIL" {
		t.Error(got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"www.example.com", ".", `\.\.\047etc.example.org`, `\.\.`} {
		if got := rcode(name); got != "REFUSED" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestServeSizesAndOddQueries(t *testing.T) {
	var big strings.Builder
	for i := range 100 {
		fmt.Fprintf(&big, "big TXT \"record number %d\"\n", i)
	}
	p, _ := newZone(t, serverZone+big.String()+"mid TXT \""+strings.Repeat("x", 250)+"\" \""+
		strings.Repeat("y", 250)+"\"\n")
	s := serve(t, p.Dir)
	exchange := func(network string, change func(*dns.Msg)) *dns.Msg {
		t.Helper()
		m := new(dns.Msg).SetQuestion("mid.example.com.", dns.TypeTXT)
		change(m)
		c := dns.Client{Net: network, Timeout: 10 * time.Second, UDPSize: 4096}
		r, _, err := c.Exchange(m, s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	ask := func(name string) func(*dns.Msg) { return func(m *dns.Msg) { m.Question[0].Name = name } }
	edns := func(name string, size uint16) func(*dns.Msg) {
		return func(m *dns.Msg) { m.Question[0].Name = name; m.SetEdns0(size, false) }
	}
	for name, tc := range map[string]struct {
		network string
		change  func(*dns.Msg)
		want    func(*dns.Msg) bool
	}{
		"plain UDP": {"udp", ask("mid.example.com."),
			func(m *dns.Msg) bool { return m.Truncated && len(m.Answer) == 0 }},
		"EDNS": {"udp", edns("mid.example.com.", 1232),
			func(m *dns.Msg) bool { return !m.Truncated && len(m.Answer) == 1 && m.IsEdns0() != nil }},
		"EDNS below 512": {"udp", edns("s1._domainkey.example.com.", 100),
			func(m *dns.Msg) bool { return !m.Truncated && len(m.Answer) == 1 }},
		"EDNS above ours": {"udp", edns("big.example.com.", 4096),
			func(m *dns.Msg) bool { m.Compress = true; return m.Truncated && len(m.Answer) > 0 && m.Len() <= 1232 }},
		"TCP": {"tcp", ask("big.example.com."),
			func(m *dns.Msg) bool { return !m.Truncated && len(m.Answer) == 100 && m.IsEdns0() == nil }},
		"EDNS version 1": {"tcp", func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) },
			func(m *dns.Msg) bool { return m.Rcode == dns.RcodeBadVers && m.IsEdns0().Version() == 0 }},
		"ANY": {"tcp", func(m *dns.Msg) { m.SetQuestion("example.com.", dns.TypeANY) },
			func(m *dns.Msg) bool { return m.Rcode == 0 && len(m.Answer) == 4 }},
		"another class": {"tcp", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
			func(m *dns.Msg) bool { return m.Rcode == dns.RcodeRefused }},
		"no question": {"tcp", func(m *dns.Msg) { m.Question = nil },
			func(m *dns.Msg) bool { return m.Rcode == dns.RcodeFormatError }},
		"NOTIFY": {"tcp", func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
			func(m *dns.Msg) bool { return m.Rcode == dns.RcodeNotImplemented }},
		"transfer": {"tcp", func(m *dns.Msg) { m.SetAxfr("example.com.") },
			func(m *dns.Msg) bool { return m.Rcode == dns.RcodeRefused }},
	} {
		t.Run(name, func(t *testing.T) {
			if r := exchange(tc.network, tc.change); !tc.want(r) {
				t.Errorf("unexpected answer:\n%v", r)
			}
		})
	}
}

// Many clients ask while the file changes; each answer is a whole one.
func TestServeWhileWriting(t *testing.T) {
	p, _ := newZone(t, serverZone)
	if err := setX(p, t.Context(), "0"); err != nil {
		t.Fatal(err)
	}
	s, stop := serve(t, p.Dir), make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for last := ""; ; {
				select {
				case <-stop:
					return
				default:
				}
				got := nameservertest.Query(t, s.Addr(), "x.example.com", "TXT")
				if len(got) != 1 || len(got[0]) < len(last) || len(got[0]) == len(last) && got[0] < last {
					t.Errorf("%q after %q", got, last)
					return
				}
				last = got[0]
			}
		})
	}
	for i := range 50 {
		if err := setX(p, t.Context(), fmt.Sprint(i)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	group.Wait()
}

func TestServeAddresses(t *testing.T) {
	p, _ := newZone(t, serverZone)
	// A port that nobody else is given while it is free.
	s, err := zonefile.Serve(p.Dir, fmt.Sprint("127.0.0.1:", nameservertest.FreePort(t)), slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zonefile.Serve(p.Dir, s.Addr(), slog.Default()); fault.KindOf(err) != fault.Permanent ||
		!strings.Contains(fault.HintOf(err), "listen") {
		t.Errorf("the address is taken: got %v", err)
	} else {
		faulttest.Shown(t, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	l.Close()
	if _, err := zonefile.Serve(p.Dir, "nonsense", slog.Default()); fault.KindOf(err) != fault.Permanent {
		t.Errorf("got %v", err)
	} else {
		faulttest.Shown(t, err)
	}
	// I11: serving creates nothing.
	if got := listing(t, p.Dir); got != "example.com.zone" {
		t.Errorf("the directory holds %s", got)
	}
}

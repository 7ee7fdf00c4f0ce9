package nameservertest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

var programs = map[string]func(nameservertest.Options, testing.TB, ...nameservertest.Zone) *nameservertest.Server{
	"BIND": nameservertest.Options.StartBIND,
	"Knot": nameservertest.Options.StartKnot,
}

// update sends a dynamic update with the server's exported key and returns the response code.
func update(t *testing.T, s *nameservertest.Server, zone, record string) string {
	t.Helper()
	rr, err := dns.NewRR(record)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg).SetUpdate(zone)
	m.Insert([]dns.RR{rr})
	m.SetTsig(s.KeyName, dns.HmacSHA256, 300, time.Now().Unix())
	c := dns.Client{Net: "tcp", Timeout: 20 * time.Second, TsigSecret: map[string]string{s.KeyName: s.KeySecret}}
	r, _, err := c.Exchange(m, s.Addr)
	if r == nil {
		t.Fatal(err)
	}
	return dns.RcodeToString[r.Rcode]
}

func TestZonesAreServedAndChange(t *testing.T) {
	for name, start := range programs {
		t.Run(name, func(t *testing.T) {
			s := start(nameservertest.Options{},
				t, nameservertest.Zone{Name: "example.test", TTL: 300 * time.Second, Minimum: 2 * time.Second,
					Records: "www A 192.0.2.7"},
				nameservertest.Zone{Name: "sub.example.test."})
			if got, want := s.Query(t, "example.test", "SOA"),
				[]string{"ns1.example.test. hostmaster.example.test. 1 3600 600 86400 2"}; !cmp.Equal(got, want) {
				t.Error(cmp.Diff(want, got))
			}
			if got := s.Query(t, "www.example.test", "A"); !cmp.Equal(got, []string{"192.0.2.7"}) {
				t.Error(got)
			}
			if code := update(t, s, "example.test.", "new.example.test. 60 A 192.0.2.8"); code != "NOERROR" {
				t.Errorf("update: %s", code)
			}
			s.Add(t, "s1._domainkey.sub.example.test. 60 TXT \"a\\\"b\\\\c\" \"d\\255\"")
			s.Stop()
			s.Start(t)
			if got := s.Query(t, "new.example.test", "A"); !cmp.Equal(got, []string{"192.0.2.8"}) {
				t.Errorf("after the restart: %q", got)
			}
			if got := s.Query(t, "s1._domainkey.sub.example.test", "TXT"); !cmp.Equal(got, []string{"a\"b\\cd\xff"}) {
				t.Errorf("after the restart: %q", got)
			}
			s.Remove(t, "new.example.test", "ANY")
			if got := s.Query(t, "new.example.test", "A"); got != nil {
				t.Error(got)
			}
		})
	}
}

func TestNarrowPolicy(t *testing.T) {
	for name, start := range programs {
		t.Run(name, func(t *testing.T) {
			s := start(nameservertest.Options{Narrow: true}, t, nameservertest.Zone{Name: "example.test"})
			if code := update(t, s, "example.test.", `s1._domainkey.example.test. 60 TXT "x"`); code != "NOERROR" {
				t.Errorf("a key record: %s", code)
			}
			for _, rr := range []string{"www.example.test. 60 A 192.0.2.1", "s1._domainkey.example.test. 60 A 192.0.2.1",
				`example.test. 60 TXT "x"`} {
				if code := update(t, s, "example.test.", rr); code != "REFUSED" && code != "NOTAUTH" {
					t.Errorf("%s: %s, want it refused", rr, code)
				}
			}
			s.Add(t, `example.test. 60 TXT "foreign"`)
			if got := s.Query(t, "example.test", "TXT"); !cmp.Equal(got, []string{"foreign"}) {
				t.Error(got)
			}
		})
	}
}

func TestSeveralAddresses(t *testing.T) {
	ips := []string{"127.0.0.2", "127.0.0.3", "::1"}
	for name, start := range programs {
		t.Run(name, func(t *testing.T) {
			s := start(nameservertest.Options{IPs: ips}, t, nameservertest.Zone{Name: "example.test"})
			if len(s.Query(t, "example.test", "NS")) != 3 ||
				!cmp.Equal(s.Query(t, "ns3.example.test", "AAAA"), []string{"::1"}) {
				t.Error("the zone does not name its three servers")
			}
			for _, addr := range s.Addrs {
				if len(nameservertest.Query(t, addr, "example.test", "SOA")) != 1 {
					t.Errorf("%s does not answer", addr)
				}
			}
			if !strings.Contains(s.Log(), "example.test") {
				t.Errorf("no log: %q", s.Log())
			}
		})
	}
}

func TestLiar(t *testing.T) {
	truth := nameservertest.Serve(t, nameservertest.Zone{Name: "example.test", Records: `s1._domainkey TXT "lie"`})
	l := nameservertest.StartLiar(t, "", 0, truth)
	if got := nameservertest.Query(t, l.Addr, "s1._domainkey.example.test", "TXT"); !cmp.Equal(got, []string{"lie"}) {
		t.Error(got)
	}
	for name, tc := range map[string]struct {
		handler dns.HandlerFunc
		query   string
		want    func(*dns.Msg) bool // nil: no answer in time
	}{
		"nodata": {truth, "_domainkey.example.test.",
			func(m *dns.Msg) bool { return m.Rcode == 0 && len(m.Answer) == 0 && len(m.Ns) == 1 }},
		"nxdomain": {truth, "s2._domainkey.example.test.",
			func(m *dns.Msg) bool { return m.Rcode == dns.RcodeNameError && len(m.Ns) == 1 }},
		"elsewhere": {truth, "example.net.", func(m *dns.Msg) bool { return m.Rcode == dns.RcodeRefused }},
		"servfail": {nameservertest.Rcode(dns.RcodeServerFailure), "example.test.",
			func(m *dns.Msg) bool { return m.Rcode == dns.RcodeServerFailure }},
		"truncated": {nameservertest.TruncateUDP(truth), "example.test.", func(m *dns.Msg) bool { return m.Truncated }},
		"slow":      {nameservertest.Slow(20*time.Second, truth), "example.test.", nil},
		"silent":    {nameservertest.Silent(), "example.test.", nil},
	} {
		t.Run(name, func(t *testing.T) {
			l.Set(tc.handler)
			udp := dns.Client{Timeout: 10 * time.Second}
			if tc.want == nil {
				udp.Timeout = 100 * time.Millisecond
			}
			r, _, err := udp.Exchange(new(dns.Msg).SetQuestion(tc.query, dns.TypeTXT), l.Addr)
			if (tc.want == nil) != (err != nil) {
				t.Fatalf("error %v", err)
			}
			if err == nil && !tc.want(r) {
				t.Errorf("unexpected answer:\n%v", r)
			}
		})
	}
	if l.Queries() != 8 {
		t.Errorf("counted %d queries, want 8", l.Queries())
	}
}

func TestFileIsServedAsItStands(t *testing.T) {
	text := "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster %d 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
	for name, start := range programs {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "zone")
			write := func(serial int) {
				if err := os.WriteFile(file, fmt.Appendf(nil, text, serial), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write(7)
			s := start(nameservertest.Options{}, t, nameservertest.Zone{Name: "example.test", File: file})
			if code := update(t, s, "example.test.", "www.example.test. 60 A 192.0.2.1"); code != "REFUSED" &&
				code != "NOTAUTH" {
				t.Errorf("an update: %s, want it refused", code)
			}
			write(8)
			if err := syscall.Kill(s.PID(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			want := "ns.example.test. hostmaster.example.test. 8 3600 600 86400 60"
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				if got := s.Query(t, "example.test", "SOA"); cmp.Equal(got, []string{want}) {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("after SIGHUP: %q", got)
				}
			}
		})
	}
}

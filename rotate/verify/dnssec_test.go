package verify_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// signedZone is a zone that BIND's tools have signed.
type signedZone struct {
	dir  string
	file string
	ksk  *dns.DNSKEY
}

// sign signs the example zone with records, with signatures that count from begin to end.
func sign(t testing.TB, records, begin, end string, options ...string) signedZone {
	t.Helper()
	z := signedZone{dir: t.TempDir()}
	run := func(args ...string) string {
		c := exec.Command(args[0], args[1:]...)
		c.Dir = z.dir
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, err.(*exec.ExitError).Stderr)
		}
		return strings.TrimSpace(string(out))
	}
	ksk := run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "example.test")
	run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "example.test")
	text, err := os.ReadFile(filepath.Join(z.dir, ksk+".key"))
	if err != nil {
		t.Fatal(err)
	}
	rr, err := dns.ReadRR(strings.NewReader(string(text)), ksk)
	if err != nil {
		t.Fatal(err)
	}
	z.ksk = rr.(*dns.DNSKEY)
	plain := "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n" + records
	if err := os.WriteFile(filepath.Join(z.dir, "plain"), []byte(plain), 0o600); err != nil {
		t.Fatal(err)
	}
	run(append(append([]string{"dnssec-signzone", "-S", "-P", "-O", "full", "-o", "example.test", "-s", begin, "-e", end,
		"-f", "signed"}, options...), "plain")...)
	z.file = filepath.Join(z.dir, "signed")
	return z
}

// edit changes the signed file past the signer.
func (z signedZone) edit(t testing.TB, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(z.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(z.file, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// validates asks delv, which trusts the zone's key, for a second opinion.
func (z signedZone) validates(t testing.TB, s *ns.Server) bool {
	t.Helper()
	anchor := fmt.Sprintf("trust-anchors { example.test. static-key %d %d %d %q; };\n", z.ksk.Flags, z.ksk.Protocol,
		z.ksk.Algorithm, z.ksk.PublicKey)
	file := filepath.Join(z.dir, "anchor")
	if err := os.WriteFile(file, []byte(anchor), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command("delv", "@127.0.0.1", "-p", fmt.Sprint(s.Port), "-a", file, "+root=example.test", s1.String(),
		"TXT").CombinedOutput()
	t.Logf("delv: %s", out)
	return strings.Contains(string(out), "; fully validated")
}

// TestSignedZones: a record counts as seen only where validating resolvers accept it.
// Guards I2: nobody signs with a key that they would not find.
func TestSignedZones(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	ours := txt("s1._domainkey", value)
	good := []string{"now-3600", "now+864000"}
	for name, tc := range map[string]struct {
		records string
		times   []string
		options []string
		edit    func(string) string
		want    string // in Bogus; empty when the record is valid
	}{
		"valid":             {records: ours, times: good},
		"valid, NSEC3":      {records: ours, times: good, options: []string{"-3", "-"}},
		"behind a CNAME":    {records: "s1._domainkey CNAME keys\n" + txt("keys", value), times: good},
		"ran out":           {records: ours, times: []string{"now-864000", "now-3600"}, want: "expired at"},
		"counts from later": {records: ours, times: []string{"now+3600", "now+864000"}, want: "counts only from"},
		"signature lost": {records: ours, times: good, want: "is not signed, though the zone is",
			edit: func(s string) string {
				return regexp.MustCompile(`(?m)^s1\S+\s+\d+\s+IN\s+RRSIG\s+TXT .*$`).ReplaceAllString(s, "")
			}},
		"changed past the signer": {records: txt("s1._domainkey", "v=DKIM1; p=AAAA"), times: good,
			edit: func(s string) string { return strings.ReplaceAll(s, "p=AAAA", "p=BBBB") }, want: "does not verify"},
	} {
		t.Run(name, func(t *testing.T) {
			z := sign(t, tc.records, tc.times[0], tc.times[1], tc.options...)
			if tc.edit != nil {
				z.edit(t, tc.edit)
			}
			s := ns.StartBIND(t, ns.Zone{Name: "example.test", File: z.file})
			got := look(t, newVerifier(t, verify.Config{Nameservers: []string{s.Addr}}), s1)
			if got.Complete != (tc.want == "") || len(got.Values) != 1 ||
				!strings.Contains(strings.Join(got.Bogus, ""), tc.want) || (len(got.Bogus) > 0) != (tc.want != "") {
				t.Errorf("%+v", got)
			}
			if delv := z.validates(t, s); delv != got.Complete {
				t.Errorf("delv validates: %v; we: %v", delv, got.Complete)
			}
		})
	}
}

// TestParentOfSignedZone: what the parent says decides: a DS record demands signatures that it
// leads to, and without one nobody does.
func TestParentOfSignedZone(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	ours := txt("s1._domainkey", value)
	port := ns.FreePort(t)
	signed, old := sign(t, ours, "now-3600", "now+864000"), sign(t, ours, "now-864000", "now-3600")
	other := sign(t, ours, "now-3600", "now+864000")
	bind := func(file string) ns.Zone { return ns.Zone{Name: "example.test", File: file} }
	unsigned := ns.Zone{Name: "example.test", Records: ours}
	digest := func(kind uint8) *dns.DS {
		ds := signed.ksk.ToDS(dns.SHA256)
		ds.DigestType, ds.Digest = kind, "ABCDEF"
		return ds
	}
	algorithm := signed.ksk.ToDS(dns.SHA256)
	algorithm.Algorithm = 200
	for name, tc := range map[string]struct {
		zone ns.Zone
		ds   []dns.RR
		want string
	}{
		"its DS": {bind(signed.file), []dns.RR{signed.ksk.ToDS(dns.SHA256)}, ""},
		"another key's DS": {bind(signed.file), []dns.RR{other.ksk.ToDS(dns.SHA256)},
			"to which the parent's DS record leads"},
		"both": {bind(signed.file),
			[]dns.RR{other.ksk.ToDS(dns.SHA256), signed.ksk.ToDS(dns.SHA256)}, ""},
		"unknown digest":           {bind(signed.file), []dns.RR{digest(200)}, ""},
		"unknown digest, unsigned": {unsigned, []dns.RR{digest(5)}, ""},
		"unknown algorithm":        {unsigned, []dns.RR{algorithm}, ""},
		"unknown both ways":        {bind(old.file), []dns.RR{algorithm, digest(3)}, ""},
		"unknown beside another's": {bind(signed.file), []dns.RR{digest(200), other.ksk.ToDS(dns.SHA256)},
			"to which the parent's DS record leads"},
		"unknown beside its own": {bind(signed.file), []dns.RR{digest(200), signed.ksk.ToDS(dns.SHA384)}, ""},
		"known, wrong digest": {bind(signed.file), []dns.RR{digest(dns.SHA384)},
			"to which the parent's DS record leads"},
		"no DS, signatures ran out": {bind(old.file), nil, ""},
		"no DS, not signed":         {unsigned, nil, ""},
		"DS, not signed":            {unsigned, []dns.RR{signed.ksk.ToDS(dns.SHA256)}, "shows its keys (DNSKEY)"},
	} {
		t.Run(name, func(t *testing.T) {
			server := ns.Options{Port: port}.StartBIND(t, tc.zone)
			defer server.Stop()
			resolver := ns.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
				if m.Question[0].Qtype != dns.TypeDS {
					w.WriteMsg(resolve(map[string]string{"example.test.": server.Addr}, m))
					return
				}
				r := new(dns.Msg).SetReply(m)
				soa, _ := dns.NewRR("test. 60 SOA a.test. b.test. 1 1800 900 604800 86400")
				if r.Answer = tc.ds; len(tc.ds) == 0 {
					r.Ns = []dns.RR{soa}
				}
				w.WriteMsg(r)
			})
			v := newVerifier(t, verify.Config{Port: port, Resolvers: []string{resolver.Addr}})
			for range 2 { // also from what is remembered
				got := look(t, v, s1)
				if got.Complete != (tc.want == "") || !strings.Contains(strings.Join(got.Bogus, ""), tc.want) {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// TestZoneIsSignedAgain: a zone whose signatures are renewed with new keys is not judged by
// keys that were remembered.
func TestZoneIsSignedAgain(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	begin, end := "now-3600", "now+864000"
	one, two := sign(t, txt("s1._domainkey", value), begin, end), sign(t, txt("s1._domainkey", value), begin, end)
	first := ns.StartBIND(t, ns.Zone{Name: "example.test", File: one.file})
	front := ns.StartLiar(t, "", 0, forward(first.Addr))
	v := newVerifier(t, verify.Config{Nameservers: []string{front.Addr}, Timeout: 10 * time.Second})
	if got := look(t, v, s1); !got.Complete {
		t.Fatalf("%+v", got)
	}
	front.Set(forward(ns.StartBIND(t, ns.Zone{Name: "example.test", File: two.file}).Addr))
	if got := look(t, v, s1); !got.Complete {
		t.Errorf("%+v", got)
	}
}

// forward passes questions on to a server.
func forward(server string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		if r, _, err := (&dns.Client{Net: "tcp", Timeout: 20 * time.Second}).Exchange(m, server); err == nil {
			w.WriteMsg(r)
		}
	}
}

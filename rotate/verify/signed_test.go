package verify_test

import (
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
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

// apexKeys asks a server for the keys of the example zone, and waits until it has signed it and,
// where records are given, shows them signed.
func apexKeys(t testing.TB, s *ns.Server, signed ...string) (keys []dns.RR) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		keys = section(t, s, "example.test.", dns.TypeDNSKEY, dns.TypeDNSKEY)
		all := len(keys) > 0 && len(section(t, s, "example.test.", dns.TypeSOA, dns.TypeRRSIG)) > 0
		for _, name := range signed {
			all = all && len(section(t, s, name, dns.TypeTXT, dns.TypeRRSIG)) > 0
		}
		if all {
			return keys
		}
		if time.Now().After(deadline) {
			t.Fatalf("the zone is not signed:\n%s", s.Log())
		}
	}
}

// section returns the records of one type in the answer to a question.
func section(t testing.TB, s *ns.Server, name string, asked, wanted uint16) (out []dns.RR) {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, asked).SetEdns0(1232, true)
	r, _, err := (&dns.Client{Net: "tcp", Timeout: 10 * time.Second}).Exchange(m, s.Addr)
	if err != nil {
		return nil
	}
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == wanted {
			out = append(out, rr)
		}
	}
	return out
}

// TestServersThatSign: what BIND's dnssec-policy and Knot's dnssec-signing make of a zone, with
// NSEC and NSEC3, is valid before a record is there, once it was added, and when it was removed
// again; Unbound, which validates, says the same. Guards I2: no healthy zone is refused.
func TestServersThatSign(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	start := map[string]func(testing.TB, ...ns.Zone) *ns.Server{"BIND": ns.StartBIND, "Knot": ns.StartKnot}
	for program, start := range start {
		for _, how := range []string{"nsec", "nsec3"} {
			t.Run(program+" "+how, func(t *testing.T) {
				s := start(t, ns.Zone{Name: "example.test", Signs: how, Records: "mail A 192.0.2.1\nother._domainkey TXT x"})
				resolver := ns.StartUnbound(t, s, "example.test", apexKeys(t, s)...)
				v := newVerifier(t, verify.Config{Mode: verify.Both, Nameservers: []string{s.Addr},
					Resolvers: []string{resolver.Addr}, Timeout: 20 * time.Second})
				if got := look(t, v, s1); !got.Complete || len(got.Values) > 0 || len(got.Bogus) > 0 {
					t.Errorf("before: %+v", got)
				}
				s.Add(t, txt("s1._domainkey.example.test.", value))
				apexKeys(t, s, s1.String()+".")
				if got := soon(t, v, func(s verify.Sight) bool { return s.Complete }); len(got.Values) != 1 || len(got.Bogus) > 0 {
					t.Errorf("once it was added: %+v", got)
				}
				s.Remove(t, s1.String()+".", "TXT")
				if got := look(t, v, s1); !got.Complete || len(got.Values) > 0 || len(got.Bogus) > 0 {
					t.Errorf("when it was removed: %+v", got)
				}
			})
		}
	}
}

// soon looks until what is seen is as wanted, or for a minute.
func soon(t testing.TB, v *verify.Verifier, wanted func(verify.Sight) bool) verify.Sight {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := look(t, v, s1)
		if wanted(got) || time.Now().After(deadline) {
			return got
		}
	}
}

// TestRecordCutOut: a record that was taken from a signed zone past its signer leaves a denial that proves
// nothing, and validating resolvers answer SERVFAIL. It is told (I2), with NSEC and NSEC3, whether the
// records that prove it are wrong, expired or missing too.
func TestRecordCutOut(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	cut := func(types string) func(string) string {
		return func(s string) string {
			return regexp.MustCompile(`(?m)^s1\._domainkey\S+\s+\d+\s+IN\s+(RRSIG\s+)?(`+types+`)\s.*$`).ReplaceAllString(s, "")
		}
	}
	for name, tc := range map[string]struct {
		options []string
		end     string
		edit    func(string) string
		want    string
	}{
		"nothing was there":        {nil, "now+864000", nil, ""},
		"nothing was there, NSEC3": {[]string{"-3", "-"}, "now+864000", nil, ""},
		"opt-out":                  {[]string{"-3", "-", "-A"}, "now+864000", nil, ""},
		"record":                   {nil, "now+864000", cut("TXT"), "proves that none stands there"},
		"record, NSEC3":            {[]string{"-3", "-"}, "now+864000", cut("TXT"), "proves that none stands there"},
		"record and its NSEC":      {nil, "now+864000", cut("TXT|NSEC"), "proves that none stands there"},
		"all signatures ran out":   {nil, "now-3600", nil, "expired at"},
	} {
		t.Run(name, func(t *testing.T) {
			records := "mail A 192.0.2.1\nzzz TXT x"
			if tc.edit != nil {
				records += "\n" + txt("s1._domainkey", value)
			}
			z := sign(t, records, "now-86400", tc.end, tc.options...)
			if tc.edit != nil {
				z.edit(t, tc.edit)
			}
			s := ns.StartBIND(t, ns.Zone{Name: "example.test", File: z.file})
			got := look(t, newVerifier(t, verify.Config{Nameservers: []string{s.Addr}, Timeout: 20 * time.Second}), s1)
			if len(got.Values) > 0 || got.Complete != (tc.want == "") ||
				!strings.Contains(strings.Join(got.Bogus, ""), tc.want) {
				t.Errorf("%+v", got)
			}
			resolver := ns.StartUnbound(t, s, "example.test", z.ksk)
			r, _, err := (&dns.Client{Net: "tcp", Timeout: 20 * time.Second}).Exchange(new(dns.Msg).SetQuestion(s1.String()+".",
				dns.TypeTXT), resolver.Addr)
			if err != nil || (r.Rcode == dns.RcodeServerFailure) != (tc.want != "") {
				t.Errorf("unbound: %v, %v", r, err)
			}
		})
	}
}

// TestResolverRejects: the SERVFAIL of a resolver that finds the chain of signatures broken is reported as
// such, with Unbound as the resolver, whoever else is asked. Without a fault it agrees (I2).
func TestResolverRejects(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	good, old := sign(t, txt("s1._domainkey", value), "now-3600", "now+864000"),
		sign(t, txt("s1._domainkey", value), "now-864000", "now-3600")
	lost := sign(t, txt("s1._domainkey", value), "now-3600", "now+864000")
	lost.edit(t, func(s string) string {
		return regexp.MustCompile(`(?m)^s1\S+\s+\d+\s+IN\s+RRSIG\s+TXT .*$`).ReplaceAllString(s, "")
	})
	for name, tc := range map[string]struct {
		file   string
		anchor dns.RR
		want   string
	}{
		"valid":                   {good.file, good.ksk, ""},
		"signatures ran out":      {old.file, old.ksk, "unless checking of signatures is switched off (CD)"},
		"signature lost":          {lost.file, lost.ksk, "RRSIGs Missing"},
		"DS leads to another key": {good.file, old.ksk.ToDS(dns.SHA256), "(DNSSEC Bogus)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ns.StartBIND(t, ns.Zone{Name: "example.test", File: tc.file})
			resolver := ns.StartUnbound(t, s, "example.test", tc.anchor)
			for _, mode := range []verify.Mode{verify.Both, verify.Resolvers} {
				v := newVerifier(t, verify.Config{Mode: mode, Nameservers: []string{s.Addr}, Resolvers: []string{resolver.Addr},
					Zone: "example.test", Timeout: 20 * time.Second})
				got, err := v.Look(t.Context(), s1)
				bogus := strings.Join(got.Bogus, "\n")
				t.Logf("%s: %v, %v", mode, bogus, err)
				if err != nil || len(got.Values) != 1 || got.Complete != (tc.want == "") || (bogus != "") != (tc.want != "") {
					t.Errorf("%s: %+v, %v", mode, got, err)
				}
				if mode == verify.Resolvers && !strings.Contains(bogus, tc.want) {
					t.Errorf("%s; want %q", bogus, tc.want)
				}
			}
			if !strings.Contains(tc.want, "check signatures") && !strings.Contains(tc.want, "Bogus") {
				return
			}
			_, err := newVerifier(t, verify.Config{Resolvers: []string{resolver.Addr},
				Timeout: 20 * time.Second}).Look(t.Context(), s1)
			faulttest.Shown(t, err)
			if err == nil || !strings.Contains(err.Error(), "the chain of signatures (DNSSEC) that leads there is broken") ||
				!strings.Contains(fault.HintOf(err), "DS record") {
				t.Errorf("where servers have to be found: %v", err)
			}
		})
	}
}

// TestAlgorithmRollover: at every step of a change of the zone's algorithm (RFC 6781 section 4.1.4) a record
// is valid for us as for Unbound, and it is not where a step was taken too early.
func TestAlgorithmRollover(t *testing.T) {
	_, value := record(t, dkim.RSA2048)
	dir := t.TempDir()
	run := func(args ...string) string {
		c := exec.Command(args[0], args[1:]...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	key := func(algorithm string) (string, *dns.DNSKEY) {
		file := run("dnssec-keygen", "-q", "-a", algorithm, "-f", "KSK", "example.test")
		text, err := os.ReadFile(filepath.Join(dir, file+".key"))
		if err != nil {
			t.Fatal(err)
		}
		rr, err := dns.ReadRR(strings.NewReader(string(text)), file)
		if err != nil {
			t.Fatal(err)
		}
		return file, rr.(*dns.DNSKEY)
	}
	old, oldKey := key("RSASHA256")
	fresh, freshKey := key("ECDSAP256SHA256")
	zone := func(keys []*dns.DNSKEY, with ...string) string {
		text := "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n" +
			txt("s1._domainkey", value) + "\n"
		for _, k := range keys {
			text += k.String() + "\n"
		}
		file := strings.Join(with, "")
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		run(append([]string{"dnssec-signzone", "-P", "-z", "-O", "full", "-o", "example.test", "-f", file + ".signed",
			file}, with...)...)
		return filepath.Join(dir, file+".signed")
	}
	both := []*dns.DNSKEY{oldKey, freshKey}
	before, during, after := zone(both[:1], old), zone(both, old, fresh), zone(both[1:], fresh)
	for name, tc := range map[string]struct {
		file string
		ds   *dns.DNSKEY
		ok   bool
	}{
		"before":                     {before, oldKey, true},
		"both keys, the old DS":      {during, oldKey, true},
		"both keys, the new DS":      {during, freshKey, true},
		"after":                      {after, freshKey, true},
		"the new DS too early":       {before, freshKey, false},
		"the old key gone too early": {after, oldKey, false},
	} {
		t.Run(name, func(t *testing.T) {
			port := ns.FreePort(t)
			s := ns.Options{Port: port}.StartBIND(t, ns.Zone{Name: "example.test", File: tc.file})
			unbound := ns.StartUnbound(t, s, "example.test", tc.ds.ToDS(dns.SHA256))
			resolver := ns.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
				r := resolve(map[string]string{"example.test.": s.Addr}, m)
				if m.Question[0].Qtype == dns.TypeDS {
					r = new(dns.Msg).SetReply(m)
					r.Answer = []dns.RR{tc.ds.ToDS(dns.SHA256)}
				}
				w.WriteMsg(r)
			})
			got := look(t, newVerifier(t, verify.Config{Port: port, Resolvers: []string{resolver.Addr},
				Timeout: 20 * time.Second}), s1)
			m := new(dns.Msg).SetQuestion(s1.String()+".", dns.TypeTXT)
			r, _, err := (&dns.Client{Net: "tcp", Timeout: 20 * time.Second}).Exchange(m, unbound.Addr)
			if err != nil || (r.Rcode == dns.RcodeSuccess) != tc.ok {
				t.Errorf("unbound: %v, %v", r, err)
			}
			if got.Complete != tc.ok || len(got.Values) != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

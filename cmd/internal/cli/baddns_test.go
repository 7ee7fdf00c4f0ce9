package cli_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
)

// withSecondary gives the lab a second name server, at first a faithful one.
func (l *lab) withSecondary(t *testing.T) *ns.Liar {
	t.Helper()
	second := ns.StartLiar(t, ownIP(), 0, l.faithful())
	l.Verify = fmt.Sprintf("nameservers: [%q, %q]\ntimeout: 30s", l.DNS, second.Addr)
	l.write(t)
	return second
}

// faithful answers what dkimbot's own server answers.
func (l *lab) faithful() dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		c := dns.Client{Net: "tcp", Timeout: 20 * time.Second}
		r, _, err := c.Exchange(q, l.DNS)
		if err != nil {
			r = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		w.WriteMsg(r)
	}
}

// files returns what a failed rotation must leave as it is: the zone, the
// private keys and what the signer reads.
func (l *lab) files(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"/zones", "/keys", "/opendkim"} {
		b.WriteString(tree(t, l.Dir+dir))
	}
	return b.String()
}

// A name server that fails, is slow or lies keeps a rotation from beginning. It
// is named, all stays as it was, and when it is repaired the same command continues (I2).
func TestBadNameServer(t *testing.T) {
	t.Parallel()
	lie := func(record string) func(*lab) dns.HandlerFunc {
		return func(l *lab) dns.HandlerFunc {
			return ns.Serve(t, ns.Zone{Name: "example.test", TTL: time.Second, Minimum: time.Second, Records: record})
		}
	}
	for title, c := range map[string]struct {
		fault func(*lab) dns.HandlerFunc
		code  int
		says  []string
	}{
		"SERVFAIL": {func(*lab) dns.HandlerFunc { return ns.Rcode(dns.RcodeServerFailure) }, 1, []string{"answers SERVFAIL"}},
		"REFUSED":  {func(*lab) dns.HandlerFunc { return ns.Rcode(dns.RcodeRefused) }, 1, []string{"answers REFUSED"}},
		"silent":   {func(*lab) dns.HandlerFunc { return ns.Silent() }, 1, []string{"did not answer"}},
		"slow": {func(l *lab) dns.HandlerFunc { return ns.Slow(10*time.Minute, l.faithful()) }, 1,
			[]string{"did not answer"}},
		"lagging": {lie(""), 1, []string{"shows no record"}},
		"lying":   {lie(`s2._domainkey TXT "v=DKIM1; p="`), 3, []string{"shows a revoked key"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test")
			second := l.withSecondary(t)
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
			before := l.files(t)

			second.Set(c.fault(l))
			good := l.Verify
			l.Verify = strings.Replace(good, "timeout: 30s", "timeout: 3s", 1) // it is waited for to the end
			l.write(t)
			began := time.Now()
			failed := l.run(t, "rotate", "--domain", "example.test").want(t, c.code,
				append(c.says, "s2._domainkey.example.test", second.Addr, "hint: ", "next  try again")...)
			if took := time.Since(began); took > soon {
				t.Errorf("it took %s to find out", took)
			}
			if after := l.files(t); after != before {
				t.Errorf("files were changed:\n%s\nby\n%s", cmp.Diff(before, after), failed.out)
			}
			if st := l.status(t, "example.test"); *st.Active != "s1" || st.Phase != "ready" || st.Failures == 0 ||
				!strings.Contains(*st.LastError, second.Addr) {
				t.Errorf("status: %+v", st)
			}

			second.Set(l.faithful())
			l.Verify = good
			l.write(t)
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s2: signer mx1 signs with it now")
			l.wantSound(t, "example.test")
		})
	}
}

// When no server answers, not even a key is made for a new domain.
func TestNoNameServer(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		fault dns.HandlerFunc
		says  string
	}{
		"SERVFAIL": {ns.Rcode(dns.RcodeServerFailure), "answers SERVFAIL"},
		"silent":   {ns.Silent(), "did not answer"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test")
			only := ns.StartLiar(t, ownIP(), 0, c.fault)
			l.Verify = fmt.Sprintf("nameservers: [%q]\ntimeout: 3s", only.Addr)
			l.write(t)
			l.run(t, "plan").want(t, 1, c.says, only.Addr, "hint: check that they serve the zone")
			l.run(t, "rotate", "--domain", "example.test").want(t, 1, c.says, only.Addr, "hint: check that they serve the zone")
			if zone := l.read(t, "zones/example.test.zone"); strings.Contains(zone, "DKIM1") {
				t.Error("something was published")
			}
			only.Set(l.faithful())
			l.Verify = strings.Replace(l.Verify, "timeout: 3s", "timeout: 30s", 1)
			l.write(t)
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
			l.wantSound(t, "example.test")
		})
	}
}

// bindLab is a lab whose zones BIND serves and only dynamic updates change.
func bindLab(t *testing.T, domains []string, zones ...ns.Zone) (*lab, *ns.Server) {
	t.Helper()
	for i := range zones {
		zones[i].TTL, zones[i].Minimum = time.Second, time.Second
	}
	server := ns.Options{Narrow: true}.StartBIND(t, zones...)
	l := newLab(t, domains...)
	l.file(t, "tsig.secret", server.KeySecret)
	l.Provider = rfc2136(server.Addr, "tsig.secret")
	l.Verify = fmt.Sprintf("nameservers: [%q]\ntimeout: 30s", server.Addr)
	l.write(t)
	return l, server
}

// A wrong key is reported by the provider's name and the server's, before the first key is made.
func TestWrongTSIGKey(t *testing.T) {
	t.Parallel()
	l, server := bindLab(t, []string{"example.test"}, ns.Zone{Name: "example.test"})
	wrong := "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nISE="
	l.file(t, "tsig.secret", wrong)
	r := l.run(t, "rotate", "--domain", "example.test").want(t, 1, "change s1._domainkey.example.test", "provider lab",
		"BADSIG", "hint: ")
	l.run(t, "plan").want(t, 1, "BADSIG", "0 steps")
	if strings.Contains(r.out+r.stderr, wrong) {
		t.Error("the secret was printed (I9)")
	}
	if got := server.Query(t, "s1._domainkey.example.test", "TXT"); len(got) > 0 {
		t.Errorf("published %q", got)
	}
	if table := l.read(t, "opendkim/signing.table"); table != "" {
		t.Errorf("the signer was touched: %s", table)
	}
	if id := l.status(t, "example.test").Selectors["s1"].KeyID; id != "" || l.read(t, "keys/example.test/s1/1.pem") != "" {
		t.Errorf("the key %q was made", id)
	}
	l.file(t, "tsig.secret", server.KeySecret)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	l.wantSound(t, "example.test")
}

// A zone that the server does not serve, and a name that lies below a cut.
func TestWrongZone(t *testing.T) {
	t.Parallel()
	l, server := bindLab(t, []string{"example.test"},
		ns.Zone{Name: "example.test", Records: "child NS ns.child\nns.child A 127.0.0.1\n"})
	l.Domains = []string{"example.test", "other.test",
		"{name: child.example.test, zone: example.test, provider: lab, signers: [mx1]}"}
	l.write(t)
	l.run(t, "rotate", "--domain", "other.test").want(t, 1, "other.test", server.Addr, "answers REFUSED",
		"hint: check that they serve the zone")
	l.run(t, "rotate", "--domain", "child.example.test").want(t, 3, "refused: ", "s1._domainkey.child.example.test",
		"child zone child.example.test", "hint: ")
	for _, d := range []string{"other.test", "child.example.test"} {
		if st := l.status(t, d); st.Phase != "new" || len(st.Selectors["s1"].KeyID) > 0 {
			t.Errorf("status of %s: %+v", d, st)
		}
	}
	if keys := l.read(t, "keys/other.test/s1/1.pem"); keys != "" {
		t.Error("a key was made for a zone that is not served")
	}
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	l.wantSound(t, "example.test")
}

// I6, I3: what stands at a selector's name and is not ours is refused, and stays.
func TestOccupiedName(t *testing.T) {
	t.Parallel()
	const name = "s2._domainkey.example.test"
	for title, c := range map[string]struct {
		records []string
		says    []string
	}{
		"foreign record": {[]string{`"v=DKIM1; p=Zm9yZWlnbg=="`},
			[]string{name + " holds a record that dkimbot did not make", "v=DKIM1; p=Zm9yZWlnbg=="}},
		"no key record": {[]string{`"hello"`}, []string{name + " holds a record that dkimbot did not make", `"hello"`}},
		"two records":   {[]string{`"v=DKIM1; p=Zm9yZWlnbg=="`, `"hello"`}, []string{name + " holds 2 records", `"hello"`}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l, server := bindLab(t, []string{"example.test"}, ns.Zone{Name: "example.test"})
			for _, r := range c.records {
				server.Add(t, name+". 1 TXT "+r)
			}
			want := append(c.says, "refused: ", "if nothing signs with it, remove it; or name two other selectors")
			l.run(t, "plan").want(t, 3, want...)
			l.run(t, "rotate", "--domain", "example.test").want(t, 3, want...)
			if got := server.Query(t, name, "TXT"); len(got) != len(c.records) {
				t.Errorf("the records are now %q", got)
			}
			if got := server.Query(t, "s1._domainkey.example.test", "TXT"); len(got) > 0 ||
				l.read(t, "keys/example.test/s1/1.pem") != "" {
				t.Error("a key was made, or published, before the obstacle was told")
			}
			server.Remove(t, name, "TXT")
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
			l.wantSound(t, "example.test")

			// The same later, when the record in use is the one that was changed.
			server.Add(t, name+`. 1 TXT "hello"`)
			before := l.files(t)
			l.run(t, "rotate", "--domain", "example.test").want(t, 3, "refused: "+name+" holds 2 records",
				"hint: find out who changed the record, and remove it: dkimbot then publishes its own again")
			if l.files(t) != before {
				t.Error("files were changed")
			}
			server.Remove(t, name, "TXT")
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s2: the record of key")
		})
	}
}

// A CNAME leads to where the record is published, if that zone is ours to change.
func TestAlias(t *testing.T) {
	t.Parallel()
	l, server := bindLab(t, []string{"example.test"},
		ns.Zone{Name: "example.test", Records: "s1._domainkey 1 CNAME s1._domainkey.keys.test.\ns2._domainkey 1 CNAME s2.elsewhere.test.\n"},
		ns.Zone{Name: "keys.test"})
	for _, args := range [][]string{{"plan"}, {"rotate", "--domain", "example.test"}} {
		l.run(t, args...).want(t, 1, "look up s2._domainkey.example.test, which is an alias (CNAME) of s2.elsewhere.test",
			"if a mail service signs by the CNAME at s2._domainkey.example.test, leave it and name other selectors")
	}
	if l.read(t, "keys/example.test/s1/1.pem") != "" {
		t.Error("a key was made before the obstacle was told")
	}
	if got := server.Query(t, "s2._domainkey.example.test", "TXT"); len(got) > 0 {
		t.Errorf("there is a TXT beside a CNAME: %q", got)
	}
	server.Remove(t, "s2._domainkey.example.test", "CNAME")
	server.Add(t, "s2._domainkey.example.test. 1 CNAME s2._domainkey.keys.test.")
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	st := l.wantSound(t, "example.test")
	for _, s := range []string{"s1", "s2"} {
		if got := server.Query(t, s+"._domainkey.keys.test", "TXT"); len(got) != 1 || got[0] != st.Selectors[s].Record {
			t.Errorf("at the target of %s: %q", s, got)
		}
	}
}

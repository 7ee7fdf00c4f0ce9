package nameservertest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// StartUnbound starts Unbound as a resolver that validates what it asks the server of a
// zone for, by an anchor of trust: a DNSKEY or DS record of the zone. It keeps no answer
// for longer than a second.
func StartUnbound(t testing.TB, authority *Server, zone string, anchors ...dns.RR) *Server {
	t.Helper()
	s := Options{}.newServer(t, nil)
	var b strings.Builder
	fmt.Fprintf(&b, `server:
	interface: 127.0.0.1@%[1]d
	port: %[1]d
	directory: %[2]q
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	logfile: ""
	do-daemonize: no
	do-not-query-localhost: no
	num-threads: 1
	module-config: "validator iterator"
	ede: yes
	val-bogus-ttl: 1
	val-sig-skew-min: 0
	val-sig-skew-max: 0
	cache-max-ttl: 1
	cache-max-negative-ttl: 1
	trust-anchor-signaling: no
	local-zone: "test." nodefault
`, s.Port, s.Dir)
	for _, a := range anchors {
		fmt.Fprintf(&b, "\ttrust-anchor: %q\n", strings.ReplaceAll(a.String(), "\t", " "))
	}
	fmt.Fprintf(&b, "remote-control:\n\tcontrol-enable: no\nstub-zone:\n\tname: %q\n\tstub-addr: "+
		"%s\n\tstub-tcp-upstream: yes\n",
		zone, strings.Replace(authority.Addr, ":", "@", 1))
	s.write(t, "unbound.conf", b.String())
	s.run(t, unconfined(t, program(t, "unbound", "unbound"), s.Dir), "-d", "-c", filepath.Join(s.Dir, "unbound.conf"))
	for deadline := time.Now().Add(time.Minute); !resolves(s.Addr, zone); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("unbound does not answer:\n%s", s.Log())
		}
	}
	return s
}

func resolves(addr, zone string) bool {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(zone), dns.TypeSOA)
	m.CheckingDisabled = true
	r, _, err := (&dns.Client{Net: "tcp", Timeout: time.Second}).Exchange(m, addr)
	return err == nil && r.Rcode == dns.RcodeSuccess
}

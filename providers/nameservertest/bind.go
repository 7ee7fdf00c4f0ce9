package nameservertest

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// StartBIND starts BIND 9 as an authoritative server of the zones.
func (o Options) StartBIND(t testing.TB, zones ...Zone) *Server {
	t.Helper()
	s := o.newServer(t, zones)
	s.write(t, "named.conf", s.bindConfig(s.bindListen(t), o.Narrow))
	s.run(t, unconfined(t, program(t, "named", "bind9"), s.Dir), "-g", "-n", "1", "-c", filepath.Join(s.Dir, "named.conf"))
	return s
}

// bindListen returns the listen statements, and relays to the server from
// addresses that it would not listen on itself.
func (s *Server) bindListen(t testing.TB) string {
	t.Helper()
	v4, v6, hidden := "", "listen-on-v6 { none; };", ""
	for _, addr := range s.Addrs {
		switch ip, _, _ := net.SplitHostPort(addr); ip {
		case "127.0.0.1":
			v4 += fmt.Sprintf("listen-on port %d { 127.0.0.1; };\n\t", s.Port)
		case "::1":
			v6 = fmt.Sprintf("listen-on-v6 port %d { ::1; };", s.Port)
		default:
			if hidden == "" {
				hidden = strconv.Itoa(FreePort(t))
				v4 += fmt.Sprintf("listen-on port %s { 127.0.0.1; };\n\t", hidden)
			}
			relay(t, addr, net.JoinHostPort("127.0.0.1", hidden))
		}
	}
	if v4 == "" {
		v4 = "listen-on { none; };\n\t"
	}
	return v4 + v6
}

func (s *Server) bindConfig(listen string, narrow bool) string {
	var b strings.Builder
	for _, k := range [][2]string{{keyName, s.KeySecret}, {planterName, s.planter}} {
		fmt.Fprintf(&b, "key %q { algorithm %s; secret %q; };\n", k[0], algorithm, k[1])
	}
	transfer := fmt.Sprintf("key %q; key %q;", keyName, planterName)
	if narrow {
		transfer = fmt.Sprintf("key %q;", planterName)
	}
	fmt.Fprintf(&b, `options {
	directory %q; pid-file none; session-keyfile none; lock-file none;
	%s
	recursion no; dnssec-validation no; notify no; empty-zones-enable no; minimal-responses yes;
	allow-query { any; }; allow-transfer { %s };
};
controls { };
`, s.Dir, listen, transfer)
	fmt.Fprintf(&b, "dnssec-policy nsec3 { keys { csk lifetime unlimited algorithm ecdsa256; }; "+
		"nsec3param iterations 0 salt-length 0; };\n")
	for _, z := range s.zones {
		rights := fmt.Sprintf("allow-update { key %q; key %q; };", keyName, planterName)
		switch {
		case z.File != "":
			rights = "check-names ignore; check-integrity no;"
		case narrow:
			rights = fmt.Sprintf("update-policy { grant %s wildcard *._domainkey.%s TXT; grant %s zonesub ANY; };", keyName,
				z.origin(), planterName)
		}
		if policy := map[string]string{"nsec": "default", "nsec3": "nsec3"}[z.Signs]; policy != "" {
			rights += fmt.Sprintf(" dnssec-policy %s; inline-signing %s; key-directory %q;", policy,
				map[bool]string{true: "yes", false: "no"}[z.File != ""], s.Dir)
		}
		fmt.Fprintf(&b, "zone %q { type primary; file %q; %s };\n", z.origin(), zoneFile(z), rights)
	}
	return b.String()
}

// unconfined returns a copy of the program where AppArmor is enabled: Debian's
// profile for /usr/sbin/named forbids it the directories of a test.
func unconfined(t testing.TB, path, dir string) string {
	t.Helper()
	if b, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled"); !strings.HasPrefix(string(b), "Y") {
		return path
	}
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	copied := filepath.Join(dir, filepath.Base(path))
	to, err := os.OpenFile(copied, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return copied
}

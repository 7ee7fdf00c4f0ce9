package nameservertest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// StartKnot starts Knot DNS as an authoritative server of the zones.
func (o Options) StartKnot(t testing.TB, zones ...Zone) *Server {
	t.Helper()
	s := o.newServer(t, zones)
	s.write(t, "knot.conf", s.knotConfig(o.Narrow))
	s.run(t, program(t, "knotd", "knot"), "-c", filepath.Join(s.Dir, "knot.conf"))
	return s
}

func (s *Server) knotConfig(narrow bool) string {
	var listen []string
	for _, addr := range s.Addrs {
		i := strings.LastIndex(addr, ":")
		listen = append(listen, strings.Trim(addr[:i], "[]")+"@"+addr[i+1:])
	}
	rights := "action: [ update, transfer ]"
	if narrow {
		rights = "action: update\n    update-type: TXT\n    update-owner: name\n    update-owner-match: " +
			"sub\n    update-owner-name: _domainkey"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `server:
    rundir: %[1]q
    listen: [ %[2]s ]
    background-workers: 1
    udp-workers: 1
    tcp-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: %[1]q
key:
  - id: %[3]s
    algorithm: %[4]s
    secret: %[5]s
  - id: %[6]s
    algorithm: %[4]s
    secret: %[7]s
policy:
  - id: nsec
  - id: nsec3
    nsec3: on
acl:
  - id: rotator
    key: %[3]s
    %[8]s
  - id: planter
    key: %[6]s
    action: [ update, transfer ]
zone:
`, s.Dir, strings.Join(listen, ", "), keyName, algorithm, s.KeySecret, planterName, s.planter, rights)
	for _, z := range s.zones {
		// Changes go to the journal: writing the zone file for each is slow.
		fmt.Fprintf(&b, "  - domain: %s\n    storage: %q\n    file: %s\n    zonefile-sync: -1\n", z.origin(),
			s.Dir, zoneFile(z))
		if z.Signs != "" {
			fmt.Fprintf(&b, "    dnssec-signing: on\n    dnssec-policy: %s\n", z.Signs)
		}
		if z.File == "" {
			b.WriteString("    acl: [ rotator, planter ]\n")
		}
	}
	return b.String()
}

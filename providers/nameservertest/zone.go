package nameservertest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Zone is a zone as it stands when its server starts.
type Zone struct {
	Name    string        // with or without its final dot
	TTL     time.Duration // of the SOA, and $TTL of Records; one hour when zero
	Minimum time.Duration // SOA minimum, the negative-cache time; one minute when zero
	Records string        // further records as zone-file text, $ORIGIN is the zone

	// Servers are the addresses of the zone's name servers: the first gets the
	// name ns1 in the zone, the next ns2, and so on. When empty they are the
	// addresses that the server listens on. A second address for one name is
	// a line of Records: "ns1 A 127.0.0.3".
	Servers []string

	// File, if set, is a zone file that is served as it stands, and that no
	// update changes. All fields but Name are ignored then.
	File string

	// Signs makes the server sign the zone by itself, also what updates bring: BIND by
	// dnssec-policy, Knot by dnssec-signing. "nsec" or "nsec3"; "" leaves the zone unsigned.
	Signs string
}

// origin is the zone's name in normal form, with its final dot.
func (z Zone) origin() string { return dns.CanonicalName(z.Name) }

// text renders the zone as a zone file.
func (z Zone) text(ips []string) string {
	if len(z.Servers) > 0 {
		ips = z.Servers
	}
	ttl, minimum := seconds(z.TTL, time.Hour), seconds(z.Minimum, time.Minute)
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN %s\n$TTL %d\n", z.origin(), ttl)
	fmt.Fprintf(&b, "@ SOA ns1 hostmaster 1 3600 600 86400 %d\n", minimum)
	for i, ip := range ips {
		kind := "A"
		if isIPv6(ip) {
			kind = "AAAA"
		}
		fmt.Fprintf(&b, "@ NS ns%d\nns%d %s %s\n", i+1, i+1, kind, ip)
	}
	return b.String() + z.Records + "\n"
}

func seconds(d, fallback time.Duration) int {
	if d == 0 {
		d = fallback
	}
	return int(d / time.Second)
}

func isIPv6(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && a.Is6()
}

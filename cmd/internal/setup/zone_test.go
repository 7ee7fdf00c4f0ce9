package setup

import "testing"

// TestDriverOfServers: the name servers of a domain lead to the driver whose service they belong to.
func TestDriverOfServers(t *testing.T) {
	for server, want := range map[string]string{
		"ada.ns.cloudflare.com":   "cloudflare",
		"ns-1.awsdns-22.com":      "route53",
		"ns1.cloudflare.com":      "",
		"ns.example.com":          "",
		"awsdns.example.com":      "",
		"ns-512.awsdns-00.net":    "route53",
		"bob.ns.cloudflare.co.uk": "",
	} {
		if got := driverOf([]string{server}); got != want {
			t.Errorf("%s: %q, want %q", server, got, want)
		}
	}
}

package setup

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

// lookUpTime is how long the name servers of a domain are looked for.
const lookUpTime = 5 * time.Second

// services are the DNS services that dkimbot has a driver for, by the names of their name servers.
var services = []struct{ suffix, driver string }{
	{".ns.cloudflare.com", "cloudflare"},
	{".awsdns-", "route53"},
}

// Guess returns the name servers of a domain and the DNS driver that they point to, "" where they
// point to none. It asks the resolver of this machine.
func Guess(ctx context.Context, domain string) (servers []string, driver string) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	for name := domain; strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") {
		found, err := net.DefaultResolver.LookupNS(ctx, name)
		if err != nil || len(found) == 0 {
			continue // the domain may be part of a zone above it
		}
		for _, ns := range found {
			servers = append(servers, strings.TrimSuffix(strings.ToLower(ns.Host), "."))
		}
		slices.Sort(servers)
		return servers, driverOf(servers)
	}
	return nil, ""
}

func driverOf(servers []string) string {
	for _, s := range services {
		if strings.Contains(servers[0], s.suffix) {
			return s.driver
		}
	}
	return ""
}

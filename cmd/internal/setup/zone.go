package setup

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
)

// lookUpTime is how long the name servers of a domain are looked for.
const lookUpTime = 5 * time.Second

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
	for _, a := range config.Builtin().DNS() {
		if d := a.Driver(); d.NameServers != "" && strings.Contains(servers[0], d.NameServers) {
			return d.Name
		}
	}
	return ""
}

package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// byHand lets the script do the same for all domains, one after the other, and
// returns how long it took.
func (g *ground) byHand(tb testing.TB) time.Duration {
	tb.Helper()
	host, port, err := net.SplitHostPort(g.names.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	g.write(tb, "vault.header", "X-Vault-Token: "+g.vault.RootToken)
	g.write(tb, "tsig.key", fmt.Sprintf("key %q { algorithm %s; secret %q; };\n", g.names.KeyName, g.names.KeyAlgorithm,
		g.names.KeySecret))
	ctx, cancel := context.WithTimeout(tb.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./by-hand.sh", g.domains...)
	cmd.Env = append(os.Environ(), "DIR="+g.dir, "SERVER="+host, "PORT="+port, "TSIG_KEY="+g.path("tsig.key"),
		"VAULT="+g.vault.Address+"/v1/"+g.mount, "VAULT_HEADER="+g.path("vault.header"),
		fmt.Sprintf("NEGATIVE=%g", negative.Seconds()))
	start := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		tb.Fatalf("by-hand.sh: %v (it needs opendkim-tools, bind9-dnsutils and curl)\n%s", err, out)
	}
	g.check(tb, func(domain, selector string) string { return "by-hand/" + domain + "/" + selector })
	g.names.Stop()
	return took
}

package bench

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// bootstrapped is what one run of dkimbot took.
type bootstrapped struct {
	took    time.Duration
	keys    meter
	rest    time.Duration // processor time of this process besides making keys
	servers time.Duration // processor time of name server and Vault
}

// bootstrap does for all domains what dkimbot rotate --domain does for them: with
// the parts that the configuration names, until each is ready.
func (g *ground) bootstrap(tb testing.TB) *bootstrapped {
	tb.Helper()
	r := &bootstrapped{}
	cfg, start, cpu, servers := g.config(tb), time.Now(), cpuTime(syscall.RUSAGE_SELF), serversTime()
	ctx, cancel := context.WithTimeout(tb.Context(), 15*time.Minute)
	defer cancel()
	a, err := app.Open(ctx, cfg, nil)
	if err != nil {
		tb.Fatal(err)
	}
	a.Engine.Generate = r.keys.generate
	var tasks []engine.Task
	for _, d := range a.Domains {
		tasks = append(tasks, engine.Task{Domain: d})
	}
	ready := 0
	a.Engine.SettleAll(ctx, tasks, engine.Patience{Most: time.Minute}, nil, func(res engine.Result) {
		if res.Err != nil || res.State.Phase != rotate.Ready || res.State.Active != "s1" {
			tb.Errorf("%s is %s, signs with %q: %v", res.Domain, res.State.Phase, res.State.Active, res.Err)
		}
		ready++
	})
	if err := a.Close(); err != nil {
		tb.Error(err)
	}
	r.took = time.Since(start)
	r.servers = serversTime() - servers
	r.rest = cpuTime(syscall.RUSAGE_SELF) - cpu - time.Duration(r.keys.sum*float64(time.Second))
	if ready != len(g.domains) {
		tb.Errorf("%d of %d domains have ended", ready, len(g.domains))
	}
	g.check(tb, func(domain, selector string) string { return "dkim/" + domain + "/" + selector })
	g.names.Stop()
	return r
}

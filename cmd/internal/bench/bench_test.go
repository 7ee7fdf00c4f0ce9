package bench

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
)

// The sizes that make bench measures with. Smaller ones are for trying the
// benchmarks out: go test -bench . -benchtime 1x -domains 10 -rounds 1 -hand 2.
var (
	domains = flag.Int("domains", 200, "domains of a bootstrap")
	rounds  = flag.Int("rounds", 3, "turns of each measurement; the median counts")
	hand    = flag.Int("hand", 20, "domains that the script does, in all turns together")
)

// BenchmarkKeys compares making keys as dkimbot does with crypto/rsa.
func BenchmarkKeys(b *testing.B) {
	n := 2 * *domains
	for b.Loop() {
		var ours, bare series
		for range *rounds {
			o, r := keyRates(b, n)
			ours, bare = append(ours, o), append(bare, r)
		}
		b.ReportMetric(bare.mean()/ours.mean(), "dkimbot/bare")
		fmt.Printf("\nkey pairs: dkimbot makes %.1f a second, crypto/rsa alone %.1f, on %d processors, ratio %.2f; %d keys each\n",
			1/ours.mean(), 1/bare.mean(), runtime.GOMAXPROCS(0), bare.mean()/ours.mean(), n**rounds)
	}
}

// BenchmarkBootstrap takes turns: the keys alone, the bootstrap, the script.
func BenchmarkBootstrap(b *testing.B) {
	vault := vaulttest.Start(b)
	n := 2 * *domains
	for b.Loop() {
		var alone, whole, script series
		var idle, busy meter
		for round := range *rounds {
			alone.add(keysAlone(b, &idle, n))
			r := newGround(b, vault, *domains).bootstrap(b)
			whole.add(r.took)
			busy.add(&r.keys)
			g := newGround(b, vault, max(*hand / *rounds, 1))
			script.add(g.byHand(b) / time.Duration(2*len(g.domains)))
			fmt.Printf("\nround %d: keys alone %.2f s, bootstrap %.2f s (processor time: keys %.1f s, the rest %.1f s, servers %.1f s), script %.0f ms a key",
				round+1, alone[round], whole[round], r.keys.sum, r.rest.Seconds(), r.servers.Seconds(), script[round]*1000)
		}
		report(b, alone, whole, script, &idle, &busy)
	}
}

// report prints the ratios. That of the medians holds whatever luck each side had
// with its keys; the other one takes that out, by the processor time that keys took.
func report(b *testing.B, alone, whole, script series, idle, busy *meter) {
	ratio := whole.median() / alone.median()
	perKey := whole.median() / float64(2**domains)
	waits := negative.Seconds() / 2 // of a script that does two keys between two waits
	b.ReportMetric(ratio, "bootstrap/keys")
	b.ReportMetric(script.median()/perKey, "script/dkimbot")
	fmt.Printf("\n\nbootstrap %d domains: %.1f s, keys alone %.1f s, ratio %.2f (aim <= 1.25)\n", *domains, whole.median(), alone.median(), ratio)
	fmt.Printf("  with equal luck: ratio %.2f; a key takes %.1f ms of a processor, and a round's %d keys vary by %.1f %% (one standard deviation)\n",
		whole.mean()/alone.mean()*idle.mean()/busy.mean(), idle.mean()*1000, 2**domains, 100*idle.luck(2**domains))
	fmt.Printf("for each key: script %.0f ms, dkimbot %.1f ms, %.1f times faster (aim >= 5)\n", script.median()*1000, perKey*1000, script.median()/perKey)
	fmt.Printf("  without the script's waits for negative caches, which dkimbot's include: %.0f ms, %.1f times faster\n",
		(script.median()-waits)*1000, (script.median()-waits)/perKey)
}

// series is measurements of one thing, in seconds.
type series []float64

func (s *series) add(d time.Duration) { *s = append(*s, d.Seconds()) }

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (s series) mean() float64 {
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(len(s))
}

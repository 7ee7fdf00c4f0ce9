package bench

import (
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
)

// The sizes that make bench measures with. Smaller ones try the benchmark out:
// make bench BENCHFLAGS="-domains 10 -rounds 1 -hand 2".
var (
	domains = flag.Int("domains", 200, "domains of a bootstrap")
	rounds  = flag.Int("rounds", 3, "turns of each measurement; the median counts")
	hand    = flag.Int("hand", 20, "domains that the script does, in all turns together")
)

// BenchmarkRatios takes turns with everything that is compared, and prints the ratios at the end.
func BenchmarkRatios(b *testing.B) {
	vault := vaulttest.Start(b)
	for b.Loop() {
		fmt.Printf("\nload before: %s\n", load(b))
		r := results{domains: *domains}
		for round := range *rounds {
			r.turn(b, vault, max(*hand / *rounds, 1))
			fmt.Printf("round %d: keys alone %.2f s, bootstrap %.2f s, script %.0f ms a key\n",
				round+1, r.alone[round], r.whole[round], r.script[round]*1000)
		}
		fmt.Printf("load after: %s\n\n", load(b))
		r.print()
		b.ReportMetric(r.bare.mean()/r.ours.mean(), "dkimbot/crypto-rsa")
		b.ReportMetric(r.whole.median()/r.alone.median(), "bootstrap/keys")
		b.ReportMetric(r.script.median()/r.perKey(), "script/dkimbot")
	}
}

// load says how busy the machine was; beside other work the ratios mean little.
func load(tb testing.TB) string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Fields(string(text))[0]
}

// results gathers what the turns took.
type results struct {
	domains       int
	ours, bare    series // a key by dkim.Generate and by crypto/rsa
	alone, whole  series // all keys alone, and the bootstrap
	script        series // a key by the script
	idle, busy    meter  // the keys of alone and of whole
	rest, servers time.Duration
}

func (r *results) keys() int       { return 2 * r.domains }
func (r *results) perKey() float64 { return r.whole.median() / float64(r.keys()) }

// turn measures everything once; the script gets that many domains.
func (r *results) turn(tb testing.TB, vault *vaulttest.Server, byHand int) {
	ours, bare := keyRates(tb, r.keys())
	r.ours, r.bare = append(r.ours, ours), append(r.bare, bare)
	r.alone.add(keysAlone(tb, &r.idle, r.keys()))
	w := newGround(tb, vault, r.domains).bootstrap(tb)
	r.whole.add(w.took)
	r.busy.add(&w.keys)
	r.rest, r.servers = r.rest+w.rest, r.servers+w.servers
	r.script.add(newGround(tb, vault, byHand).byHand(tb) / time.Duration(2*byHand))
}

// print gives each ratio a line, and below it what helps to judge it.
func (r *results) print() {
	turns := float64(len(r.whole))
	fmt.Printf("key pairs: dkimbot %.1f a second, crypto/rsa alone %.1f, on %d processors, ratio %.2f\n",
		1/r.ours.mean(), 1/r.bare.mean(), runtime.GOMAXPROCS(0), r.bare.mean()/r.ours.mean())
	fmt.Printf("  luck with primes alone moves it by %.2f (one standard deviation)\n",
		math.Sqrt2*r.idle.luck(r.keys()*len(r.whole)))

	fmt.Printf("bootstrap %d domains: %.1f s, keys alone %.1f s, ratio %.2f (aim <= 1.25)\n",
		r.domains, r.whole.median(), r.alone.median(), r.whole.median()/r.alone.median())
	fmt.Printf("  luck with primes moves one round's %d keys by %.1f %%; with equal luck: ratio %.2f\n",
		r.keys(), 100*r.idle.luck(r.keys()), r.whole.mean()/r.alone.mean()*r.idle.mean()/r.busy.mean())
	fmt.Printf("  processor time of a bootstrap: keys %.1f s, the rest of dkimbot %.1f s, name server and Vault %.1f s; "+
		"together %.2f times the keys'\n",
		r.busy.sum/turns, r.rest.Seconds()/turns, r.servers.Seconds()/turns, 1+(r.rest+r.servers).Seconds()/r.busy.sum)

	wait := negative.Seconds() / 2 // the script makes two keys between two waits
	fmt.Printf("each key: script %.0f ms, dkimbot %.1f ms, ratio %.1f (aim >= 5)\n", r.script.median()*1000,
		r.perKey()*1000, r.script.median()/r.perKey())
	fmt.Printf("  without the script's waits for negative caches, which dkimbot's time includes: %.0f ms, ratio %.1f\n",
		(r.script.median()-wait)*1000, (r.script.median()-wait)/r.perKey())
}

package signertest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Switch1000 switches 1,000 domains at once, for as long as the benchmark runs, and reports how much of what is counted
// a switch takes, such as "writes" and "reloads". The first one, which makes everything, is not measured.
func Switch1000(b *testing.B, s Signer, counts func() map[string]int) {
	b.Helper()
	k := Keys(b, 2)
	turn := func(n int) {
		var keys []dkim.SigningKey
		for d := range 1000 {
			keys = append(keys, At(fmt.Sprintf("d%04d.example", d), fmt.Sprintf("s%d", n%2+1), k[n%2]))
		}
		must(b, s.Activate(b.Context(), keys))
	}
	turn(0)
	before, n := counts(), 0
	for b.Loop() {
		n++
		turn(n)
	}
	after := counts()
	for _, what := range slices.Sorted(maps.Keys(after)) {
		b.ReportMetric(float64(after[what]-before[what])/float64(n), what+"/op")
	}
}

// Counting returns what counts the operations of an adapter, by the names that what gives them; "" is not counted.
func Counting(what func(operation string) string) (step func(operation string) error, counts func() map[string]int) {
	var mu sync.Mutex // adapters write key files at the same time
	all := map[string]int{}
	return func(operation string) error {
			mu.Lock()
			defer mu.Unlock()
			if name := what(operation); name != "" {
				all[name]++
			}
			return nil
		}, func() map[string]int {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(all)
		}
}

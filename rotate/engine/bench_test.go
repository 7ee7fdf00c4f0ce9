package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/testmail"
)

// BenchmarkBootstrap carries out all steps of new domains, with keys that cost nothing.
func BenchmarkBootstrap(b *testing.B) {
	w := newWorld(quiet{b}, "mx1")
	parts := w.engine().Parts
	parts.Workers, parts.SelfTest = 64, testmail.Prove
	parts.Generate = func(dkim.Algorithm) (*dkim.PrivateKey, error) { return dkim.Generate(dkim.Ed25519) }
	e := newEngine(parts)
	n := 0
	for b.Loop() {
		domains := fleet(100, "mx1")
		for i := range domains {
			domains[i].Name = fmt.Sprintf("d%d.example", n)
			n++
		}
		e.SettleAll(context.Background(), domains, engine.Patience{}, nil, func(r engine.Result) {
			if r.Err != nil {
				b.Error(r.Err)
			}
		})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/domain")
}

// quiet keeps the world's log out of benchmarks.
type quiet struct{ *testing.B }

func (quiet) Logf(string, ...any) {}

package plan_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// BenchmarkPlan plans for ten thousand domains from what was observed.
func BenchmarkPlan(b *testing.B) {
	for name, scene := range map[string]func() *scene{"new": plantest.New, "ready": plantest.Ready, "switching": plantest.Switching, "replacing": plantest.Published} {
		b.Run(name, func(b *testing.B) {
			s := scene()
			b.ReportAllocs()
			for b.Loop() {
				for range 10_000 {
					if p := s.Plan(); p.Stop != nil {
						b.Fatal(p.Stop)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/domain")
		})
	}
}

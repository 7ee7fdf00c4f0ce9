package dkim

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
)

// The two benchmarks stand side by side: the ratio of their keys/s is what
// Generate costs beyond crypto/rsa, on all cores.

func BenchmarkGenerateRSA2048(b *testing.B) {
	benchmarkKeys(b, func() error { _, err := Generate(RSA2048); return err })
}

func BenchmarkBareRSA2048(b *testing.B) {
	benchmarkKeys(b, func() error { _, err := rsa.GenerateKey(rand.Reader, 2048); return err })
}

func benchmarkKeys(b *testing.B, generate func() error) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := generate(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}

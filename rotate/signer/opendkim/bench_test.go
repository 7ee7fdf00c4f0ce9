package opendkim

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// fleet is n domains that share a key.
func fleet(n int, selector string, key *dkim.PrivateKey) (keys []dkim.SigningKey, domains []string) {
	for i := range n {
		k := signertest.At(fmt.Sprintf("d%05d.example", i), selector, key)
		keys, domains = append(keys, k), append(domains, k.Domain)
	}
	return keys, domains
}

// counting returns a signer whose reload command leaves a trace.
func counting(t testing.TB) (s *Signer, reloads func() int) {
	dir := signertest.SafeDir(t)
	log := filepath.Join(dir, "reloads")
	s, err := New(Config{Name: "mx1", KeyDir: filepath.Join(dir, "keys"), KeyTable: filepath.Join(dir, "key.table"),
		SigningTable: filepath.Join(dir, "signing.table"),
		Reload:       []string{"sh", "-c", "echo >>" + log}, Owner: strconv.Itoa(os.Geteuid())})
	if err != nil {
		t.Fatal(err)
	}
	return s, func() int {
		data, _ := os.ReadFile(log)
		return len(data)
	}
}

// TestOneReload: however many domains, each table is written once and there is one reload.
func TestOneReload(t *testing.T) {
	s, reloads := counting(t)
	writes := map[string]int{}
	k := signertest.Keys(t, 1)
	keys, domains := fleet(500, "s1", k[0])
	s.beforeStep = func(operation string) error {
		if strings.HasSuffix(operation, ".table") {
			writes[operation]++
		}
		return nil
	}
	for range 2 {
		activate(t, s, keys...)
		if writes["rename key.table"] != 1 || writes["rename signing.table"] != 1 || reloads() != 1 {
			t.Fatalf("writes: %v, reloads: %d; want one each", writes, reloads())
		}
	}
	active, err := s.Active(t.Context(), domains)
	if err != nil || len(active) != len(keys) {
		t.Fatalf("Active: %d domains, %v", len(active), err)
	}
}

func BenchmarkSwitch(b *testing.B) {
	k := signertest.Keys(b, 2)
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("domains=%d", n), func(b *testing.B) {
			s, reloads := counting(b)
			step, counts := signertest.Counting(func(operation string) string {
				return map[string]string{"rename key.table": "writes", "rename signing.table": "writes"}[operation]
			})
			s.beforeStep = step
			first, _ := fleet(n, "s1", k[0])
			activate(b, s, first...)
			for i := 0; b.Loop(); i++ {
				keys, _ := fleet(n, []string{"s2", "s1"}[i%2], k[1-i%2])
				activate(b, s, keys...)
			}
			b.ReportMetric(float64(counts()["writes"]-2)/float64(b.N), "writes/op")
			b.ReportMetric(float64(reloads()-1)/float64(b.N), "reloads/op")
		})
	}
}

func BenchmarkActive(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("domains=%d", n), func(b *testing.B) {
			s, _ := counting(b)
			keys, domains := fleet(n, "s1", signertest.Keys(b, 1)[0])
			activate(b, s, keys...)
			for b.Loop() {
				if active, err := s.Active(b.Context(), domains); err != nil || len(active) != n {
					b.Fatal(len(active), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/domain")
		})
	}
}

// BenchmarkProof switches domains of a real daemon and proves each of them.
// OpenDKIM tries the patterns of a refile one by one for each message; the keys
// of a plain file are cheaper to compare.
func BenchmarkProof(b *testing.B) {
	k := signertest.Keys(b, 2)
	for _, table := range []string{"refile:", "file:"} {
		for _, n := range []int{100, 10000} {
			b.Run(fmt.Sprintf("%sdomains=%d", table, n), func(b *testing.B) {
				d := signertest.StartOpenDKIM(b)
				write(b, d.Conf, strings.Replace(read(b, d.Conf), "refile:", table, 1))
				d.Restart(b)
				s := newSigner(b, d, func(c *Config) { c.SigningTable = table + c.SigningTable })
				for i := 0; b.Loop(); i++ {
					keys, _ := fleet(n, []string{"s2", "s1"}[i%2], k[1-i%2])
					activate(b, s, keys...)
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/domain")
			})
		}
	}
}

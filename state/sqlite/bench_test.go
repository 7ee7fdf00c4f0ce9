package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// BenchmarkSave is the load of a bootstrap: 64 domains are saved at once, each
// state as large as a real one.
func BenchmarkSave(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "state.db"))
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism((writers + 1) / 2) // of two cores
			if writers == 1 {
				b.SetParallelism(1)
			}
			b.RunParallel(func(pb *testing.PB) {
				st := fullState(fmt.Sprintf("d%d.example", n.Add(1)))
				l := acquire(b, s, st.Domain, "bench")
				for pb.Next() {
					st.Revision = save(b, s, l, st, rotate.Event{Domain: st.Domain, At: start, Kind: rotate.Publish, Outcome: "done"})
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "saves/s")
		})
	}
}

// BenchmarkDue finds ten due domains among 100,000.
func BenchmarkDue(b *testing.B) {
	benchmarkAmong(b, func(s *sqlite.Store) (int, error) {
		due, err := s.Due(b.Context(), start.Add(9*time.Second))
		return len(due), err
	})
}

// BenchmarkLooks finds ten domains among 100,000 that have their turn to be looked after.
func BenchmarkLooks(b *testing.B) {
	benchmarkAmong(b, func(s *sqlite.Store) (int, error) {
		looks, err := s.Looks(b.Context(), start.Add(9*time.Second))
		return len(looks), err
	})
}

// BenchmarkFailing finds that none of 100,000 domains has failed.
func BenchmarkFailing(b *testing.B) {
	benchmarkAmong(b, func(s *sqlite.Store) (int, error) {
		failing, err := s.Failing(b.Context())
		return len(failing) + 10, err
	})
}

// BenchmarkTakeLooks takes ten turns, and waits until that is durable.
func BenchmarkTakeLooks(b *testing.B) {
	hours := 0
	benchmarkAmong(b, func(s *sqlite.Store) (int, error) {
		names := make([]string, 10)
		for i := range names {
			names[i] = fmt.Sprintf("d%06d.example", i)
		}
		hours++
		taken, err := s.TakeLooks(b.Context(), start.Add(time.Duration(hours)*calendar.LookEvery), names)
		return len(taken), err
	})
}

// benchmarkAmong wants ten from do, whether there are a thousand domains or a hundred thousand.
func benchmarkAmong(b *testing.B, do func(*sqlite.Store) (int, error)) {
	for _, domains := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("domains=%d", domains), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "state.db")
			open(b, path).Close()
			fill(b, path, domains)
			s := open(b, path)
			defer s.Close()
			for b.Loop() {
				if n, err := do(s); err != nil || n != 10 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func fullState(domain string) rotate.State {
	key := func() *rotate.Key {
		return &rotate.Key{
			ID: strings.Repeat("ab", 32), Version: 3, Record: "v=DKIM1; k=rsa; p=" + strings.Repeat("M", 392),
			StoredAt: start, PublishedAt: start, VerifiedAt: start, CacheWait: time.Hour,
		}
	}
	return rotate.State{
		Domain: domain, Phase: rotate.Ready, Active: "s1", Config: strings.Repeat("cd", 32),
		Selectors:  map[string]*rotate.Selector{"s1": {Key: key(), LastUsedAt: start}, "s2": {Key: key(), Next: key()}},
		Signers:    map[string]rotate.Confirmed{"mx1": {Selector: "s1", KeyID: strings.Repeat("ab", 32), At: start}},
		SwitchedAt: start, DueAt: start, Next: &rotate.Next{Action: "rotate", At: start},
	}
}

package bench

import (
	"slices"
	"time"
)

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

package simulate

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// stream returns one of the run's independent sequences of random numbers.
func stream(seed, purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, purpose)) }

// The purposes of the streams. Faults and mail draw apart from each other, so that
// a change in how one is modelled does not shuffle the other.
const (
	forFaults uint64 = iota + 1
	forMail
	forScenario
	forCounts
	forAdoption
)

// between draws a duration evenly.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// spread draws a duration such that each order of magnitude is as likely as the next.
func spread(r *rand.Rand, least, most time.Duration) time.Duration {
	low, high := math.Log(float64(least)), math.Log(float64(most))
	return time.Duration(math.Exp(low + r.Float64()*(high-low)))
}

// dice decide about reads, which the engine makes side by side: each roll follows
// from the seed, what is read and how often it was read before, not from the order
// in which goroutines come to run.
type dice struct {
	seed uint64

	mu     sync.Mutex
	counts map[read]uint64
}

// read is what is read, and of which part.
type read struct{ op, of string }

// roll returns a number in [0, 1).
func (d *dice) roll(r read) float64 {
	d.mu.Lock()
	d.counts[r]++
	n := d.counts[r]
	d.mu.Unlock()
	h := d.seed
	for _, s := range [2]string{r.op, r.of} {
		for i := range len(s) {
			h = mix(h ^ uint64(s[i]))
		}
	}
	return float64(mix(h^n)>>11) / (1 << 53)
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

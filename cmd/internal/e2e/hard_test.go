package e2e

import (
	"sync"
	"testing"
	"time"
)

// TestHardDays gives the orders that a person gives when something is wrong, or is
// about to change hands, while mail flows: going back, leaving compromised keys, taking over.
func TestHardDays(t *testing.T) {
	g := newGround(t, map[algorithm]int{rsa: 3, ed25519: 2})
	var all sync.WaitGroup
	for _, day := range []struct {
		name string
		test func(*testing.T, *ground)
	}{
		{"GoneBack", goneBack},
		{"Leaked", leaked},
		{"BothLeaked", bothLeaked},
		{"HalfTheWorldDown", halfDown},
		{"MovedOver", movedOver},
		{"Adopted", adopted},
		{"LetGo", letGo},
	} {
		// Not t.Parallel, which would run no more than there are processors: the days mostly wait.
		all.Go(func() { t.Run(day.name, func(t *testing.T) { day.test(t, g) }) })
	}
	all.Wait()
}

// longDrain is longer than any test takes: what is draining stays so.
const longDrain = 10 * time.Minute

// lasting makes the drain of a world a long one.
func lasting(_ *world, s *settings) { s.drain = longDrain }

package calendar

import (
	"hash/fnv"
	"time"
)

// Share returns a part of most, in [0, most), that is always the same for a name:
// a fleet is spread by it, in every process alike.
func Share(name string, most time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(name))
	return time.Duration(h.Sum64() % uint64(most))
}

// Splay returns a delay in [0, most), in whole seconds, that is always the same for a
// name, so that a large fleet does not ask one DNS account for everything at once.
func Splay(name string, most time.Duration) time.Duration {
	if most < time.Second {
		return 0
	}
	return Share(name, most/time.Second) * time.Second
}

package verify

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// memory holds what changes rarely and would be asked for again and again: ten
// thousand domains share a few hosters' name servers. What stands at a name is never kept.
type memory struct {
	apexes   *cache[string]       // domain: the zone that holds it
	zones    *cache[zone]         // zone: its name servers
	hosts    *cache[[]netip.Addr] // name server: its addresses
	places   *cache[place]        // selector's name: the zone that holds it
	signings *cache[signing]      // zone: how it is signed
	deaf     *cache[string]       // that no resolver answers, and how that was
	now      func() time.Time
	plain    *cache[bool] // name: no wildcard answers below it
}

func newMemory(cfg Config) *memory {
	life, now := cfg.Remember, cfg.Now
	if life <= 0 {
		life = 5 * time.Minute
	}
	if now == nil {
		now = time.Now
	}
	return &memory{
		apexes: newCache[string](life, now), zones: newCache[zone](life, now), hosts: newCache[[]netip.Addr](life, now),
		places: newCache[place](life, now),
		plain:  newCache[bool](life, now), signings: newCache[signing](life, now),
		deaf: newCache[string](life, now), now: now,
	}
}

// forget drops what was remembered on the way to a name, so that the next
// look finds out about servers that were changed meanwhile.
func (m *memory) forget(domain, name string, z zone) {
	m.places.drop(name)
	m.apexes.drop(domain)
	m.zones.drop(z.name)
}

// maxEntries bounds each cache: some ten megabytes at worst.
const maxEntries = 1 << 15

// cache keeps what find returned for a while, and makes concurrent callers who
// want the same wait for one finder. Errors are not kept.
type cache[T any] struct {
	life time.Duration
	now  func() time.Time

	mu     sync.Mutex
	kept   map[string]kept[T]
	flight singleflight.Group
}

type kept[T any] struct {
	value T
	until time.Time
}

func newCache[T any](life time.Duration, now func() time.Time) *cache[T] {
	return &cache[T]{life: life, now: now, kept: map[string]kept[T]{}}
}

func (c *cache[T]) get(ctx context.Context, key string, find func(context.Context) (T, error)) (T, error) {
	var none T
	for {
		if value, ok := c.peek(key); ok {
			return value, nil
		}
		come := c.flight.DoChan(key, func() (any, error) {
			value, err := find(ctx)
			if err == nil {
				c.keep(key, value)
			}
			return value, err
		})
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case r := <-come:
			if r.Err == nil {
				return r.Val.(T), nil
			}
			// The finder may have been another caller, who gave up.
			gaveUp := errors.Is(r.Err, context.Canceled) || errors.Is(r.Err, context.DeadlineExceeded)
			if !r.Shared || !gaveUp || ctx.Err() != nil {
				return none, r.Err
			}
		}
	}
}

func (c *cache[T]) peek(key string) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[key]
	return k.value, ok && c.now().Before(k.until)
}

func (c *cache[T]) keep(key string, value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.kept) >= maxEntries {
		c.makeRoom(now)
	}
	c.kept[key] = kept[T]{value, now.Add(c.life)}
}

// makeRoom drops what has run out, or a random eighth.
func (c *cache[T]) makeRoom(now time.Time) {
	for key, k := range c.kept {
		if !now.Before(k.until) {
			delete(c.kept, key)
		}
	}
	for key := range c.kept {
		if len(c.kept) < maxEntries-maxEntries/8 {
			return
		}
		delete(c.kept, key)
	}
}

func (c *cache[T]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, key)
}

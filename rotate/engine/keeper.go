package engine

import (
	"context"
	"sync"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// keeper reads keys and keeps them for the run, so that what was read needs no second answer.
type keeper struct {
	keys  rotate.KeyReader
	mu    sync.Mutex
	known map[kept]*dkim.PrivateKey
}

// Get implements KeyReader.
func (k *keeper) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	key, version, err := k.keys.Get(ctx, name, version)
	if key != nil && err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.known[kept{name, version}] = key
	}
	return key, version, err
}

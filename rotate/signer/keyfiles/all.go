package keyfiles

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// WriteAll makes sure that the files of these keys are there, several at a time because each waits for the disk. It
// returns the domains that got a new file, and why others failed; err is about all.
func (s *Store) WriteAll(ctx context.Context, keys []dkim.SigningKey) (wrote map[string]bool,
	failed map[string]error, err error) {
	wrote, failed = map[string]bool{}, map[string]error{}
	if len(keys) == 0 {
		return wrote, failed, nil
	}
	dir, err := s.Open()
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(8)
	for _, k := range keys {
		g.Go(func() error {
			made, err := false, ctx.Err()
			if err == nil {
				made, err = dir.Put(k)
			}
			mu.Lock()
			defer mu.Unlock()
			if wrote[k.Domain] = made; err != nil {
				failed[k.Domain] = err
			}
			return nil
		})
	}
	g.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, fault.Interrupted("write key files for signer "+s.Signer, context.Cause(ctx))
	}
	return wrote, failed, nil
}

package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"sync/atomic"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Store keeps private keys in Vault. It is safe for concurrent use.
type Store struct {
	cfg       Config
	session   *session
	mountSeen atomic.Bool // the mount was looked at
	place     Place       // of a Shared; zero for the keystore
}

// Close stops renewing the token, and revokes it if the store logged in for it.
// The store can't be used any more.
func (s *Store) Close() error {
	s.session.close()
	return nil
}

// Get returns the key of a version, or of the newest one for version 0, with its
// number. See package keystore.
func (s *Store) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	what := "read private key " + s.where(name)
	if err := keystore.Check(what, name, version, 0); err != nil {
		return nil, 0, err
	}
	var key *dkim.PrivateKey
	var number int
	err := s.do(ctx, func(ctx context.Context, c *api.Client) error {
		found, err := s.read(ctx, c, name, version)
		if found == nil || err != nil {
			return err
		}
		number = found.Metadata.Version
		key, err = found.key()
		return err
	})
	if err != nil {
		return nil, 0, s.explain(ctx, what, name, err)
	}
	return key, number, nil
}

// Put stores key as the version that follows after and returns its number. See
// package keystore.
func (s *Store) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	what := "store private key " + s.where(name)
	if err := keystore.Check(what, name, after, 0); err != nil {
		return 0, err
	}
	if key == nil {
		return 0, fault.Lasting(what, errors.New("no key was given"), "report this as a defect")
	}
	var version int
	err := s.do(ctx, func(ctx context.Context, c *api.Client) error {
		if after > 0 {
			return s.checkNewest(ctx, c, name, after)
		}
		return s.mayDestroy(ctx, c, name)
	})
	if err == nil {
		err = s.do(ctx, func(ctx context.Context, c *api.Client) (err error) {
			version, err = s.write(ctx, c, name, key, after)
			return err
		})
	}
	if err == nil && after == 0 {
		err = s.do(ctx, func(ctx context.Context, c *api.Client) error { return s.mayFollow(ctx, c, name, version) })
	}
	if err == nil {
		err = s.do(ctx, func(ctx context.Context, c *api.Client) error {
			return s.checkStored(ctx, c, name, key, version)
		})
	}
	if conflict := (*conflictError)(nil); errors.As(err, &conflict) {
		return 0, keystore.Conflict(what, after, conflict.newest)
	}
	if err != nil {
		return 0, s.explain(ctx, what, name, err)
	}
	return version, nil
}

// Destroy makes one version unrecoverable. See package keystore.
func (s *Store) Destroy(ctx context.Context, name dkim.Name, version int) error {
	what := fmt.Sprintf("destroy private key %s version %d", s.where(name), version)
	if err := keystore.Check(what, name, version, 1); err != nil {
		return err
	}
	err := s.do(ctx, func(ctx context.Context, c *api.Client) error {
		found, err := s.read(ctx, c, name, version)
		if found == nil || found.Metadata.Destroyed || err != nil {
			return err
		}
		if _, err := found.key(); errors.Is(err, errForeign) {
			return err
		}
		return s.destroy(ctx, c, name, version)
	})
	if err != nil {
		return s.explain(ctx, what, name, err)
	}
	return nil
}

// do runs op logged in. When Vault refuses because the token is dead, it logs in
// afresh and runs op once more; a refused request has changed nothing.
func (s *Store) do(ctx context.Context, op func(context.Context, *api.Client) error) error {
	c, err := s.session.get(ctx)
	if err != nil {
		return err
	}
	run := func(c *api.Client) error {
		if err := s.checkMount(ctx, c); err != nil {
			return err
		}
		return op(ctx, c)
	}
	err = run(c)
	if status(err) != http.StatusForbidden {
		return err
	}
	again, loginErr := s.session.replace(ctx, c)
	if loginErr != nil {
		return loginErr
	}
	if again == nil {
		return err
	}
	return run(again)
}

// path returns the path of name's secret, below endpoint if one is given.
func (s *Store) path(endpoint string, name dkim.Name) string {
	if s.place.Unversioned {
		endpoint = ""
	}
	return path.Join(s.cfg.Mount, endpoint, s.cfg.Prefix, name.Domain, name.Selector)
}

// where names a key and its place in messages.
func (s *Store) where(name dkim.Name) string {
	return fmt.Sprintf("%s in Vault at %s", name, s.path("", name))
}

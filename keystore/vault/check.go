package vault

import (
	"context"
	"net/http"
	"sync"

	"github.com/hashicorp/vault/api"
	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// askedAtOnce is how many names' rights are asked for at a time.
const askedAtOnce = 8

// Check says what is to be asked before the next key: the login, the mount, and the rights to read, write
// and destroy it. They are asked for at the keys' own paths, since a policy may name just those, by
// requests that have no effect in Vault (rights.go): nothing is written.
func (s *Store) Check(of []preflight.Subject) []preflight.Question {
	login, mount := "login to Vault at "+s.cfg.Address, "mount "+s.cfg.Mount
	return []preflight.Question{
		{What: login, Ask: func(ctx context.Context) error {
			c, err := s.session.get(ctx)
			if err != nil {
				return s.checked(ctx, "use Vault", err)
			}
			_, err = limited(ctx, s.cfg.Timeout, c.Auth().Token().LookupSelfWithContext)
			switch {
			case status(err) != http.StatusForbidden:
			case said(err, "invalid token"):
				err = &loginError{err}
			default:
				err = nil // it lives, and may not look at itself
			}
			return s.checked(ctx, "use Vault", err)
		}},
		{What: mount, Needs: login, Ask: func(ctx context.Context) error {
			return s.checked(ctx, "use the mount "+s.cfg.Mount+" in Vault",
				s.do(ctx, s.keeps))
		}},
		{What: "rights to read, write and destroy keys", Domains: preflight.Domains(of), Needs: mount,
			Ask: func(ctx context.Context) error { return s.denied(ctx, of).OrNil() }},
	}
}

// checked makes a fault of an error, nil of none.
func (s *Store) checked(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	return s.explain(ctx, what, dkim.Name{}, err)
}

// denied asks for the rights at each name.
func (s *Store) denied(ctx context.Context, of []preflight.Subject) preflight.Failed {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	failed := preflight.Failed{}
	for _, sub := range of {
		group.Go(func() error {
			err := s.do(ctx, func(ctx context.Context, c *api.Client) error { return s.rights(ctx, c, sub.Name) })
			if err == nil {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if failed[sub.Domain] == nil {
				failed[sub.Domain] = s.explain(ctx, "store private keys for "+s.where(sub.Name), sub.Name, err)
			}
			return nil
		})
	}
	group.Wait()
	return failed
}

// rights proves that a key of the name could be read, followed by another one, and destroyed.
func (s *Store) rights(ctx context.Context, c *api.Client, name dkim.Name) error {
	found, err := s.read(ctx, c, name, 0)
	if err != nil {
		return s.needs("read", "data", name, err)
	}
	if err := s.mayDestroy(ctx, c, name); err != nil {
		return err
	}
	newest, capability := 0, "create"
	if found != nil {
		newest, capability = found.Metadata.Version, "update"
	}
	_, err = s.send(ctx, c, "data", name, map[string]any{
		"data": map[string]any{}, "options": map[string]any{"cas": newest + 1}, // what is to follow is not there
	})
	if status(err) != http.StatusBadRequest || !said(err, "check-and-set parameter did not match") {
		return s.needs(capability, "data", name, err)
	}
	if found != nil {
		return nil
	}
	return s.capable(ctx, c, name, "update") // no request proves that for a name where nothing stands
}

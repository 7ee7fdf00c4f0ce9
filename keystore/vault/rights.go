package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// A key is first destroyed, and followed by a second version, weeks after it was
// stored. That both will be allowed is proved when the first one is stored, by requests
// that have no effect in Vault: it looks at the policy before it looks at the
// request. They are made at the key's own path, so no policy has to allow more.

// rightError names the right that Vault refuses.
type rightError struct {
	capability, path string
	err              error
}

func (e *rightError) Error() string { return e.err.Error() }
func (e *rightError) Unwrap() error { return e.err }

// needs names the right that a refused request to name's secret below endpoint needs.
func (s *Store) needs(capability, endpoint string, name dkim.Name, err error) error {
	if status(err) != http.StatusForbidden {
		return err
	}
	return &rightError{capability, s.path(endpoint, name), err}
}

// errNoDestroy: the destroy endpoint of a KV version 2 engine answers otherwise.
var errNoDestroy = errors.New("no key can be destroyed there: it is not the path of a KV version 2 engine")

// mayDestroy proves that a version of name could be destroyed: it asks for none.
func (s *Store) mayDestroy(ctx context.Context, c *api.Client, name dkim.Name) error {
	_, err := s.send(ctx, c, "destroy", name, map[string]any{"versions": []int{}})
	switch status(err) {
	case http.StatusBadRequest: // it wants versions, in words of its own; another endpoint wants data
		if said(err, "no data provided") {
			return &mountError{err: errNoDestroy}
		}
		return nil
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if said(err, "no handler for route") {
			return err
		}
		return &mountError{err: errNoDestroy}
	}
	return s.needs("update", "destroy", name, err)
}

// mayFollow proves that a version can follow the one that was just stored: it asks
// for one to follow another. When that is refused, the key, which could never be replaced,
// is destroyed again.
func (s *Store) mayFollow(ctx context.Context, c *api.Client, name dkim.Name, version int) error {
	_, err := s.send(ctx, c, "data", name, map[string]any{
		"data": map[string]any{}, "options": map[string]any{"cas": version + 1},
	})
	if status(err) == http.StatusBadRequest && said(err, "check-and-set parameter did not match") {
		return nil
	}
	if refused := s.needs("update", "data", name, err); status(err) == http.StatusForbidden {
		if err := s.destroy(ctx, c, name, version); err != nil {
			return errors.Join(refused, fmt.Errorf("destroy version %d again: %w", version, err))
		}
		return refused
	}
	return nil // the read back says more
}

// capable asks Vault what the token may do; where it may not ask, the write will say.
func (s *Store) capable(ctx context.Context, c *api.Client, name dkim.Name, verb string) error {
	at := s.path("data", name)
	may, err := limited(ctx, s.cfg.Timeout, func(ctx context.Context) ([]string, error) {
		return c.Sys().CapabilitiesSelfWithContext(ctx, at)
	})
	if refused := status(err); refused >= 400 && refused < 500 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, word := range may {
		if word == verb || word == "root" {
			return nil
		}
	}
	return &rightError{verb, at, &api.ResponseError{StatusCode: http.StatusForbidden,
		Errors: []string{"the token has no such right"}}}
}

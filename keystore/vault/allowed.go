package vault

import (
	"context"
	"encoding/json"
	"net/http"
	"path"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// KeyAt and PageAt return the paths in Vault of a key and of a document.
func (s *Store) KeyAt(name dkim.Name) string { return s.path("data", name) }
func (s *Store) PageAt(at string) string     { return path.Join(s.agentsDir("data"), at) }

// never is the number of a version that no other one follows.
const never = 1 << 30

// Allowed reports whether the token may read, or write, what stands at a path. It is asked by requests that have no
// effect: Vault looks at the policy before it looks at the request.
func (s *Store) Allowed(ctx context.Context, at string, write bool) (bool, error) {
	err := s.do(ctx, func(ctx context.Context, c *api.Client) error {
		if !write {
			_, err := s.readPage(ctx, c, at)
			return err
		}
		body, err := json.Marshal(map[string]any{"data": map[string]any{}, "options": map[string]any{"cas": never}})
		if err != nil {
			return err
		}
		_, err = limited(ctx, s.cfg.Timeout, func(ctx context.Context) (json.RawMessage, error) {
			return answer(c.Logical().WriteRawWithContext(ctx, at, body))
		})
		if status(err) == http.StatusBadRequest && said(err, "check-and-set parameter did not match") {
			return nil
		}
		return err
	})
	switch {
	case err == nil:
		return true, nil
	case status(err) == http.StatusForbidden:
		return false, nil
	}
	return false, s.explain(ctx, "look at the rights to "+at+" in Vault", dkim.Name{}, err)
}

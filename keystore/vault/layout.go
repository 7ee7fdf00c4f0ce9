package vault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
)

// SplitPath cuts the path of a layout, as people write it, into a mount and a
// prefix for Config: the mount is known when it is mount, else it is the first part.
func SplitPath(path, mount string) (string, string) {
	path = strings.Trim(path, "/")
	if rest, ok := strings.CutPrefix(path, mount); ok && mount != "" && (rest == "" || rest[0] == '/') {
		return mount, strings.Trim(rest, "/")
	}
	first, rest, _ := strings.Cut(path, "/")
	return first, rest
}

// ReadLayout returns the keys that another system keeps for a domain below the store's prefix, to adopt them. No keys,
// and no error, when there are none.
func (s *Store) ReadLayout(ctx context.Context, layout existing.Layout, domain string,
	selectors []string) (all []existing.Text, err error) {
	for _, name := range layout.Secrets(domain, selectors) {
		found, err := s.readForeign(ctx, name)
		if err != nil {
			return nil, err
		}
		if found == nil {
			continue
		}
		keys, err := layout.KeysIn(name, found.Data, time.Now())
		if err != nil {
			return nil, fault.Lasting(fmt.Sprintf("read %s in Vault as %s keeps keys", s.path("", name), layout.Name), err,
				"compare --from-vault (the mount and the path below it, "+
					"without data/) and --layout with what 'vault kv get' shows there")
		}
		all = append(all, keys...)
	}
	return all, nil
}

// readForeign returns the newest version of somebody else's secret, nil when there is none.
func (s *Store) readForeign(ctx context.Context, name dkim.Name) (found *secret, err error) {
	err = s.do(ctx, func(ctx context.Context, c *api.Client) (err error) {
		found, err = s.read(ctx, c, name, 0)
		return err
	})
	if err != nil {
		return nil, s.explain(ctx, "read "+s.path("", name)+" in Vault", name, err)
	}
	if found == nil || found.Data == nil {
		return nil, nil
	}
	return found, nil
}

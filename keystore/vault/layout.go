package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Layout is how another system keeps its keys in a KV version 2 engine.
type Layout string

// The layouts that can be read, to adopt the keys. Nothing is ever written in them.
const (
	// Rspamd keeps one secret for a domain, with a list of its selectors.
	Rspamd Layout = "rspamd"
	// KumoMTA keeps one secret for each selector of a domain.
	KumoMTA Layout = "kumomta"
)

// LayoutKey is a private key as another system keeps it.
type LayoutKey struct {
	Selector string
	Text     []byte // PEM or base64; secret
}

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

// ReadLayout returns the keys that another system keeps for a domain below the
// store's prefix. KumoMTA's secrets don't say which selectors there are: those
// given are asked for. Keys of rspamd's that are valid no more are left out. No keys, and no error, when
// there are none.
func (s *Store) ReadLayout(ctx context.Context, layout Layout, domain string, selectors []string) ([]LayoutKey, error) {
	if layout == Rspamd {
		found, err := s.readForeign(ctx, dkim.Name{Domain: domain})
		if found == nil || err != nil {
			return nil, err
		}
		keys, err := rspamdKeys(found.Data, domain, time.Now())
		if err != nil {
			return nil, s.misshapen(dkim.Name{Domain: domain}, layout, err)
		}
		return keys, nil
	}
	var keys []LayoutKey
	for _, selector := range selectors {
		name := dkim.Name{Domain: domain, Selector: selector}
		found, err := s.readForeign(ctx, name)
		if err != nil {
			return nil, err
		}
		if found == nil {
			continue
		}
		text, ok := found.Data["key"].(string)
		if !ok {
			return nil, s.misshapen(name, layout, errors.New("there is no text in the field key"))
		}
		keys = append(keys, LayoutKey{selector, []byte(text)})
	}
	return keys, nil
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

func (s *Store) misshapen(name dkim.Name, layout Layout, err error) error {
	return fault.Lasting(fmt.Sprintf("read %s in Vault as %s keeps keys", s.path("", name), layout), err,
		"compare --from-vault (the mount and the path below it, "+
			"without data/) and --layout with what 'vault kv get' shows there")
}

// moment is a time in Unix seconds, which rspamd takes as a number or as a text. It takes 0 for a time like any other,
// which is long past.
type moment float64

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(text []byte) error {
	at, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil {
		return errors.New("it is not a time in seconds") // the text may be a secret
	}
	*m = moment(at)
	return nil
}

// rspamdKeys reads the secret of a domain. Its times are in Unix seconds.
func rspamdKeys(data map[string]any, domain string, now time.Time) ([]LayoutKey, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, errors.New("it is not understood")
	}
	var found struct {
		Selectors []struct {
			Selector string  `json:"selector"`
			Domain   string  `json:"domain"`
			Key      string  `json:"key"`
			End      *moment `json:"valid_end"` // nil: none
		} `json:"selectors"`
	}
	if err := json.Unmarshal(text, &found); err != nil || len(found.Selectors) == 0 {
		return nil, errors.New("there is no list in the field selectors")
	}
	var keys []LayoutKey
	for _, e := range found.Selectors {
		if e.Domain != "" && !strings.EqualFold(e.Domain, domain) || e.End != nil && float64(*e.End) <= float64(now.Unix()) {
			continue
		}
		if e.Selector == "" || e.Key == "" {
			return nil, errors.New("an entry in the field selectors lacks selector or key")
		}
		keys = append(keys, LayoutKey{e.Selector, []byte(e.Key)})
	}
	return keys, nil
}

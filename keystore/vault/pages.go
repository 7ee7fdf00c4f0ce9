package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Beside the keys, at <prefix>-agents, lie documents by which dkimbot and its agents on other hosts talk to each
// other. They hold no secrets.

// Page is one version of a document.
type Page struct {
	Text    []byte // a JSON object; nil when it was deleted
	Version int    // 0 when nothing ever stood there
	Written time.Time
	Now     time.Time // by Vault's own clock
}

// agentsDir returns the path of the documents.
func (s *Store) agentsDir(endpoint string) string {
	if s.cfg.Prefix == "" {
		return path.Join(s.cfg.Mount, endpoint, "agents")
	}
	return path.Join(s.cfg.Mount, endpoint, s.cfg.Prefix+"-agents")
}

// ReadPage returns the newest version of a document.
func (s *Store) ReadPage(ctx context.Context, at string) (page Page, err error) {
	full := path.Join(s.agentsDir("data"), at)
	err = s.do(ctx, func(ctx context.Context, c *api.Client) (err error) {
		page, err = s.readPage(ctx, c, full)
		return err
	})
	if err != nil {
		return Page{}, s.explainPage(ctx, "read", full, err)
	}
	return page, nil
}

func (s *Store) readPage(ctx context.Context, c *api.Client, full string) (Page, error) {
	page := Page{Now: time.Now()}
	data, err := limited(ctx, s.cfg.Timeout, func(ctx context.Context) (json.RawMessage, error) {
		resp, err := c.Logical().ReadRawWithDataWithContext(ctx, full, nil)
		if resp != nil {
			if now, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
				page.Now = now
			}
		}
		return answer(resp, err)
	})
	if data == nil || err != nil {
		return page, err
	}
	var found struct {
		Data     json.RawMessage `json:"data"`
		Metadata struct {
			Version int       `json:"version"`
			Created time.Time `json:"created_time"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &found); err != nil || found.Metadata.Version == 0 {
		return page, errNotUnderstood
	}
	page.Version, page.Written = found.Metadata.Version, found.Metadata.Created
	if string(found.Data) != "null" {
		page.Text = found.Data
	}
	return page, nil
}

// WritePage stores a document, a JSON object, as the version that follows after, and returns its number.
func (s *Store) WritePage(ctx context.Context, at string, text []byte, after int) (version int, err error) {
	full := path.Join(s.agentsDir("data"), at)
	payload, err := json.Marshal(map[string]any{"data": json.RawMessage(text), "options": map[string]any{"cas": after}})
	if err != nil {
		return 0, fault.Lasting("write "+full+" in Vault", err, "report this as a defect")
	}
	err = s.do(ctx, func(ctx context.Context, c *api.Client) error {
		data, err := limited(ctx, s.cfg.Timeout, func(ctx context.Context) (json.RawMessage, error) {
			return answer(c.Logical().WriteRawWithContext(ctx, full, payload))
		})
		if err != nil {
			return err
		}
		var written struct {
			Version int `json:"version"`
		}
		if err := json.Unmarshal(data, &written); err != nil || written.Version <= after {
			return errNotUnderstood
		}
		version = written.Version
		return nil
	})
	switch {
	case status(err) == http.StatusBadRequest && said(err, "check-and-set parameter did not match"):
		return 0, keystore.Conflict("write "+full+" in Vault", after, -1)
	case err != nil:
		return 0, s.explainPage(ctx, "write", full, err)
	}
	return version, nil
}

// explainPage makes a fault of an error about a document.
func (s *Store) explainPage(ctx context.Context, verb, full string, err error) error {
	f := s.explain(ctx, fmt.Sprintf("%s %s in Vault", verb, full), dkim.Name{}, err)
	var refused *fault.Error
	if status(err) == http.StatusForbidden && errors.As(f, &refused) && refused.Code == codes.VaultForbidden {
		may := `"read"`
		if verb == "write" {
			may = `"create" and "update"`
		}
		refused.Hint = fmt.Sprintf("the policy of this token must allow %s on %s; "+
			"examples/agent has the policies of both sides", may, full)
	}
	return f
}

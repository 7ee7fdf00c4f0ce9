package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Place is where secrets stand that signers read themselves, in a shape of their own.
type Place struct {
	Mount, Prefix string
	Unversioned   bool   // the mount is a KV engine of version 1
	Setting       string // the key of the configuration that names the place, for messages
}

// Shared are the secrets at a Place. They are reached with the store's login, and closed with it.
type Shared struct{ at *Store }

// Document is what stands in a secret. The zero Document is what was never written.
type Document struct {
	Data    json.RawMessage // nil where it was deleted
	Version int             // of the secret; 1 in an engine of version 1
}

// At returns the secrets at a place.
func (s *Store) At(p Place) (*Shared, error) {
	for _, part := range []string{p.Mount, p.Prefix} {
		if err := checkPath(part); err != nil || p.Mount == "" {
			return nil, fault.Lasting("use "+p.Setting, fmt.Errorf("%q is not a path in Vault", path.Join(p.Mount, p.Prefix)),
				"write names joined by /, as the signer has them")
		}
	}
	cfg := s.cfg
	cfg.Mount, cfg.Prefix = p.Mount, p.Prefix
	return &Shared{&Store{cfg: cfg, session: s.session, place: p}}, nil
}

// Read returns the newest version of the secret of a name, which may lack the selector.
func (a *Shared) Read(ctx context.Context, name dkim.Name) (Document, error) {
	var found Document
	err := a.at.do(ctx, func(ctx context.Context, c *api.Client) (err error) {
		found, err = a.read(ctx, c, name)
		return a.at.needs("read", "data", name, err)
	})
	if err != nil {
		return Document{}, a.at.explain(ctx, "read "+a.at.path("", name)+" in Vault", name, err)
	}
	return found, nil
}

func (a *Shared) read(ctx context.Context, c *api.Client, name dkim.Name) (Document, error) {
	if !a.at.place.Unversioned {
		found, err := a.at.read(ctx, c, name, 0)
		if found == nil || err != nil {
			return Document{}, err
		}
		if found.Data == nil {
			return Document{Version: found.Metadata.Version}, nil
		}
		data, err := json.Marshal(found.Data)
		return Document{data, found.Metadata.Version}, err
	}
	data, err := limited(ctx, a.at.cfg.Timeout, func(ctx context.Context) (json.RawMessage, error) {
		return answer(c.Logical().ReadRawWithContext(ctx, a.at.path("data", name)))
	})
	if data == nil || err != nil {
		return Document{}, err
	}
	return Document{data, 1}, nil
}

// Write puts data in the place of what was read before. When another has written meanwhile, nothing is changed and the
// fault is Transient; an engine of version 1 can't compare and set, so there it is read again directly before.
func (a *Shared) Write(ctx context.Context, name dkim.Name, data any, before Document) error {
	err := a.at.do(ctx, func(ctx context.Context, c *api.Client) error { return a.write(ctx, c, name, data, before) })
	what := "write " + a.at.path("", name) + " in Vault"
	if conflict := (*conflictError)(nil); errors.As(err, &conflict) {
		return fault.Temporary(what, errors.New("another program has written it in the meantime"),
			"run it again; if that lasts, find out what writes to it")
	}
	if err != nil {
		return a.at.explain(ctx, what, name, err)
	}
	return nil
}

func (a *Shared) write(ctx context.Context, c *api.Client, name dkim.Name, data any, before Document) error {
	var body any = map[string]any{"data": data, "options": map[string]any{"cas": before.Version}}
	if a.at.place.Unversioned {
		is, err := a.read(ctx, c, name)
		if err != nil {
			return a.at.needs("read", "data", name, err)
		}
		if !bytes.Equal(is.Data, before.Data) {
			return &conflictError{newest: -1}
		}
		body = data
	}
	answer, err := a.at.send(ctx, c, "data", name, body)
	if status(err) == http.StatusBadRequest && said(err, "check-and-set parameter did not match") {
		return &conflictError{newest: -1}
	}
	if status(err) == http.StatusForbidden {
		return a.at.needs(a.verb(before), "data", name, err)
	}
	if err != nil || a.at.place.Unversioned {
		return err
	}
	var written struct {
		DeletionTime string `json:"deletion_time"`
	}
	if err := json.Unmarshal(answer, &written); err != nil {
		return errNotUnderstood
	}
	if written.DeletionTime != "" {
		return errExpires
	}
	return nil
}

// verb is the right that the next write needs.
func (a *Shared) verb(before Document) string {
	if before.Version == 0 {
		return "create"
	}
	return "update"
}

// MayWrite proves that a secret could be read, and written, by a request that has no effect. Of an engine of version 1
// Vault says what the token may.
func (a *Shared) MayWrite(ctx context.Context, name dkim.Name) error {
	err := a.at.do(ctx, func(ctx context.Context, c *api.Client) error {
		is, err := a.read(ctx, c, name)
		if err != nil {
			return a.at.needs("read", "data", name, err)
		}
		if a.at.place.Unversioned {
			return a.at.capable(ctx, c, name, a.verb(is))
		}
		_, err = a.at.send(ctx, c, "data", name, map[string]any{
			"data": map[string]any{}, "options": map[string]any{"cas": is.Version + 1}, // it is not there
		})
		if status(err) == http.StatusBadRequest && said(err, "check-and-set parameter did not match") {
			return nil
		}
		return a.at.needs(a.verb(is), "data", name, err)
	})
	if err != nil {
		return a.at.explain(ctx, "write "+a.at.path("", name)+" in Vault", name, err)
	}
	return nil
}

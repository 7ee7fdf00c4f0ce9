package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// checkNewest wants the newest version to be after, and ours or gone.
func (s *Store) checkNewest(ctx context.Context, c *api.Client, name dkim.Name, after int) error {
	newest, err := s.read(ctx, c, name, 0)
	if err != nil {
		return err
	}
	if newest == nil {
		return &conflictError{newest: 0}
	}
	if _, err := newest.key(); err != nil && !errors.Is(err, errDeleted) {
		return err // foreign or damaged: a person must look first (I6)
	}
	if newest.Metadata.Version != after {
		return &conflictError{newest: newest.Metadata.Version}
	}
	return nil
}

// write writes key as the version that follows after and returns its number.
func (s *Store) write(ctx context.Context, c *api.Client, name dkim.Name, key *dkim.PrivateKey,
	after int) (int, error) {
	data, err := fields(key, time.Now())
	if err != nil {
		return 0, err
	}
	answer, err := s.send(ctx, c, "data", name, map[string]any{
		"data": data, "options": map[string]any{"cas": after},
	})
	if status(err) == http.StatusBadRequest && said(err, "check-and-set parameter did not match") {
		return 0, s.describeConflict(ctx, c, name)
	}
	if status(err) == http.StatusForbidden {
		capability := "create"
		if after > 0 {
			capability = "update"
		}
		return 0, s.needs(capability, "data", name, err)
	}
	if err != nil {
		return 0, &unansweredError{err}
	}
	var written struct {
		Version      int    `json:"version"`
		DeletionTime string `json:"deletion_time"`
	}
	if err := json.Unmarshal(answer, &written); err != nil || written.Version <= after {
		return 0, &unansweredError{errNotUnderstood}
	}
	if written.DeletionTime != "" { // left there, the next try would take it for a key that was stored well
		return 0, errors.Join(&versionError{written.Version, errExpires}, s.destroy(ctx, c, name, written.Version))
	}
	return written.Version, nil
}

// keeps wants an engine that deletes no version by itself, as far as Vault says; a policy need not let dkimbot ask.
func (s *Store) keeps(ctx context.Context, c *api.Client) error {
	if s.place.Unversioned {
		return nil
	}
	config, err := limited(ctx, s.cfg.Timeout, func(ctx context.Context) (*api.Secret, error) {
		return c.Logical().ReadWithContext(ctx, s.cfg.Mount+"/config")
	})
	if err != nil || config == nil {
		return nil // the questions that follow say whether Vault answers
	}
	if after, _ := config.Data["delete_version_after"].(string); after != "" && after != "0s" {
		return errExpires
	}
	return nil
}

// destroy makes a version unrecoverable.
func (s *Store) destroy(ctx context.Context, c *api.Client, name dkim.Name, version int) error {
	_, err := s.send(ctx, c, "destroy", name, map[string]any{"versions": []int{version}})
	return s.needs("update", "destroy", name, err)
}

// checkStored reads a version back and wants key in it (I4).
func (s *Store) checkStored(ctx context.Context, c *api.Client, name dkim.Name, key *dkim.PrivateKey,
	version int) error {
	stored, err := s.read(ctx, c, name, version)
	if err != nil {
		return &unansweredError{err}
	}
	var back *dkim.PrivateKey
	if stored != nil {
		if back, err = stored.key(); err != nil {
			return err
		}
	}
	if back == nil || back.ID() != key.ID() {
		return &versionError{version, errDamaged}
	}
	return nil
}

// describeConflict says which version is in the way; a foreign one is reported as such.
func (s *Store) describeConflict(ctx context.Context, c *api.Client, name dkim.Name) error {
	newest, err := s.read(ctx, c, name, 0)
	if err != nil || newest == nil {
		return &conflictError{newest: -1}
	}
	if _, err := newest.key(); errors.Is(err, errForeign) {
		return err
	}
	return &conflictError{newest: newest.Metadata.Version}
}

// checkMount looks once whether a KV version 2 engine is mounted, and just there: below
// its path keys could be written (kv/data) and never destroyed. A version 1 engine
// would take the secrets without versions, at odd paths. Whoever can use a mount may look at it;
// if this Vault does not say, the requests that follow will.
func (s *Store) checkMount(ctx context.Context, c *api.Client) error {
	if s.mountSeen.Load() {
		return nil
	}
	m, err := limited(ctx, s.cfg.Timeout, func(ctx context.Context) (*api.Secret, error) {
		return c.Logical().ReadWithContext(ctx, "sys/internal/ui/mounts/"+s.cfg.Mount)
	})
	if err != nil && status(err) == 0 {
		return err
	}
	if err == nil && m != nil {
		options, _ := m.Data["options"].(map[string]any)
		engine, _ := m.Data["path"].(string)
		kind, _ := m.Data["type"].(string)
		if kind == "" {
			return errNotUnderstood
		}
		switch below, isBelow := strings.CutPrefix(s.cfg.Mount+"/", engine); {
		case kind != "kv" || (options["version"] == "2") == s.place.Unversioned:
			return &mountError{engine: kind, unversioned: s.place.Unversioned}
		case s.place.Unversioned: // a path below is one like any other
		case engine != "" && isBelow && below != "":
			return &mountError{engine: strings.Trim(engine, "/"), below: strings.Trim(below, "/")}
		}
		s.mountSeen.Store(true)
	}
	return nil
}

// read returns a version of a secret, or the newest for version 0, or nil when there
// is no trace of it.
func (s *Store) read(ctx context.Context, c *api.Client, name dkim.Name, version int) (*secret, error) {
	query := map[string][]string{}
	if version > 0 {
		query["version"] = []string{strconv.Itoa(version)}
	}
	data, err := limited(ctx, s.cfg.Timeout, func(ctx context.Context) (json.RawMessage, error) {
		return answer(c.Logical().ReadRawWithDataWithContext(ctx, s.path("data", name), query))
	})
	if data == nil || err != nil {
		return nil, err
	}
	var found secret
	if err := json.Unmarshal(data, &found); err != nil || found.Metadata.Version == 0 {
		return nil, errNotUnderstood
	}
	return &found, nil
}

// send writes to the secret's path below endpoint and returns the data of the answer.
func (s *Store) send(ctx context.Context, c *api.Client, endpoint string, name dkim.Name,
	body any) (json.RawMessage, error) {
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return limited(ctx, s.cfg.Timeout, func(ctx context.Context) (json.RawMessage, error) {
		return answer(c.Logical().WriteRawWithContext(ctx, s.path(endpoint, name), payload))
	})
}

// answer returns the data of Vault's answer. For a version that was deleted that is a
// 404 with data, for one of which there is no trace a 404 without; for a path that
// nothing is mounted at it is a 404 with an error, which the client's own Read hides.
func answer(resp *api.Response, err error) (json.RawMessage, error) {
	if resp == nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err != nil && (status(err) != http.StatusNotFound || said(err, "")) {
		return nil, err
	}
	var body struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read Vault's answer: %w", err)
	}
	return body.Data, nil
}

var errNotUnderstood = errors.New("the answer is not understood; is this Vault?")

// conflictError says that the newest version is not the one to follow; newest
// is -1 when it is not known.
type conflictError struct{ newest int }

func (e *conflictError) Error() string { return fmt.Sprintf("the newest version is %d", e.newest) }

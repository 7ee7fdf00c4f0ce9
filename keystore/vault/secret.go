package vault

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// secret is one version of a secret as Vault shows it.
type secret struct {
	Data     map[string]any `json:"data"`
	Metadata struct {
		Version      int    `json:"version"`
		Destroyed    bool   `json:"destroyed"`
		DeletionTime string `json:"deletion_time"`
	} `json:"metadata"`
}

var (
	errForeign = errors.New("it has no key_id, or its key can't be read: dkimbot did not make it")
	errDamaged = errors.New("its key is not the one that its key_id names")
	errDeleted = errors.New("it was deleted, though not by dkimbot, and can still be brought back")
)

// versionError is an error of one version's content.
type versionError struct {
	version int
	err     error
}

func (e *versionError) Error() string { return fmt.Sprintf("version %d: %v", e.version, e.err) }
func (e *versionError) Unwrap() error { return e.err }

// key returns the private key of a version that dkimbot wrote; a destroyed one has none.
func (s *secret) key() (*dkim.PrivateKey, error) {
	refuse := func(err error) (*dkim.PrivateKey, error) {
		return nil, &versionError{s.Metadata.Version, err}
	}
	if s.Metadata.Destroyed {
		return nil, nil
	}
	if s.Data == nil {
		return refuse(errDeleted)
	}
	text, _ := s.Data["key"].(string)
	id, _ := s.Data["key_id"].(string)
	key, err := dkim.ParsePrivateKey([]byte(text))
	if id == "" || err != nil {
		return refuse(errForeign)
	}
	if key.ID() != id {
		return refuse(errDamaged)
	}
	return key, nil
}

// fields returns what is stored for a key.
func fields(key *dkim.PrivateKey, now time.Time) (map[string]any, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public().Key())
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	return map[string]any{
		"key":        string(key.PEM()),
		"public_key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"record":     dkim.NewRecord(key.Public(), "").String(),
		"key_id":     key.ID(),
		"created_at": now.UTC().Format(time.RFC3339),
	}, nil
}

package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Config says where rspamd's secrets stand.
type Config struct {
	Name      string // in messages
	Path      string // vault_path of rspamd's dkim_signing
	ArcPath   string // of its arc module, where that is another one; "" for none
	KVVersion int    // vault_kv_version: 1 or 2; 2 when 0

	After time.Duration // how long after the write rspamd is to switch; 0 is at once
	Lag   time.Duration // see Signer.Lag; a minute when 0, or more than After by as much as clocks may differ

	Witness milter.Witness
}

// Signer is all rspamd that read one place in Vault. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg   Config
	vault signer.Vault
	now   func() time.Time
	step  func(operation string) error // tests stop here; nil otherwise
}

// DefaultLag outlives a message for which rspamd has asked already, and a standby of Vault that it may ask.
const DefaultLag = time.Minute

// Skew is by how much an rspamd's clock may be late, if a switch is scheduled.
const Skew = 4 * time.Minute

// New touches nothing; cfg has been checked.
func New(cfg Config) *Signer {
	cfg.KVVersion = cmp.Or(cfg.KVVersion, 2)
	if cfg.Lag == 0 {
		if cfg.Lag = DefaultLag; cfg.After > 0 {
			cfg.Lag += cfg.After + Skew
		}
	}
	return &Signer{cfg: cfg, now: time.Now}
}

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// UseVault hands in what reaches Vault.
func (s *Signer) UseVault(v signer.Vault) { s.vault = v }

// module is where one module of rspamd reads.
type module struct {
	signer.Secrets
	path string
}

// modules returns where dkim_signing reads, and arc, where that reads elsewhere.
func (s *Signer) modules() (out []module, err error) {
	if s.vault == nil {
		return nil, fault.Lasting("reach Vault for signer "+s.cfg.Name, errors.New("the keystore is not in Vault"),
			"use keystore.driver: vault")
	}
	for _, of := range [][2]string{{"vault_path", s.cfg.Path}, {"arc_vault_path", s.cfg.ArcPath}} {
		path := of[1]
		if path == "" {
			continue
		}
		at := signer.VaultPlace{Mount: path, Unversioned: s.cfg.KVVersion == 1,
			Setting: of[0] + " of signer " + s.cfg.Name}
		if !at.Unversioned { // as rspamd cuts it
			at.Mount, at.Prefix, _ = strings.Cut(path, "/")
		}
		secrets, err := s.vault.Secrets(at)
		if err != nil {
			return nil, err
		}
		out = append(out, module{secrets, path})
	}
	return out, nil
}

// atOnce is how many domains Vault is asked about at a time.
const atOnce = 16

// each does something for each of the domains, and returns what failed.
func each[T any](of []T, domain func(T) string, do func(T) error) map[string]error {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(atOnce)
	failed := map[string]error{}
	for _, one := range of {
		g.Go(func() error {
			if err := do(one); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[domain(one)] = err
			}
			return nil
		})
	}
	g.Wait()
	return failed
}

func itself(domain string) string { return domain }

// load reads the secret of a domain.
func (s *Signer) load(ctx context.Context, m module, domain string) (*secret, error) {
	is, err := m.Read(ctx, dkim.Name{Domain: domain})
	if err != nil {
		return nil, err
	}
	found, err := parse(is, domain)
	if err != nil {
		return nil, fault.Lasting(fmt.Sprintf("read what signer %s signs %s with", s.cfg.Name, domain),
			fmt.Errorf("the secret %s/%s is not one of rspamd's: %w", m.path, domain, err),
			"see it (vault kv get), and correct it, or vault_path; rspamd signs no mail with it")
	}
	return found, nil
}

// at marks the place before a request.
func (s *Signer) at(operation string) error {
	if s.step == nil {
		return nil
	}
	return s.step(operation)
}

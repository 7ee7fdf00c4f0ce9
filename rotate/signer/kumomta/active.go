package kumomta

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// defaultDir is where KumoMTA looks for a key that no filename is given for.
const defaultDir = "/opt/kumomta/etc/dkim"

// Active returns what each of the domains is signed with once Lag has passed: file and keys are read as KumoMTA reads
// them, foreign tables included. What another of its data files says is not known here. A domain
// that the file does not name, or that has no key, is left out. One that is signed twice in its own name, or whose
// key can't be read, fails by itself.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	if err := s.knowsReader(); err != nil {
		return nil, err
	}
	if err := s.store.Moved(s.cfg.File); err != nil {
		return nil, err
	}
	d, err := s.say()
	if err != nil {
		return nil, err
	}
	active, failed, err := signer.Signing(ctx, s.cfg.Name, domains, func(domain string) (dkim.Ref, error) {
		return s.signs(ctx, d, domain)
	})
	if err != nil {
		return nil, err
	}
	return active, signer.Partial(failed, len(domains))
}

// Overruled returns, by domain, which key file that our lines name others altered. A second line for a domain, which
// would count in the place of ours, makes KumoMTA refuse the file, and Active fail.
func (s *Signer) Overruled(_ context.Context, domains []string) map[string]string {
	data, _ := keyfiles.ReadTable(s.cfg.File) // Active says what is wrong with it
	d, err := parse(data)
	if err != nil || s.cfg.Keys == inVault {
		return nil
	}
	out := map[string]string{}
	for _, domain := range domains {
		table := d.of(domain)
		if altered := s.store.Altered(domain, table.text("selector"), table.text("filename")); altered != "" {
			out[domain] = altered
		}
	}
	return out
}

// signs says what a domain is signed with.
func (s *Signer) signs(ctx context.Context, d document, domain string) (dkim.Ref, error) {
	if names := d.also(domain); len(names) > 0 {
		return dkim.Ref{}, &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine,
			What: fmt.Sprintf("find out what signer %s signs %s with", s.cfg.Name, domain),
			Err: fmt.Errorf("data file %s signs it in its own name by additional_signatures: %s", s.cfg.File,
				strings.Join(names, ", ")),
			Hint: "take those out of additional_signatures: they are for other domains"}
	}
	table := d.of(domain)
	selector := cmp.Or(table.text("selector"), d.base.text("selector"))
	if table == nil || selector == "" {
		return dkim.Ref{}, nil
	}
	place := table.text("filename")
	if place == "" && s.cfg.Keys == inVault {
		place = fmt.Sprintf("%s/%s/%s", cmp.Or(d.base.text("vault_path_prefix"), s.cfg.Path), domain, selector)
	} else if place == "" {
		place = fmt.Sprintf("%s/%s/%s.key", defaultDir, domain, selector)
	}
	id, err := s.keyID(ctx, place)
	return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: strings.ToLower(selector)}, KeyID: id}, err
}

// keyID reads the id of the key at a place; "" means that KumoMTA can't sign with it.
func (s *Signer) keyID(ctx context.Context, place string) (string, error) {
	if s.cfg.Keys != inVault {
		key, err := s.store.PublicAt(place)
		return key.ID(), err
	}
	if s.vault == nil {
		return "", fault.Lasting("reach Vault for signer "+s.cfg.Name, errors.New("the keystore is not in Vault"),
			"use keystore.driver: vault")
	}
	secrets, err := s.vault.Secrets(signer.VaultPlace{Mount: s.cfg.Mount, Prefix: place,
		Setting: "vault_mount and vault_path_prefix of signer " + s.cfg.Name})
	if err != nil {
		return "", err
	}
	if err := s.store.Step("read " + place); err != nil {
		return "", err
	}
	is, err := secrets.Read(ctx, dkim.Name{})
	if err != nil || is.Data == nil {
		return "", err
	}
	var found struct {
		Key string `json:"key"`
	}
	json.Unmarshal(is.Data, &found) // what is no text is no key
	return keyfiles.KeyIDIn([]byte(found.Key)), nil
}

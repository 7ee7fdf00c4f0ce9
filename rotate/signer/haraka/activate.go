package haraka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Activate makes each key the only one that its domain is signed with; see the package documentation for how. One
// domain's fault does not stop the others: the error is then a *signer.PartialError, or the fault itself when keys
// holds one domain. Any other error means that no domain is confirmed. What is in force is not written again.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.knowsReader(); err != nil {
		return err
	}
	f, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	dir, err := s.store.Open()
	if err != nil {
		return err
	}
	defer dir.Close()
	b := signer.NewBatch(s.cfg.Name, keys, s.checkKey)
	s.makeDirs(b, dir, func(domain string) bool { return !s.signsAbove(domain) })
	if err := s.putInForce(ctx, f, b.Keys); err != nil {
		return err
	}
	if err := s.makeHidden(ctx, b, dir); err != nil {
		return err
	}
	s.confirm(b)
	return b.Err()
}

// checkKey refuses a key that the plugin can't use.
func (s *Signer) checkKey(k dkim.SigningKey) error {
	if k.Public().Bits() == 256 {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnprovenAlgorithm,
			What: fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name),
			Err:  errors.New(noEd25519), Hint: "use an RSA key for this domain"}
	}
	return nil
}

// has reports whether a domain has a directory, which makes the plugin look for its key.
func (s *Signer) has(domain string) bool {
	info, err := os.Stat(filepath.Join(s.store.Path, domain))
	return err == nil && info.IsDir()
}

// signsAbove reports whether the plugin signs mail of a domain with a parent's key, until it has a directory.
func (s *Signer) signsAbove(domain string) bool {
	if s.has(domain) {
		return false
	}
	for _, up, ok := strings.Cut(domain, "."); ok && strings.Contains(up, "."); _, up, ok = strings.Cut(up, ".") {
		if s.has(up) {
			return true
		}
	}
	return false
}

// makeDirs makes the directories of some of the domains.
func (s *Signer) makeDirs(b *signer.Batch, dir *keyfiles.Dir, which func(domain string) bool) {
	for _, k := range b.Keys {
		if !which(k.Domain) {
			continue
		}
		if err := dir.MakeDomain(k.Domain); err != nil {
			b.Fail(k.Name, fmt.Errorf("%s: %w", b.What(k.Name), err))
		}
	}
	b.Drop()
}

// makeHidden makes the directories that hide a parent's, once the key of each has surely been read.
func (s *Signer) makeHidden(ctx context.Context, b *signer.Batch, dir *keyfiles.Dir) error {
	for _, k := range b.Keys {
		if s.has(k.Domain) {
			continue
		}
		select {
		case <-ctx.Done():
			return fault.Temporary("make the key directories of signer "+s.cfg.Name, context.Cause(ctx),
				"run it again; until then mail is signed with the keys of parent domains")
		case <-time.After(reread):
		}
		s.makeDirs(b, dir, func(string) bool { return true })
		return nil
	}
	return nil
}

// putInForce writes smtp.json where it changes.
func (s *Signer) putInForce(ctx context.Context, f *file, keys []dkim.SigningKey) error {
	changed := false
	for _, k := range keys {
		changed = f.set(k) || changed
	}
	if !changed {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Interrupted("write "+s.path(), context.Cause(ctx))
	}
	data, err := f.bytes()
	if err != nil {
		return fault.Lasting("write "+s.path(), err, "report this as a defect")
	}
	if err := s.store.ReplaceSecret(f.Place, data); err != nil {
		return s.store.FaultOr("write "+s.path(), err)
	}
	return nil
}

// confirm reads everything again, as Haraka does; domains that it does not say the wanted thing for fail.
func (s *Signer) confirm(b *signer.Batch) {
	o, err := s.look()
	for _, k := range b.Keys {
		ref, e := dkim.Ref{}, err
		if e == nil {
			ref, e = s.signs(o, k.Domain)
		}
		if e == nil && ref != k.Ref() {
			e = fault.Temporary(b.What(k.Name), fmt.Errorf("%s was read again and says something else", s.path()),
				"see whether another program writes to it")
		}
		if e != nil {
			b.Fail(k.Name, e)
		}
	}
	b.Drop()
}

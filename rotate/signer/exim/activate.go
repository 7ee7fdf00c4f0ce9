package exim

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/dkim"
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
	if err := s.store.KnowsReader(nameReader); err != nil {
		return err
	}
	b := signer.NewBatch(s.cfg.Name, keys, nil)
	t, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	_, failed, err := s.store.WriteAll(ctx, b.Keys)
	if err != nil {
		return err
	}
	for domain, err := range failed {
		n := dkim.Name{Domain: domain}
		for _, k := range b.Keys {
			if k.Domain == domain {
				n = k.Name
			}
		}
		b.Fail(n, fmt.Errorf("%s: %w", b.What(n), err))
	}
	b.Drop()
	if err := s.putInForce(t, b.Keys); err != nil {
		return err
	}
	if s.confirm(b); len(b.Keys) > 0 {
		s.store.Remember(s.cfg.Table)
	}
	return b.Err()
}

// line is what our block says of a key.
func (s *Signer) line(k dkim.SigningKey) string {
	return "selector=" + k.Selector + " privkey=" + s.store.File(k.Ref())
}

// putInForce writes the table where it changes.
func (s *Signer) putInForce(t *table, keys []dkim.SigningKey) error {
	changed, counts := false, entries(t.data)
	for _, k := range keys {
		if line := s.line(k); t.Ours[k.Domain] != line || counts[k.Domain] != line { // a line of others may come first
			t.Set(k.Domain, line)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	if err := s.store.Replace(t.Place, t.Bytes()); err != nil {
		return s.store.Fault("write table "+s.cfg.Table, err)
	}
	return nil
}

// confirm reads table and key files again, as Exim does; domains that they don't say the wanted thing for fail.
func (s *Signer) confirm(b *signer.Batch) {
	data, err := keyfiles.ReadTable(s.cfg.Table)
	if err != nil {
		err = s.store.Fault("read table "+s.cfg.Table+" again", err)
	}
	lines := entries(data)
	for _, k := range b.Keys {
		ref, e := dkim.Ref{}, err
		if e == nil {
			ref, e = s.signs(k.Domain, lines[k.Domain])
		}
		if e == nil && ref != k.Ref() {
			e = s.store.Changed(b.What(k.Name), k.Name, extract(lines[k.Domain], "privkey"),
				s.cfg.Table+" and its key file were read again and say something else")
		}
		if e != nil {
			b.Fail(k.Name, e)
		}
	}
	b.Drop()
}

package kumomta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
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
	b := signer.NewBatch(s.cfg.Name, keys, nil)
	t, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	for _, k := range b.Keys {
		if err := s.clash(t, k.Domain); err != nil {
			b.Fail(k.Name, err)
		}
	}
	b.Drop()
	if err := s.bring(ctx, b); err != nil {
		return err
	}
	if err := s.putInForce(ctx, t, b.Keys); err != nil {
		return err
	}
	if s.confirm(ctx, b); len(b.Keys) > 0 {
		s.store.Remember(s.cfg.File)
	}
	return b.Err()
}

// knowsReader refuses key files whose reader is not known.
func (s *Signer) knowsReader() error {
	if s.cfg.Keys == inVault {
		return nil
	}
	return s.store.KnowsReader(nameReader)
}

// bring sees to it that KumoMTA can read the keys: it writes their files, or looks whether they stand in Vault.
func (s *Signer) bring(ctx context.Context, b *signer.Batch) error {
	failed := map[string]error{}
	if s.cfg.Keys == inVault {
		for _, k := range b.Keys {
			id, err := s.keyID(ctx, s.place(k.Ref()))
			if err == nil && id != k.Ref().KeyID {
				err = fault.Lasting(b.What(k.Name), fmt.Errorf("another key, or none, stands in Vault at %s/%s",
					s.cfg.Mount, s.place(k.Ref())),
					"compare vault_mount and vault_path_prefix of the signer with keystore.mount and prefix")
			}
			if err != nil {
				failed[k.Domain] = err
			}
		}
	} else {
		var err error
		if _, failed, err = s.store.WriteAll(ctx, b.Keys); err != nil {
			return err
		}
	}
	for _, k := range b.Keys {
		if err := failed[k.Domain]; err != nil {
			b.Fail(k.Name, fmt.Errorf("%s: %w", b.What(k.Name), err))
		}
	}
	b.Drop()
	return nil
}

// putInForce writes the file where it changes, if KumoMTA would take it.
func (s *Signer) putInForce(ctx context.Context, t *table, keys []dkim.SigningKey) error {
	changed := false
	for _, k := range keys {
		if line := s.line(k); t.Ours[quoted(k.Domain)] != line {
			t.Set(quoted(k.Domain), line)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	if _, err := parse(t.Bytes()); err != nil {
		return s.refused(fmt.Errorf("with dkimbot's lines, %w", err))
	}
	if err := s.store.Replace(t.Place, t.Bytes()); err != nil {
		return s.store.Fault("write data file "+s.cfg.File, err)
	}
	return s.validate(ctx, t)
}

// validateTime is how long KumoMTA may take to sign a message for each domain.
const validateTime = 5 * time.Minute

// validate runs the command that tries the file. Where it fails, the file becomes what it was: KumoMTA may have read it
// already, and then it reads it again.
func (s *Signer) validate(ctx context.Context, t *table) error {
	if len(s.cfg.Validate) == 0 {
		return nil
	}
	res, err := child.Run(ctx, child.Program{Argv: s.cfg.Validate, Timeout: validateTime})
	if err == nil {
		return nil
	}
	// It reads all keys, and may say what it has read (I9).
	said := child.Tail(protocol.Request{}.Scrub(slices.Concat(res.Stdout, res.Stderr)))
	if strings.Contains(said, "PRIVATE KEY") {
		said = "something with a private key in it, which is not shown here"
	}
	if said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	what := fmt.Sprintf("validate data file %s of signer %s", s.cfg.File, s.cfg.Name)
	hint := "the file is what it was until you correct what this command complains of: " + child.Shell(s.cfg.Validate)
	if back := s.store.Replace(t.Place, t.data); back != nil {
		err, hint = errors.Join(err, back), "put the file back by hand: mail may be turned away"
	}
	if ctx.Err() != nil {
		return fault.Interrupted(what, context.Cause(ctx))
	}
	return fault.Lasting(what, err, hint)
}

// confirm reads file and keys again, as KumoMTA does; domains that they don't say the wanted thing for fail.
func (s *Signer) confirm(ctx context.Context, b *signer.Batch) {
	d, err := s.say()
	for _, k := range b.Keys {
		ref, e := dkim.Ref{}, err
		if e == nil {
			ref, e = s.signs(ctx, d, k.Domain)
		}
		if e == nil && ref != k.Ref() {
			e = s.store.Changed(b.What(k.Name), k.Name, d.of(k.Domain).text("filename"),
				s.cfg.File+" and the key were read again and say something else")
		}
		if e != nil {
			b.Fail(k.Name, e)
		}
	}
	b.Drop()
}

// say reads what the file says.
func (s *Signer) say() (document, error) {
	data, err := keyfiles.ReadTable(s.cfg.File)
	if err != nil {
		return document{}, s.store.Fault("read data file "+s.cfg.File, err)
	}
	d, err := parse(data)
	if err != nil {
		return document{}, s.refused(err)
	}
	return d, s.elsewhere(d)
}

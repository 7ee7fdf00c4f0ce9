package maddy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// noTime leaves a file the time at which it is written.
var noTime time.Time

// Activate makes each key the only one that its domain is signed with; see the package documentation for how. One
// domain's fault does not stop the others: the error is then a *signer.PartialError, or the fault itself when keys
// holds one domain. Any other error means that no domain is confirmed. What maddy signs with already needs no restart.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.checkCommands(); err != nil {
		return err
	}
	if err := s.store.KnowsReader(nameReader); err != nil {
		return err
	}
	f, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	b := signer.NewBatch(s.cfg.Name, keys, nil)
	if len(b.Keys) == 0 {
		return b.Err()
	}
	if err := s.keepOthers(ctx, f, b); err != nil {
		return err
	}
	in, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer in.close()
	if err := s.putInForce(ctx, in, f, b); err != nil {
		return err
	}
	return b.Err()
}

// keepOthers takes other domains along that the file does not name any more, or with another key, before a restart
// takes them from maddy, too. One whose key dkimbot has not written here is signed by lines of others.
func (s *Signer) keepOthers(ctx context.Context, f *imported, b *signer.Batch) error {
	of, err := s.numbers()
	if err != nil {
		return err
	}
	if s.keysThere(f.entries, nil) != nil {
		s.Wrote() // the file may be as it was written, and keys are lost: it is gone through again
	}
	_, err = s.TakeAlong(ctx, b, signer.Files{Text: [][]byte{f.was}, Say: func(ref dkim.Ref) bool {
		e, ok := f.of[ref.Domain]
		return ok && e.selector == ref.Selector && holds(e.file(ref.Domain), ref.KeyID)
	}, Keys: func(ref dkim.Ref) []string { return s.kept(of, ref.Name) }})
	return err
}

// holds reports whether a file holds a key, or can't be read.
func holds(path, keyID string) bool {
	data, err := keyfiles.ReadKey(path)
	return err == nil && keyfiles.KeyIDIn(data) == keyID || err != nil && !errors.Is(err, fs.ErrNotExist)
}

func (s *Signer) checkCommands() error {
	if err := preflight.Command("restart signer "+s.cfg.Name, s.cfg.Restart, "restart"); err != nil {
		return err
	}
	if len(s.cfg.Check) == 0 {
		return nil
	}
	return preflight.Command("check the configuration of signer "+s.cfg.Name, s.cfg.Check, "check")
}

// putInForce has maddy sign with the keys. It touches nothing where maddy can't be asked, since it could not be seen
// what a restart does; one that is down, and does not start without the keys, is started with them.
func (s *Signer) putInForce(ctx context.Context, in *inbox, f *imported, b *signer.Batch) error {
	before, err := s.signed(ctx, in, b)
	if err != nil && !(milter.Nobody(err) && s.cantStart()) {
		return err
	}
	placed, err := s.writeKeys(b)
	if err != nil || len(b.Keys) == 0 {
		return err
	}
	changed := false
	for _, k := range b.Keys {
		changed = changed || f.of[k.Domain] != placed[k.Domain]
		f.of[k.Domain] = placed[k.Domain]
	}
	if !changed && len(s.prove(ctx, in, b, 0)) == 0 {
		return nil
	}
	if err := s.keysThere(f.entries, nil); err != nil {
		return err
	}
	if err := s.write(f); err != nil {
		return err
	}
	if err := s.checked(ctx); err != nil {
		return s.putBack(f, err)
	}
	if err := s.keepOld(f, b, placed); err != nil || len(b.Keys) == 0 {
		return err
	}
	if err := s.restart(ctx); err != nil {
		return s.goBack(ctx, f, err)
	}
	return s.settle(ctx, in, f, b, before)
}

// write writes the file where it changes.
func (s *Signer) write(f *imported) error {
	data := f.bytes()
	now, err := f.Place.Read()
	if err == nil && !bytes.Equal(data, now) {
		err = s.store.Replace(f.Place, data)
	}
	if err != nil {
		return s.store.Fault("write "+s.cfg.File, err)
	}
	s.Wrote(data)
	return nil
}

// checked asks maddy whether it would start with its configuration.
func (s *Signer) checked(ctx context.Context) error {
	if len(s.cfg.Check) == 0 {
		return nil
	}
	if err := s.store.Step("check"); err != nil {
		return err
	}
	if err := s.run(ctx, s.cfg.Check); err != nil {
		return fault.Temporary(fmt.Sprintf("check the configuration of signer %s with %s before a restart", s.cfg.Name,
			child.Shell(s.cfg.Check)), err, "run that command by hand, and correct maddy.conf")
	}
	return nil
}

// restart starts maddy again.
func (s *Signer) restart(ctx context.Context) error {
	if err := s.store.Step("restart"); err != nil {
		return err
	}
	if err := s.run(ctx, s.cfg.Restart); err != nil {
		return fault.Temporary(fmt.Sprintf("restart signer %s with %s", s.cfg.Name, child.Shell(s.cfg.Restart)), err,
			"run that command by hand, and see whether maddy runs; journalctl -u maddy says why")
	}
	return s.store.Step("prove")
}

// run runs a command.
func (s *Signer) run(ctx context.Context, argv []string) error {
	res, err := child.Run(ctx, child.Program{Argv: argv, Timeout: s.cfg.RestartTimeout, KeepsDaemons: true})
	if said := child.Tail(slices.Concat(res.Stdout, res.Stderr)); err != nil && said != "" {
		return fmt.Errorf("%w; it said: %s", err, said)
	}
	return err
}

// putBack writes what was there before.
func (s *Signer) putBack(f *imported, failed error) error {
	if err := s.store.Replace(f.Place, f.was); err != nil {
		return errors.Join(failed, s.store.Fault("write "+s.cfg.File, err))
	}
	return failed
}

// goBack writes what was there before, after a restart that failed, and starts maddy again. The operation is over in
// any case, so that it is not cut short with it.
func (s *Signer) goBack(ctx context.Context, f *imported, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.RestartTimeout)
	defer cancel()
	if old, err := parse(f.was); err != nil || s.keysThere(old, nil) != nil {
		return errors.Join(failed, s.restart(ctx)) // with what was there before it would not start
	}
	return errors.Join(s.putBack(f, failed), s.restart(ctx))
}

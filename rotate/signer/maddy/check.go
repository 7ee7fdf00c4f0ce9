package maddy

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Check says what is to be asked before the next switch. Screen asks the first three, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{
		{What: "restart command " + s.cfg.Restart[0], Ask: func(context.Context) error { return s.checkCommands() }},
		{What: "file that maddy.conf imports", Ask: func(context.Context) error { return s.look(nil) }},
		{What: "key_dir " + s.cfg.KeyDir, Ask: func(context.Context) error { return s.lookAtKeys() }},
		{What: "maddy at " + s.cfg.Ask, Domains: domains, Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}},
		{What: "right to write " + s.cfg.File, Rights: true, Disk: true, Ask: func(context.Context) error { return s.mayWrite() }},
		{What: "right to write key files", Rights: true, Disk: true, Ask: func(context.Context) error {
			if err := safefile.MayMake(filepath.Join(s.cfg.KeyDir, "a.key")); err != nil {
				return preflight.Coded(codes.NotWritable, s.store.Fault("write key files in "+s.cfg.KeyDir, err))
			}
			o, err := s.store.For()
			if err == nil {
				err = safefile.MayGive(o.UID, o.GID)
			}
			if err != nil {
				return preflight.Coded(codes.NotWritable, s.store.FaultOr("write key files in "+s.cfg.KeyDir, err))
			}
			return nil
		}},
	}
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key. It takes
// no lock and makes nothing.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	if err := s.checkCommands(); err != nil {
		return nil, err
	}
	get := map[string]bool{}
	for _, k := range next {
		get[k.Domain] = true
	}
	gets := func(n dkim.Name) bool { return get[n.Domain] || s.HasKey(ctx, n) }
	if err := s.look(gets); err != nil {
		return nil, err
	}
	return nil, s.lookAtKeys()
}

// look refuses a file that could not be used; gets is as with keysThere.
func (s *Signer) look(gets func(dkim.Name) bool) error {
	p, err := s.store.Table(s.cfg.File, keyfiles.Existing)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f := &imported{Locked: keyfiles.Locked{Place: p}}
	defer f.Close()
	if err := s.read(f); err != nil {
		return err
	}
	return s.keysThere(f.entries, gets)
}

// lookAtKeys refuses a directory in which keys could not be kept.
func (s *Signer) lookAtKeys() error {
	if err := s.store.KnowsReader(nameReader); err != nil {
		return err
	}
	dir, err := s.store.Look()
	if dir != nil {
		dir.Close()
	}
	return err
}

func (s *Signer) mayWrite() error {
	return s.store.MayReplace("file", s.cfg.File)
}

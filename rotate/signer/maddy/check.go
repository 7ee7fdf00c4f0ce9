package maddy

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Check says what is to be asked before the next switch. Screen asks the first three, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	return []preflight.Question{
		{What: "restart command " + s.cfg.Restart[0], Ask: func(context.Context) error { return s.checkCommands() }},
		{What: "file that maddy.conf imports", Found: s.lost, Ask: func(ctx context.Context) error {
			return s.look(s.gets(ctx, domains))
		}},
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
	domains := make([]string, len(next))
	for i, k := range next {
		domains[i] = k.Domain
	}
	if err := s.look(s.gets(ctx, domains)); err != nil {
		return nil, err
	}
	return nil, s.lookAtKeys()
}

// gets says, as with keysThere, what is there before a restart that a switch of these domains needs: their own key
// files, and those of others that the keystore has the key of.
func (s *Signer) gets(ctx context.Context, domains []string) func(dkim.Name) bool {
	get := map[string]bool{}
	for _, d := range domains {
		get[d] = true
	}
	return func(n dkim.Name) bool { return get[n.Domain] || s.HasKey(ctx, n) }
}

// lost warns of a key file that a switch or a repair writes again, and without which maddy, which signs with what it
// has read, would not start.
func (s *Signer) lost() string {
	if err := s.look(nil); fault.CodeOf(err) == codes.UnloadableLine {
		return "warning: " + fault.Text(err) + "; " + fault.HintOf(err)
	}
	return ""
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

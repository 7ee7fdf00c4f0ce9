package maddy

import (
	"context"
	"errors"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Forget removes the files of these keys. A key that the imported file names, or that maddy signs with, which reads it
// only when it starts, is kept and refused with the code "key-in-use". Forgetting what is not there succeeds. Failures
// are by domain, as with Activate.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	f, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	dir, err := s.store.Look()
	if dir == nil {
		return err
	}
	defer dir.Close()
	of, err := s.numbers()
	if err != nil {
		return err
	}
	failed := map[string]error{}
	inUse, err := s.inUse(ctx, of, keys, failed)
	if err != nil {
		return err
	}
	for _, ref := range keys {
		what := signer.Forgetting(ref, s.cfg.Name)
		named, err := s.names(f, ref)
		switch e := signer.CheckForgotten(ref, s.cfg.Name); {
		case failed[ref.Domain] != nil:
		case e != nil:
			failed[ref.Domain] = e
		case err != nil:
			failed[ref.Domain] = err
		case named:
			failed[ref.Domain] = fault.Refuse(codes.KeyInUse, what+": "+s.cfg.File+" has the domain signed with it",
				signer.ReplaceFirst("its lines in the file"))
		case inUse[ref.Domain] == ref:
			failed[ref.Domain] = fault.Refuse(codes.KeyInUse, what+": maddy signs with it",
				"restart maddy, which reads its keys only when it starts")
		default:
			if err := s.forgetFile(dir, of, ref); err != nil {
				failed[ref.Domain] = err
			}
		}
	}
	return signer.Partial(failed, len(keys))
}

// names reports whether the imported file has the domain signed with that key.
func (s *Signer) names(f *imported, ref dkim.Ref) (bool, error) {
	e := f.of[ref.Domain]
	if e.selector != ref.Selector {
		return false, nil
	}
	path := e.file(ref.Domain)
	data, err := keyfiles.ReadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, s.store.Fault("read key file "+path, err)
	}
	return keyfiles.KeyIDIn(data) == ref.KeyID, nil
}

// inUse returns what maddy signs with. Domains of which this host holds no such file need no question.
func (s *Signer) inUse(ctx context.Context, of numbers, refs []dkim.Ref,
	failed map[string]error) (map[string]dkim.Ref, error) {
	var domains []string
	for _, ref := range refs {
		if len(of.of(ref.Name)) > 0 {
			domains = append(domains, ref.Domain)
		}
	}
	active, err := s.Active(ctx, domains)
	if partial := (*signer.PartialError)(nil); errors.As(err, &partial) {
		for domain, err := range partial.Failed {
			failed[domain] = err
		}
		return active, nil
	}
	if err != nil && len(domains) == 1 {
		failed[domains[0]] = err
		return active, nil
	}
	return active, err
}

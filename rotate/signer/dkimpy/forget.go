package dkimpy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Forget removes our entries of these keys, then their files. A key that the SigningTable uses, that a line of others
// names, or that the daemon signs with, which reads the tables only when it starts, is kept and refused with the code
// "key-in-use". Forgetting what is not there succeeds. Failures are by domain, as with Activate.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	t, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	root, err := safefile.OpenDir(s.cfg.KeyDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return s.store.Fault("open key_dir "+s.cfg.KeyDir, err)
	}
	defer root.Close()
	failed, gone := s.release(t, keys), []dkim.Ref{}
	for _, ref := range keys {
		if failed[ref.Domain] == nil {
			gone = append(gone, ref)
		}
	}
	if gone, err = s.dropSigning(ctx, gone, failed); err != nil {
		return err
	}
	for _, ref := range gone {
		for _, keyed := range t.keyed() {
			keyed.Set(name(ref), "")
		}
	}
	if err := s.write(t); err != nil {
		return err
	}
	for _, ref := range gone {
		if err := s.store.Remove(root, ref); err != nil {
			failed[ref.Domain] = err
		}
	}
	return signer.Partial(failed, len(keys))
}

// release returns why keys can't go, by domain.
func (s *Signer) release(t *tables, keys []dkim.Ref) map[string]error {
	foreign, used, failed := map[string]bool{}, map[string]bool{}, map[string]error{}
	for _, keyed := range t.keyed() {
		for _, r := range records(keyed.Foreign) {
			if e, ok := entryOf(r); ok {
				foreign[settings.RealPath(e.path)] = true
			}
		}
	}
	for _, r := range records(t.signing.data) {
		used[r.values[len(r.values)-1]] = true
	}
	for _, ref := range keys {
		switch err := signer.CheckForgotten(ref, s.cfg.Name); {
		case err != nil:
			failed[ref.Domain] = err
		case used[name(ref)] || s.store.Named(ref, foreign):
			failed[ref.Domain] = fault.Refuse(codes.KeyInUse, signer.Forgetting(ref, s.cfg.Name)+": tables of the signer use it",
				signer.ReplaceFirst("its line in the SigningTable"))
		}
	}
	return failed
}

// dropSigning keeps the keys that the daemon signs with. Those that this host does not hold need no question.
func (s *Signer) dropSigning(ctx context.Context, refs []dkim.Ref, failed map[string]error) ([]dkim.Ref, error) {
	var domains []string
	for _, ref := range refs {
		if len(s.store.Kept(ref.Name)) > 0 {
			domains = append(domains, ref.Domain)
		}
	}
	active, err := s.Active(ctx, domains)
	doubts := map[string]error{}
	if partial := (*signer.PartialError)(nil); errors.As(err, &partial) {
		doubts = partial.Failed
	} else if err != nil && len(domains) == 1 {
		doubts[domains[0]] = err
	} else if err != nil {
		return nil, err
	}
	var gone []dkim.Ref
	for _, ref := range refs {
		switch {
		case doubts[ref.Domain] != nil:
			failed[ref.Domain] = doubts[ref.Domain]
		case active[ref.Domain] == ref:
			failed[ref.Domain] = &fault.Error{Kind: fault.Refused, Code: codes.KeyInUse,
				What: signer.Forgetting(ref, s.cfg.Name),
				Err:  fmt.Errorf("dkimpy-milter at %s signs with it", s.cfg.Milter),
				Hint: "restart dkimpy-milter, which reads its tables only when it starts"}
		default:
			gone = append(gone, ref)
		}
	}
	return gone, nil
}

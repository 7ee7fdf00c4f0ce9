package haraka

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Forget has nothing to remove: smtp.json holds just the key that a domain is signed with. That one is kept and
// refused with the code "key-in-use". Failures are by domain, as with Activate.
func (s *Signer) Forget(_ context.Context, keys []dkim.Ref) error {
	o, err := s.look()
	if err != nil {
		return err
	}
	failed := map[string]error{}
	for _, ref := range keys {
		if err := signer.CheckForgotten(ref, s.cfg.Name); err != nil {
			failed[ref.Domain] = err
			continue
		}
		switch used, err := s.signs(o, ref.Domain); {
		case err != nil:
			failed[ref.Domain] = err
		case used.KeyID == ref.KeyID:
			failed[ref.Domain] = fault.Refuse(codes.KeyInUse, signer.Forgetting(ref, s.cfg.Name)+": Haraka signs with it",
				signer.ReplaceFirst("its members in "+s.path()))
		}
	}
	return signer.Partial(failed, len(keys))
}

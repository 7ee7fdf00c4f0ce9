package haraka

import (
	"context"
	"errors"
	"fmt"

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
		what := fmt.Sprintf("forget key %.8s of %s on signer %s", ref.KeyID, ref.Name, s.cfg.Name)
		if err := ref.Check(); err != nil || len(ref.KeyID) != 64 {
			failed[ref.Domain] = fault.Lasting(what, errors.Join(err, errors.New("this is no reference to a key")),
				"report this as a defect")
			continue
		}
		switch used, err := s.signs(o, ref.Domain); {
		case err != nil:
			failed[ref.Domain] = err
		case used.KeyID == ref.KeyID:
			failed[ref.Domain] = fault.Refuse(codes.KeyInUse, what+": Haraka signs with it",
				signer.ReplaceFirst("its members in "+s.path()))
		}
	}
	return signer.Partial(failed, len(keys))
}

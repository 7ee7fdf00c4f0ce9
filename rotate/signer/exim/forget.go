package exim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Forget removes our key files of these keys. One that a line in force names, whoever wrote it, is kept and refused
// with the code "key-in-use". Forgetting what
// is not there succeeds. Failures are by domain, as with Activate.
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
	used, failed := s.named(t.data), map[string]error{}
	for _, ref := range keys {
		what := fmt.Sprintf("forget key %.8s of %s on signer %s", ref.KeyID, ref.Name, s.cfg.Name)
		switch err := ref.Check(); {
		case err != nil || len(ref.KeyID) != 64:
			failed[ref.Domain] = fault.Lasting(what, errors.Join(err, errors.New("this is no reference to a key")),
				"report this as a defect")
		case used[s.store.File(ref)]:
			failed[ref.Domain] = fault.Refuse(codes.KeyInUse, what+": a line of "+s.cfg.Table+" names its file",
				signer.ReplaceFirst("its line in the table"))
		default:
			if err := s.store.Remove(root, ref); err != nil {
				failed[ref.Domain] = err
			}
		}
	}
	return signer.Partial(failed, len(keys))
}

// named returns the key files that lines of the table name.
func (s *Signer) named(data []byte) map[string]bool {
	out := map[string]bool{}
	for _, value := range entries(data) {
		out[filepath.Clean(extract(value, "privkey"))] = true
	}
	return out
}

package kumomta

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

// Forget removes our key files of these keys. One that a table in force names, whoever wrote it, is kept and refused
// with the code "key-in-use". Forgetting what is not there succeeds; where keys are in Vault there are no copies.
// Failures are by domain, as with Activate.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	if s.cfg.Keys == inVault {
		return nil
	}
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
			failed[ref.Domain] = fault.Refuse(codes.KeyInUse, what+": a table of "+s.cfg.File+" names its file",
				signer.ReplaceFirst("its table in the file"))
		default:
			if err := s.store.Remove(root, ref); err != nil {
				failed[ref.Domain] = err
			}
		}
	}
	return signer.Partial(failed, len(keys))
}

// named returns the key files that tables of the file name.
func (s *Signer) named(data []byte) map[string]bool {
	out := map[string]bool{}
	d, _ := parse(data) // it was read before
	for _, all := range []map[string]section{d.domain, d.signatures} {
		for _, table := range all {
			out[filepath.Clean(table.text("filename"))] = true
		}
	}
	return out
}

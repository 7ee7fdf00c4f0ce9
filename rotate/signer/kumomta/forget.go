package kumomta

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
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
	defer t.Close()
	return signer.ForgetFiles(s.store, keys, signer.Named{Files: s.named(t.data), Table: "a table of " + s.cfg.File,
		Place: "its table in the file"})
}

// named returns the key files that tables of the file name, also by a symbolic link.
func (s *Signer) named(data []byte) map[string]bool {
	out := map[string]bool{}
	d, _ := parse(data) // it was read before
	for _, all := range []map[string]section{d.domain, d.signatures} {
		for _, table := range all {
			out[settings.RealPath(table.text("filename"))] = true
		}
	}
	return out
}

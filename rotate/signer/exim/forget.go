package exim

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
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
	defer t.Close()
	return signer.ForgetFiles(s.store, keys, signer.Named{Files: s.named(t.data), Table: "a line of " + s.cfg.Table,
		Place: "its line in the table"})
}

// named returns the key files that lines of the table name, also by a symbolic link.
func (s *Signer) named(data []byte) map[string]bool {
	out := map[string]bool{}
	for _, value := range entries(data) {
		out[settings.RealPath(extract(value, "privkey"))] = true
	}
	return out
}

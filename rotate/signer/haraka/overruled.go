package haraka

import (
	"cmp"
	"context"

	"github.com/dkimbot/dkimbot/rotate/signer/block"
)

// Overruled returns, by domain, which member of others in smtp.json Haraka takes, since it stands behind ours.
func (s *Signer) Overruled(_ context.Context, domains []string) map[string]string {
	o, err := s.look()
	if err != nil {
		return nil // Active says so
	}
	out := map[string]string{}
	for _, d := range domains {
		if at := cmp.Or(o.late(d, private), o.late(d, selector)); at != nil {
			out[d] = block.Overruled(s.path(), at.line, d)
		}
	}
	return out
}

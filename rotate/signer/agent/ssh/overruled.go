package ssh

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// Overruled returns, by domain, which line of others on the host counts in the place of dkimbot's own. The host said it
// with the last Active: it is not connected to again.
func (s *Signer) Overruled(_ context.Context, domains []string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return heard(s.overruled, slices.Values(domains))
}

// Unkept returns, by domain, what on the host keeps it from being signed as it is after the signer's next start, as the
// host said with the last Active.
func (s *Signer) Unkept(_ context.Context, signs map[string]dkim.Ref) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return heard(s.unkept, maps.Keys(signs))
}

func heard(lines map[string]string, domains iter.Seq[string]) map[string]string {
	out := map[string]string{}
	for d := range domains {
		if line := lines[d]; line != "" {
			out[d] = line
		}
	}
	return out
}

// hear keeps what the host says of its files. A request that holds private keys tells nothing of them: what was
// said before is not kept then, and nothing of the answer is shown (I9).
func (s *Signer) hear(r protocol.Request, a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overruled == nil {
		s.overruled, s.unkept = map[string]string{}, map[string]string{}
	}
	for _, e := range r.Domains {
		for _, of := range []struct{ said, kept map[string]string }{{a.Overruled, s.overruled}, {a.Unkept, s.unkept}} {
			delete(of.kept, e.Domain)
			if line := of.said[e.Domain]; line != "" && r.Action == protocol.Active {
				of.kept[e.Domain] = "on host " + s.cfg.Host + ", " + oneLine(line)
			}
		}
	}
}

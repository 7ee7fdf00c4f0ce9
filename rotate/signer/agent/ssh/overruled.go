package ssh

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// Overruled returns, by domain, which line of others on the host counts in the place of dkimbot's own. The host said it
// with the last Active: it is not connected to again.
func (s *Signer) Overruled(_ context.Context, domains []string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for _, d := range domains {
		if line := s.overruled[d]; line != "" {
			out[d] = line
		}
	}
	return out
}

// hear keeps what the host says of lines of others. A request that holds private keys tells nothing of them: what was
// said before is not kept then, and nothing of the answer is shown (I9).
func (s *Signer) hear(r protocol.Request, a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overruled == nil {
		s.overruled = map[string]string{}
	}
	for _, e := range r.Domains {
		delete(s.overruled, e.Domain)
		if line := a.Overruled[e.Domain]; line != "" && r.Action == protocol.Active {
			s.overruled[e.Domain] = "on host " + s.cfg.Host + ", " + oneLine(line)
		}
	}
}

package probe

import (
	"context"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Reloader is implemented by signers that read what is written for them only when they are asked to, and can be asked
// again where mail shows that they have not.
type Reloader interface {
	Reload(ctx context.Context) error
}

// Proved returns the signer with mail as the proof of what it signs with.
func Proved(s ports.Signer, by *Prober) ports.Signer { return proved{ports.Wrapped{Signer: s}, by} }

type proved struct {
	ports.Wrapped
	by *Prober
}

// Probes implements ports.Prober.
func (proved) Probes() bool { return true }

// Prove implements ports.Prober.
func (s proved) Prove(ctx context.Context, keys []dkim.SigningKey) error {
	var again func(context.Context)
	if r, ok := s.Signer.(Reloader); ok {
		again = func(ctx context.Context) { _ = r.Reload(ctx) } // mail says whether it helped
	}
	return preflight.Failed(s.by.Prove(ctx, keys, again)).OrNil()
}

// Signed implements ports.Prober.
func (s proved) Signed(ctx context.Context, domains []string) (map[string][]dkim.Ref, error) {
	signed, failed := s.by.Signed(ctx, domains)
	return signed, preflight.Failed(failed).OrNil()
}

// Check implements preflight.Checker: the signer is asked what it asks, and the way of the probe is tried.
func (s proved) Check(of []preflight.Subject) []preflight.Question {
	return slices.Concat(preflight.Of(s.Signer, of), s.by.Check())
}

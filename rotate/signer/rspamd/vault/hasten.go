package vault

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Hasten has switches to these keys that are scheduled happen at once: each of the keys is then the only one that is
// valid at any time. A domain for which no switch to its key is scheduled stays as it is. Failures are by domain.
func (s *Signer) Hasten(ctx context.Context, keys []dkim.Ref) error {
	modules, err := s.modules()
	if err != nil {
		return err
	}
	return signer.Partial(each(keys, func(k dkim.Ref) string { return k.Domain }, func(k dkim.Ref) error {
		for _, m := range modules {
			if err := s.hasten(ctx, m, k); err != nil {
				return err
			}
		}
		return nil
	}), len(keys))
}

func (s *Signer) hasten(ctx context.Context, m module, k dkim.Ref) error {
	is, err := s.load(ctx, m, k.Domain)
	if err != nil {
		return err
	}
	next := is.find(k)
	last, ok := is.alone(seconds(s.now()), forever)
	if !ok || last != next || !next.ours || !is.give(next, s.now(), 0, true) {
		return nil
	}
	data, err := is.data()
	if err != nil {
		return err
	}
	return m.Write(ctx, dkim.Name{Domain: k.Domain}, data, is.before)
}

// HurriedLag is Lag of a switch that is not scheduled.
func (s *Signer) HurriedLag() time.Duration { return min(s.cfg.Lag, DefaultLag) }

package maddy

import (
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Active asks maddy what it signs each of the domains with, by a message that goes nowhere. A domain that it does not
// sign is left out, as all are while it does not run and could not start, since a key file is missing. Any other maddy
// that does not answer is an error.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	in, err := s.listen(ctx)
	if err != nil {
		return nil, err
	}
	defer in.close()
	return s.active(ctx, in, domains)
}

func (s *Signer) active(ctx context.Context, in *inbox, domains []string) (map[string]dkim.Ref, error) {
	of, err := s.numbers()
	if err != nil {
		return nil, err
	}
	down := false
	active, failed := in.asked().Active(ctx, domains,
		func(a milter.Answer) (dkim.Ref, error) { return s.identify(a, of) },
		func(err error) error {
			down = milter.Nobody(err)
			return s.silent(ctx, err)
		})
	if down && s.cantStart() {
		return active, nil
	}
	return active, signer.Partial(failed, len(domains))
}

func (s *Signer) silent(ctx context.Context, err error) error {
	return milter.Silent(ctx, fmt.Sprintf("ask maddy at %s what it signs with (signer %s)", s.cfg.Ask, s.cfg.Name), err,
		fmt.Sprintf("see whether maddy runs, and whether maddy.conf has the endpoint %s that delivers to %s, as in "+
			"examples/maddy", s.cfg.Ask, s.cfg.Answer))
}

// identify finds the key that made the signature among those that the files hold; a zero Ref where the mail was not
// signed.
func (s *Signer) identify(a milter.Answer, of numbers) (dkim.Ref, error) {
	what := fmt.Sprintf("ask maddy at %s what it signs %s with (signer %s)", s.cfg.Ask, a.Domain, s.cfg.Name)
	if a.Refused != nil {
		return dkim.Ref{}, fault.Temporary(what, a.Refused, "see why it refuses such mail; journalctl -u maddy says why")
	}
	selectors := a.Selectors()
	switch len(selectors) {
	case 0:
		return dkim.Ref{}, nil
	case 1:
	default:
		return dkim.Ref{}, fault.Lasting(what, fmt.Errorf("it signs with %s", strings.Join(selectors, " and ")),
			"leave one dkim directive of this domain, the one in "+s.cfg.File+" if it has one: take the others out of "+
				"maddy.conf, and restart maddy")
	}
	files := s.kept(of, dkim.Name{Domain: a.Domain, Selector: selectors[0]})
	ref, err := a.Key(files, s.store.PublicAt) // one that is lost is written again
	if err != nil {
		return dkim.Ref{}, fault.Lasting(what, err, "run as a user that may read maddy's keys")
	}
	return ref, nil
}

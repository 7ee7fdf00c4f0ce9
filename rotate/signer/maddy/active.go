package maddy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// unknownKey stands for the id of a key that signs and that is in no file of the key directory.
const unknownKey = "unknown"

// Active asks maddy what it signs each of the domains with, by a message that goes nowhere. A domain that it does not
// sign is left out. A maddy that does not answer is an error.
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
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	of, err := s.numbers()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	silent, down := in.asked().Ask(ctx, domains, func(a milter.Answer) {
		if a.Refused == nil && len(a.Selectors()) == 0 {
			return
		}
		ref, err := s.identify(a, of)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed[a.Domain] = err
			return
		}
		active[a.Domain] = ref
	})
	for _, domain := range silent {
		failed[domain] = s.silent(ctx, down)
	}
	return active, signer.Partial(failed, len(domains))
}

func (s *Signer) silent(ctx context.Context, err error) error {
	what := fmt.Sprintf("ask maddy at %s what it signs with (signer %s)", s.cfg.Ask, s.cfg.Name)
	if ctx.Err() != nil {
		return fault.Temporary(what, context.Cause(ctx), "run it again; it was interrupted, or its time ran out")
	}
	return fault.Temporary(what, fmt.Errorf("it does not answer: %w", err),
		fmt.Sprintf("see whether maddy runs, and whether maddy.conf has the endpoint %s that delivers to %s, as in "+
			"examples/maddy", s.cfg.Ask, s.cfg.Answer))
}

// identify finds the key that made the signature among those that the files hold.
func (s *Signer) identify(a milter.Answer, of numbers) (dkim.Ref, error) {
	what := fmt.Sprintf("ask maddy at %s what it signs %s with (signer %s)", s.cfg.Ask, a.Domain, s.cfg.Name)
	if a.Refused != nil {
		return dkim.Ref{}, fault.Temporary(what, a.Refused, "see why it refuses such mail; journalctl -u maddy says why")
	}
	selectors := a.Selectors()
	if len(selectors) > 1 {
		return dkim.Ref{}, fault.Lasting(what, fmt.Errorf("it signs with %s", strings.Join(selectors, " and ")),
			"leave one dkim directive of this domain, the one in "+s.cfg.File+" if it has one: take the others out of "+
				"maddy.conf, and restart maddy")
	}
	ref := dkim.Ref{Name: dkim.Name{Domain: a.Domain, Selector: selectors[0]}, KeyID: unknownKey}
	var unread error
	for _, file := range s.kept(of, ref.Name) {
		data, err := keyfiles.ReadKey(file)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		key, err := dkim.ParseForeignKey(data)
		public := key.Public()
		if weak := (*dkim.WeakKeyError)(nil); errors.As(err, &weak) {
			public = weak.Public
		}
		if public.ID() != "" && a.MadeWith(public) == nil {
			ref.KeyID = public.ID()
			return ref, nil
		}
	}
	if unread != nil {
		return dkim.Ref{}, fault.Lasting(what, fmt.Errorf("it signs with selector %s, and a key that may be in use can't be "+
			"read: %w", ref.Selector, unread), "run as a user that may read maddy's keys")
	}
	return ref, nil
}

package maddy

import (
	"context"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// prove asks maddy about every key and returns the findings that are not a proof.
func (s *Signer) prove(ctx context.Context, in *inbox, b *signer.Batch,
	patience time.Duration) map[string]milter.Finding {
	return in.asked().Prove(ctx, milter.Wants(b.Keys), patience)
}

// signed returns the domains that maddy signs now, whatever with. It is an error when it can't be asked.
func (s *Signer) signed(ctx context.Context, in *inbox, b *signer.Batch) (map[string]bool, error) {
	out := map[string]bool{}
	for domain, f := range s.prove(ctx, in, b, 0) {
		if f.Verdict == milter.Unreachable {
			return nil, s.silent(ctx, f.Err)
		}
		out[domain] = f.Verdict == milter.OtherKey
	}
	for _, k := range b.Keys {
		if _, doubted := out[k.Domain]; !doubted {
			out[k.Domain] = true
		}
	}
	return out, nil
}

// giveBack gives a domain what the file said of it before, unless maddy would not start with that.
func (s *Signer) giveBack(f *imported) (to func(domain string), err error) {
	old, err := parse(f.was)
	if err != nil {
		return nil, s.store.Fault("read "+s.cfg.File, err)
	}
	return func(domain string) {
		if was, ok := old.of[domain]; ok && holdsKey(was.file(domain)) != nil {
			return
		}
		if delete(f.of, domain); old.of[domain].selector != "" {
			f.of[domain] = old.of[domain]
		}
	}, nil
}

// keepOld does so for the domains in whose key files another program has written meanwhile: maddy, which signs with the
// keys that it read at its start, would sign with those after the restart.
func (s *Signer) keepOld(f *imported, b *signer.Batch, placed map[string]entry) error {
	giveBack, err := s.giveBack(f)
	if err != nil {
		return err
	}
	all := len(b.Keys)
	for _, k := range b.Keys {
		if err := s.store.Keeps(b.What(k.Name), placed[k.Domain].file(k.Domain), k); err != nil {
			giveBack(k.Domain)
			b.Fail(k.Name, err)
		}
	}
	if b.Drop(); len(b.Keys) == all {
		return nil
	}
	return s.write(f)
}

// settle has maddy prove the switch. Where it does worse than before, the file goes back to what it was for that
// domain, and maddy is started once more.
func (s *Signer) settle(ctx context.Context, in *inbox, f *imported, b *signer.Batch, before map[string]bool) error {
	doubts := s.prove(ctx, in, b, s.cfg.RestartTimeout)
	if len(doubts) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Temporary("prove the switch on signer "+s.cfg.Name, context.Cause(ctx),
			"run it again: it continues with what is not proved yet")
	}
	giveBack, err := s.giveBack(f)
	if err != nil {
		return err
	}
	back := false
	for _, k := range b.Keys {
		doubt, doubted := doubts[k.Domain]
		if !doubted {
			continue
		}
		err := doubt.Err
		if worse(doubt.Verdict, before[k.Domain]) {
			back = true
			giveBack(k.Domain)
			err = fmt.Errorf("%w; %s was restored", err, s.cfg.File)
		}
		b.Fail(k.Name, s.doubt(k.Name, doubt.Verdict, err))
	}
	b.Drop()
	if !back {
		return nil
	}
	if err := s.write(f); err != nil {
		return err
	}
	return s.restart(ctx)
}

// worse reports whether maddy does worse than before with a domain that was signed then, or was not.
func worse(v milter.Verdict, signed bool) bool {
	return v == milter.TurnedAway || v == milter.Unverifiable || v == milter.Unreachable || v == milter.Unsigned && signed
}

func (s *Signer) doubt(n dkim.Name, verdict milter.Verdict, err error) error {
	what := fmt.Sprintf("prove that maddy at %s signs with %s (signer %s)", s.cfg.Ask, n, s.cfg.Name)
	return fault.Temporary(what, err, map[milter.Verdict]string{
		milter.OtherKey: fmt.Sprintf("see whether %s restarts this maddy, and whether its endpoint at %s uses the modifiers "+
			"that import %s", child.Shell(s.cfg.Restart), s.cfg.Ask, s.cfg.File),
		milter.Unsigned: fmt.Sprintf("see whether maddy.conf imports %s, and whether its endpoint at %s uses those modifiers",
			s.cfg.File, s.cfg.Ask),
		milter.TurnedAway:   "see why maddy refuses mail of the domain at that endpoint; journalctl -u maddy says why",
		milter.Unverifiable: "see whether another program writes to " + s.cfg.KeyDir,
		milter.Several:      "see whether maddy.conf has a dkim directive of its own for this domain, and remove it",
		milter.Unreachable:  "see whether maddy runs; journalctl -u maddy says why",
	}[verdict])
}

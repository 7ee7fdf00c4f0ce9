package dkimpy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// prove asks the daemon about every key and returns the findings that are not a proof.
func (s *Signer) prove(ctx context.Context, b *signer.Batch, patience time.Duration) map[string]milter.Finding {
	return s.socket.Asked().Prove(ctx, milter.Wants(b.Keys), patience)
}

// signedBefore returns the domains that the daemon may sign now: those with a line of ours, and of the others those
// that it says it signs, whatever with; none of these while it does not answer. dkimpy-milter signs in Python, which
// takes 8 ms of a processor for a message, one after the other: asking it of all would double the time of a switch.
func (s *Signer) signedBefore(ctx context.Context, t *tables, b *signer.Batch) map[string]bool {
	out := map[string]bool{}
	others := *b
	others.Keys = slices.DeleteFunc(slices.Clone(b.Keys), func(k dkim.SigningKey) bool {
		out[k.Domain] = t.signing.old[pattern(k.Domain)] != ""
		return out[k.Domain]
	})
	for domain, f := range s.prove(ctx, &others, 0) {
		out[domain] = f.Verdict == milter.OtherKey
	}
	return out
}

// keepOld gives the domains their lines of before in whose key files another program has written meanwhile: the daemon,
// which signs with the keys that it read at its start, would sign with those after the restart.
func (s *Signer) keepOld(t *tables, b *signer.Batch) error {
	all := len(b.Keys)
	for _, k := range b.Keys {
		e, _ := s.written(t, k.Domain)
		if err := s.store.Keeps(b.What(k.Name), e.path, k); err != nil {
			t.signing.Set(pattern(k.Domain), t.signing.old[pattern(k.Domain)])
			b.Fail(k.Name, err)
		}
	}
	if b.Drop(); len(b.Keys) == all {
		return nil
	}
	return s.write(t)
}

// settle has the daemon prove the switch. Where it does worse than before, the tables go back to what they were for
// that domain, and it is started once more.
func (s *Signer) settle(ctx context.Context, t *tables, b *signer.Batch, before map[string]bool) error {
	doubts := s.prove(ctx, b, s.cfg.RestartTimeout)
	if len(doubts) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Temporary("prove the switch on signer "+s.cfg.Name, context.Cause(ctx),
			"run it again: it continues with what is not proved yet")
	}
	back := false
	for _, k := range b.Keys {
		f, doubted := doubts[k.Domain]
		if !doubted {
			continue
		}
		err := f.Err
		worse := f.Verdict == milter.TurnedAway || f.Verdict == milter.Unverifiable || f.Verdict == milter.Unreachable ||
			f.Verdict == milter.Unsigned && before[k.Domain]
		if worse && !t.signing.lost[pattern(k.Domain)] {
			back = true
			t.signing.Set(pattern(k.Domain), t.signing.old[pattern(k.Domain)])
			err = fmt.Errorf("%w; the SigningTable was restored", err)
		}
		b.Fail(k.Name, s.doubt(k.Name, f.Verdict, err))
	}
	b.Drop()
	if !back {
		return nil
	}
	if err := s.write(t); err != nil {
		return err
	}
	return s.restart(ctx, t)
}

// goBack puts the tables back, after a restart that failed, and starts the daemon again. The operation is over in any
// case, so that it is not cut short with it.
func (s *Signer) goBack(ctx context.Context, t *tables, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.RestartTimeout)
	defer cancel()
	var err error
	if len(t.signing.lost) == 0 {
		err = s.store.Replace(t.signing.Place, t.signing.was)
	}
	if err == nil {
		err = s.restart(ctx, t)
	}
	if err != nil {
		return errors.Join(failed, err)
	}
	return failed
}

func (s *Signer) doubt(n dkim.Name, verdict milter.Verdict, err error) error {
	what := fmt.Sprintf("prove that dkimpy-milter at %s signs with %s (signer %s)", s.cfg.Milter, n, s.cfg.Name)
	return fault.Temporary(what, err, map[milter.Verdict]string{
		milter.OtherKey: fmt.Sprintf("see whether the restart by %s reaches this daemon, and whether its configuration names %s",
			child.Shell(s.cfg.Restart), s.cfg.SigningTable),
		milter.Unsigned: fmt.Sprintf("see whether dkimpy-milter.conf names %s and %s, and has s in Mode; "+
			"journalctl -u dkimpy-milter says why", s.cfg.SigningTable, strings.Join(s.keyTables(), " and ")),
		milter.TurnedAway: "see whether dkimpy-milter.conf has KeyTableEd25519 and the configuration has no " +
			"key_table_ed25519, or the other way round; journalctl -u dkimpy-milter says why",
		milter.Unverifiable: "see whether another program writes to the tables",
		milter.Several: "see whether dkimpy-milter.conf has a KeyFile or KeyFileEd25519 beside the tables; " +
			"take it out when each domain that is signed with it has lines in the tables",
		milter.Unreachable: "see whether the daemon runs and whether milter in the configuration is its Socket; " +
			"journalctl -u dkimpy-milter says why",
	}[verdict])
}

func (s *Signer) keyTables() []string {
	if s.cfg.KeyTableEd25519 == "" {
		return []string{s.cfg.KeyTable}
	}
	return []string{s.cfg.KeyTable, s.cfg.KeyTableEd25519}
}

package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Activate asks the agent to make each key the only one that its domain is signed with, and waits until it has reported
// that. What is not reported in time is an error, and stays asked for.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	b := signer.NewBatch(s.cfg.Name, keys, nil)
	if len(b.Keys) == 0 {
		return b.Err()
	}
	v, err := s.change(ctx, func(v *view, sequence int64) bool { return s.ask(v, b.Keys, sequence) })
	if err != nil {
		return err
	}
	if err := s.await(ctx, v, b.Keys); err != nil {
		return err
	}
	for _, k := range b.Keys {
		if err := v.confirms(k); err != nil {
			b.Fail(k.Name, fmt.Errorf("%s: %w", b.What(k.Name), err))
		}
	}
	return b.Err()
}

// Forget has the agent remove its copies of keys that are not in use any more. The order is given when this returns;
// an agent that is away carries it out when it comes back.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	for _, k := range keys {
		if err := k.Check(); err != nil {
			return fault.Lasting("forget a key on signer "+s.cfg.Name, err, "report this as a defect")
		}
	}
	_, err := s.change(ctx, func(v *view, sequence int64) (changed bool) {
		for _, k := range keys {
			f := Forgotten{k.Domain, k.Selector, k.KeyID, sequence}
			if !slices.ContainsFunc(v.wish.Forget, func(o Forgotten) bool { return o.Ref() == k }) &&
				v.wish.Keys[k.Domain].KeyID != k.KeyID {
				v.wish.Forget, changed = append(v.wish.Forget, f), true
			}
		}
		return changed
	})
	return err
}

// Withdraw ends that the agent is asked for keys that are gone, of domains that its signer is no longer listed at. Its
// host continues to sign with what it has, and to report that.
func (s *Signer) Withdraw(ctx context.Context, keys []dkim.Ref) error {
	_, err := s.change(ctx, func(v *view, _ int64) (changed bool) {
		for _, k := range keys {
			if w, asked := v.wish.Keys[k.Domain]; asked && w.KeyID == k.KeyID {
				delete(v.wish.Keys, k.Domain)
				changed = true
			}
		}
		return changed
	})
	return err
}

// ask puts into the wish what is wanted, and reports whether that changes anything. A signer that has left what is
// wanted since, or drifted meanwhile, is asked again.
func (s *Signer) ask(v *view, keys []dkim.SigningKey, sequence int64) (changed bool) {
	for _, k := range keys {
		if w := v.wish.Keys[k.Domain]; w.Ref(k.Domain) == k.Ref() && !v.left(k.Domain, w) {
			continue
		}
		if v.wish.Keys == nil {
			v.wish.Keys = map[string]Wanted{}
		}
		v.wish.Keys[k.Domain] = v.wish.Keys[k.Domain].followed(k, sequence, s.clock.Now())
		v.wish.Forget = slices.DeleteFunc(v.wish.Forget, func(f Forgotten) bool { return f.Ref() == k.Ref() })
		changed = true
	}
	return changed
}

// followed returns what is wanted next, after w.
func (w Wanted) followed(k dkim.SigningKey, sequence int64, now time.Time) Wanted {
	next := Wanted{Selector: k.Selector, KeyID: k.Ref().KeyID, Sequence: sequence, Since: now.UTC().Truncate(time.Second),
		Was: w.Selector}
	if w.Ref(k.Domain) == k.Ref() {
		next.Named, next.Was = w.first(), w.Was
	}
	return next
}

// left reports whether the agent had taken up what is wanted of a domain, and another key signs nevertheless, or would
// after the signer's next start.
func (v *view) left(domain string, w Wanted) bool {
	seen := v.report.Keys[domain]
	ref := dkim.Ref{Name: dkim.Name{Domain: domain, Selector: seen.Selector}, KeyID: seen.KeyID}
	drifted := seen.Drifted != nil && seen.Drifted.Sequence >= w.Sequence
	return v.report.Sequence >= w.Sequence && seen.Error == "" &&
		(ref != w.Ref(domain) || drifted || seen.Unkept != "" || v.hasGone(domain))
}

// mostTries is how often a wish is written when others write it at the same time.
const mostTries = 8

// change changes the wish, and returns both documents as they are then. edit reports whether there is
// something to write.
func (s *Signer) change(ctx context.Context, edit func(v *view, sequence int64) bool) (*view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for try := 1; ; try++ {
		v, err := s.look(ctx)
		if err != nil {
			return nil, err
		}
		next := max(v.wish.Sequence, v.report.Sequence) + 1
		if !edit(v, next) {
			return v, nil
		}
		if !IsSequence(next) {
			return nil, &fault.Error{Kind: fault.Permanent, Code: codes.AgentDocument,
				What: "write the wish for agent " + s.cfg.Agent,
				Err:  fmt.Errorf("no number is left after %d, which host %s reports", next-1, v.report.Host),
				Hint: "stop the agent, remove its state_dir, delete its wish and report (vault kv delete), and start it; dkimbot " +
					"writes its own again"}
		}
		v.restore(next)
		v.dismiss(next)
		v.wish.Sequence = next
		v.wish.Forget = slices.DeleteFunc(v.wish.Forget, func(f Forgotten) bool {
			return f.Sequence <= v.report.Forgotten && !slices.Contains(v.report.Kept, f.KeyID)
		})
		text, err := Text(v.wish)
		if err != nil {
			return nil, fault.Lasting("write the wish for agent "+s.cfg.Agent, err,
				"divide the domains among several agents on that host")
		}
		_, err = s.board.Write(ctx, WishAt(s.cfg.Agent), text, v.wishAt)
		if fault.CodeOf(err) == codes.VersionConflict && try < mostTries {
			continue
		}
		return v, err
	}
}

// await reads the report again and again until the agent has taken up what is wanted of the domains, for as long as a
// switch may take, or until the caller no longer waits. It does not wait for an agent that is silent, and in a hurry
// for none that has missed a report.
func (s *Signer) await(ctx context.Context, v *view, keys []dkim.SigningKey) error {
	behind := func(k dkim.SigningKey) bool { return v.wish.Keys[k.Domain].Sequence > v.report.Sequence }
	deadline := s.clock.Now().Add(s.cfg.Timeout)
	hurried := ports.InAHurry(ctx)
	ctx, cancel := ports.Waiting(ctx)
	defer cancel()
	for {
		err := v.silent()
		if hurried && slices.ContainsFunc(keys, behind) {
			err = cmp.Or(err, v.missed())
		}
		switch {
		case err != nil:
			return v.away(fmt.Sprintf("switch signer %s", s.cfg.Name), err)
		case !slices.ContainsFunc(keys, behind) || !s.clock.Now().Before(deadline):
			return nil
		}
		err = s.clock.Sleep(ctx, min(max(v.report.Poll/8, 20*time.Millisecond), 2*time.Second))
		if err = cmp.Or(err, context.Cause(ctx)); err != nil {
			return fault.Temporary("wait for the report of agent "+s.cfg.Agent, err,
				fault.RunAgain+", and what was asked for stays so")
		}
		if err := s.hear(ctx, v); err != nil {
			return err
		}
	}
}

// missed says that the agent should have reported since it did last; nil when it should not. It needs some time to
// take up what is wanted.
func (v *view) missed() error {
	poll := min(v.report.Poll, LongestPoll)
	if v.reported.Age() <= poll+max(poll/2, 15*time.Second) {
		return nil
	}
	return fmt.Errorf("agent %s on host %s has missed a report, its last one is of %s", v.cfg.Agent, v.report.Host,
		stamp(v.reported.Written))
}

// confirms says why a key is not confirmed; nil when the agent has reported that it is in effect.
func (v *view) confirms(k dkim.SigningKey) error {
	ref, err := v.here(k.Domain)
	seen := v.report.Keys[k.Domain]
	switch {
	case err != nil:
		return err
	case ref == k.Ref(): // whoever else reported under this name has to have it, too
		_, err := v.active(k.Domain)
		return err
	case seen.Error != "":
		return v.failed(k.Domain, seen)
	}
	return fault.Temporary(fmt.Sprintf("agent %s on host %s", v.cfg.Agent, v.report.Host),
		fmt.Errorf("it reports that %q signs, key %.8s", ref.Selector, ref.KeyID),
		"see whether another dkimbot asks the same agent for something else")
}

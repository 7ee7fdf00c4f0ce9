package opendkim

import (
	"context"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// prove asks the daemon about every job and returns the findings that are not a proof; see milter.Asked.Prove.
func (b *batch) prove(ctx context.Context, patience time.Duration) map[string]milter.Finding {
	wants := make([]milter.Want, len(b.jobs))
	for i, j := range b.jobs {
		wants[i] = milter.Want{Name: j.Name, Key: j.Key.Public(), Others: b.others(j.Domain)}
	}
	return b.socket.Asked().Prove(ctx, wants, patience)
}

// settle turns doubts into failures. Where the daemon does worse than before, the
// tables go back to what they were, so that mail is signed with the old key.
func (b *batch) settle(ctx context.Context, doubts map[string]milter.Finding) error {
	if len(doubts) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Temporary("prove the switch on signer "+b.cfg.Name, context.Cause(ctx),
			"run it again: it continues with what is not proved yet")
	}
	var back []*job
	for _, j := range b.jobs {
		f, doubted := doubts[j.Domain]
		if !doubted {
			continue
		}
		worse := f.Verdict == milter.TurnedAway || f.Verdict == milter.Unverifiable ||
			f.Verdict == milter.Unsigned && j.before != nil
		if worse && j.changed() {
			back = append(back, j)
		}
		b.Failed[j.Domain] = b.doubt(j, f, worse && j.changed())
	}
	b.dropFailed()
	if len(back) == 0 {
		return nil
	}
	return b.goBack(ctx, back)
}

func (b *batch) doubt(j *job, f milter.Finding, back bool) error {
	err := f.Err
	if back {
		err = fmt.Errorf("%w; the tables were restored", err)
	}
	what := fmt.Sprintf("prove that opendkim at %s signs with %s (signer %s)", b.cfg.Milter, j.Name, b.cfg.Name)
	if f.Verdict == milter.Several {
		return fault.Lasting(what, err,
			fmt.Sprintf("with MultipleSignatures every matching line signs: leave one line for *@%s in %s, dkimbot's if it has one",
				j.Domain, b.signTable))
	}
	return fault.Temporary(what, err, map[milter.Verdict]string{
		milter.OtherKey: fmt.Sprintf("see whether the reload %s reaches this daemon and whether it can load %s and %s",
			b.cfg.reloading(), b.keyTable, b.signTable),
		milter.Unsigned: fmt.Sprintf("see whether opendkim.conf names %s and %s, has s in Mode, "+
			"and whether the reload %s works; journalctl -u opendkim says why", b.keyTable, b.signTable, b.cfg.reloading()),
		milter.TurnedAway: "see in the daemon's log why it can't use the key: " +
			"owner and mode of the key file (RequireSafeKeys), or SignatureAlgorithm; journalctl -u opendkim says why",
		milter.Unverifiable: "see whether SignatureAlgorithm in opendkim.conf fits the key",
		milter.Unreachable:  "see whether the daemon runs and whether milter in the configuration is its Socket",
	}[f.Verdict])
}

// goBack takes the jobs' lines back, the SigningTable first because the
// KeyTable has the entries of both states, and reloads.
func (b *batch) goBack(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		if j.signing.key != "" {
			b.signTab.Set(j.signing.key, j.signing.before)
		}
		for _, c := range j.keys {
			b.keyTab.Set(c.key, c.before)
		}
	}
	if err := b.store.Replace(b.sign, b.signTab.Bytes()); err != nil {
		return b.fileFault("go back to the old table "+b.signTable, err)
	}
	if err := b.store.Replace(b.key, b.keyTab.Bytes()); err != nil {
		return b.fileFault("go back to the old table "+b.keyTable, err)
	}
	return b.reload(ctx)
}

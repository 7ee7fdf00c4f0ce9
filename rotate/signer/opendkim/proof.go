package opendkim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// connections is how many the daemon is asked through at once.
const connections = 4

// patience says how long to continue asking about a domain without any progress.
type patience int

const (
	onePass patience = iota // ask about each domain once
	patient                 // ask until nothing more was proved for ReloadTimeout
)

// prove asks the daemon about every job and returns the findings that are not
// a proof.
func (b *batch) prove(ctx context.Context, p patience) map[string]finding {
	r := &round{Signer: b.Signer, doubts: map[string]finding{}, progress: time.Now()}
	var wg sync.WaitGroup
	for i := range connections {
		var queue []*job
		for k := i; k < len(b.jobs); k += connections {
			queue = append(queue, b.jobs[k])
		}
		wg.Go(func() { r.work(ctx, queue, p) })
	}
	wg.Wait()
	return r.doubts
}

// round is one proof of a batch.
type round struct {
	*Signer
	mu       sync.Mutex
	doubts   map[string]finding
	progress time.Time // when a domain was proved last
}

// work proves a queue of domains. A domain in doubt is asked about again
// later and on a new connection, because a connection keeps the tables that
// were in force when it began.
func (r *round) work(ctx context.Context, queue []*job, p patience) {
	pause := 20 * time.Millisecond
	for len(queue) > 0 {
		left := r.connection(ctx, queue, p)
		if p == onePass || ctx.Err() != nil || r.stalled() {
			return
		}
		if len(left) < len(queue) {
			pause = 20 * time.Millisecond
		}
		if queue = left; len(queue) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}

// connection asks through one connection until a domain is in doubt (patient)
// or all were asked about (onePass), and returns the domains that are left, that one last.
func (r *round) connection(ctx context.Context, queue []*job, p patience) []*job {
	c, err := r.dial(ctx)
	if err != nil {
		for _, j := range queue {
			r.note(j, finding{unreachable, err})
		}
		return queue
	}
	defer c.close()
	for i, j := range queue {
		f := c.check(j.SigningKey)
		r.note(j, f)
		switch {
		case f.verdict == unreachable && p == onePass:
			for _, k := range queue[i:] {
				r.note(k, f)
			}
			return nil
		case f.verdict != proved && p == patient:
			return append(slices.Clone(queue[i+1:]), j)
		}
	}
	return nil
}

func (r *round) note(j *job, f finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.verdict == proved {
		delete(r.doubts, j.Domain)
		r.progress = time.Now()
		return
	}
	r.doubts[j.Domain] = f
}

func (r *round) stalled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.progress) > r.cfg.ReloadTimeout
}

// settle turns doubts into failures. Where the daemon does worse than before, the
// tables go back to what they were, so that mail is signed with the old key.
func (b *batch) settle(ctx context.Context, doubts map[string]finding) error {
	if len(doubts) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Temporary("prove the switch on signer "+b.cfg.Name, context.Cause(ctx),
			"run again: what is not proved yet will be")
	}
	var back []*job
	for _, j := range b.jobs {
		f, doubted := doubts[j.Domain]
		if !doubted {
			continue
		}
		worse := f.verdict == turnedAway || f.verdict == unverifiable || f.verdict == unsigned && j.before != nil
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

func (b *batch) doubt(j *job, f finding, back bool) error {
	err := f.err
	if back {
		err = fmt.Errorf("%w; the tables are back at what they were", err)
	}
	what := fmt.Sprintf("prove that opendkim at %s signs with %s (signer %s)", b.cfg.Milter, j.Name, b.cfg.Name)
	if f.verdict == several {
		return fault.Lasting(what, err,
			fmt.Sprintf("with MultipleSignatures every matching line signs: remove the other lines for *@%s from %s",
				j.Domain, b.signTable))
	}
	return fault.Temporary(what, err, map[verdict]string{
		otherKey: fmt.Sprintf("see whether the reload %q reaches this daemon and whether it can load %s and %s",
			b.cfg.Reload, b.keyTable, b.signTable),
		unsigned: fmt.Sprintf("see whether opendkim.conf names %s and %s, has s in Mode, "+
			"and whether the reload %q works; journalctl -u opendkim tells", b.keyTable, b.signTable, b.cfg.Reload),
		turnedAway: "see in the daemon's log why it can't use the key: " +
			"owner and mode of the key file (RequireSafeKeys), or SignatureAlgorithm; journalctl -u opendkim tells",
		unverifiable: "see whether SignatureAlgorithm in opendkim.conf fits the key",
		unreachable:  "see whether the daemon runs and whether milter in the configuration is its Socket",
	}[f.verdict])
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

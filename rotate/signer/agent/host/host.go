package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// Host is an agent on its host. It is used by one goroutine.
type Host struct {
	Agent   string        // its name
	Name    string        // of the host, for people
	Version string        // of the program, for people
	Domains []string      // that it takes keys for, and reports on from the beginning; nil: those that it is asked for
	Poll    time.Duration // how often a turn comes
	Board   agent.Board
	Keys    Keys
	Signer  signer.Signer
	Memory  Memory
	Now     func() time.Time
	Names   func() string // new ones, each another one; nil: random ones
}

// newName names a memory, or a report.
func (h *Host) newName() string {
	if h.Names != nil {
		return h.Names()
	}
	return newName()
}

// Keys is where the private keys are kept.
type Keys interface {
	// Get returns the key of a version, or of the newest one for version 0, with its number.
	Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error)
}

// sharer is a signer whose files others write, too.
type sharer interface {
	Overruled(ctx context.Context, domains []string) map[string]string
}

// keeper is a signer whose program signs with what it has read.
type keeper interface {
	Unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string
}

// forgetter is a signer that holds copies of keys.
type forgetter interface {
	Forget(ctx context.Context, keys []dkim.Ref) error
}

// Turn takes up what is wanted and reports what is in effect. The report is returned also where it could not be
// written. An error means that the coordinator does not know of this turn; the signer signs with what it has.
func (h *Host) Turn(ctx context.Context) (agent.Report, error) {
	t := &turn{Host: h}
	if err := t.read(ctx); err != nil {
		return agent.Report{}, err
	}
	if err := t.work(ctx); err != nil {
		return t.report, err
	}
	if err := ctx.Err(); err != nil {
		return t.report, fault.Interrupted("carry out the wish for agent "+h.Agent, context.Cause(ctx))
	}
	return t.report, t.write(ctx)
}

// turn is one turn of a host.
type turn struct {
	*Host
	memo   Memo
	wish   agent.Wish
	before agent.Report // the last one, by whichever host
	page   agent.Page   // that it stands on
	report agent.Report
	wanted map[string]dkim.Ref // by domain
	acts   map[string]bool     // by domain: it is wanted again, and not in effect
	older  bool                // the wish is older than one that was taken up
	others []agent.Other       // all that reported under this name, but for this host
}

// read reads what is known, and what is wanted.
func (t *turn) read(ctx context.Context) (err error) {
	if t.memo, err = t.Memory.Load(); err != nil {
		return err
	}
	if t.page, err = t.Board.Read(ctx, agent.ReportAt(t.Agent)); err != nil {
		return err
	}
	if t.before, err = agent.ReadReport(t.Agent, t.page); err != nil {
		t.before = agent.Report{} // it is written again
	}
	page, err := t.Board.Read(ctx, agent.WishAt(t.Agent))
	if err != nil {
		return err
	}
	t.report = agent.Report{FormatVersion: 1, Agent: t.Agent, Host: t.Name, Version: t.Version,
		Forgotten: t.before.Forgotten, Poll: t.Poll, Lag: t.Signer.Lag(), Keys: map[string]agent.Seen{}}
	if t.wish, err = agent.ReadWish(t.Agent, page); err != nil {
		t.report.Trouble = "the wish can't be used: " + err.Error()
	}
	taken := max(t.memo.Sequence, t.before.Sequence)
	if t.older = err == nil && t.wish.Sequence < taken; t.older {
		t.report.Note = fmt.Sprintf("the wish in Vault is number %d, and number %d was taken up before: it is older, as "+
			"after Vault was restored; the signer keeps what it has until the coordinator asks again", t.wish.Sequence, taken)
		t.memo.Sequence = taken
	} else if err == nil {
		t.memo.Sequence = t.wish.Sequence
	}
	t.meet()
	t.report.Sequence = t.memo.Sequence
	return t.Memory.Save(t.memo)
}

// work installs what is wanted and not in effect, and sees what is.
func (t *turn) work(ctx context.Context) error {
	t.wanted = map[string]dkim.Ref{}
	failed := map[string]error{}
	if t.report.Trouble == "" && !t.older {
		for domain, w := range t.wish.Keys {
			if !t.serves(domain) {
				failed[domain] = fault.Lasting("take up the key of "+domain, errNotServed,
					"list the domain in the agent's configuration, or take the signer out of the domain's signers")
				continue
			}
			t.wanted[domain] = w.Ref(domain)
		}
	}
	domains := t.domains()
	found, unread := t.active(ctx, domains)
	unkept := t.unkept(ctx, found)
	t.acts = map[string]bool{}
	var keys []dkim.SigningKey
	for _, domain := range slices.Sorted(maps.Keys(t.wanted)) {
		want, again := t.wanted[domain], t.wish.Keys[domain].Sequence > t.memo.Applied[domain]
		if t.acts[domain] = again && (unread[domain] != nil || found[domain] != want || unkept[domain] != ""); t.acts[domain] {
			key, err := Key(ctx, t.Keys, want)
			if err != nil {
				failed[domain] = err
				continue
			}
			keys = append(keys, dkim.SigningKey{Name: want.Name, Key: key})
		}
	}
	if err := t.note(domains, found); err != nil {
		return err
	}
	after := found
	if len(keys) > 0 {
		if r, ok := t.Signer.(signer.Reloads); ok {
			r.KnowOthers(t.inEffect)
		}
		err := t.Signer.Activate(ctx, keys)
		for _, k := range keys {
			if err := errorFor(err, k.Domain); err != nil {
				failed[k.Domain] = err
			}
		}
		after, unread = t.active(ctx, domains)
		unkept = t.unkept(ctx, after)
	}
	t.applied(after, unread)
	t.see(domains, after, failed, unread)
	t.overruled(ctx, domains)
	t.say(unkept, "it would not be signed so after the signer's next start, as others would not", func(s *agent.Seen) *string {
		return &s.Unkept
	})
	t.forget(ctx, after, unread)
	return nil
}

// inEffect returns what this host was switched to last, by domain.
func (t *turn) inEffect(context.Context) (map[string]dkim.Ref, error) {
	out := map[string]dkim.Ref{}
	for domain, want := range t.wanted {
		if t.wish.Keys[domain].Sequence == t.memo.Applied[domain] {
			out[domain] = want
		}
	}
	return out, nil
}

// applied remembers what is in effect as it is wanted: it is not done again before the coordinator asks again. What
// somebody changes on the host is reported; the coordinator decides about it, for it knows of domains that were
// released.
func (t *turn) applied(after map[string]dkim.Ref, unread map[string]error) {
	memo := t.memo
	if memo.Applied = maps.Clone(memo.Applied); memo.Applied == nil {
		memo.Applied = map[string]int64{}
	}
	for domain, want := range t.wanted {
		if unread[domain] == nil && after[domain] == want {
			memo.Applied[domain] = t.wish.Keys[domain].Sequence
		}
	}
	if !maps.Equal(memo.Applied, t.memo.Applied) && t.Memory.Save(memo) == nil {
		t.memo = memo // what could not be remembered is done once more
	}
}

// serves reports whether the agent's configuration lets it serve a domain.
func (t *turn) serves(domain string) bool {
	return t.Domains == nil || slices.Contains(t.Domains, domain)
}

// domains are those that are reported on.
func (t *turn) domains() []string {
	all := map[string]bool{}
	for _, d := range t.Domains {
		all[d] = true
	}
	for d := range t.wish.Keys {
		all[d] = all[d] || t.serves(d)
	}
	for d := range t.before.Keys {
		all[d] = all[d] || t.serves(d)
	}
	maps.DeleteFunc(all, func(_ string, served bool) bool { return !served })
	return slices.Sorted(maps.Keys(all))
}

// active asks the adapter what is in effect, and by domain why that can't be found out.
func (t *turn) active(ctx context.Context, domains []string) (map[string]dkim.Ref, map[string]error) {
	found, err := t.Signer.Active(ctx, domains)
	unread := map[string]error{}
	for _, d := range domains {
		if err := errorFor(err, d); err != nil {
			unread[d] = err
		}
	}
	return found, unread
}

// see notes what is in effect, asked after everything was installed.
func (t *turn) see(domains []string, after map[string]dkim.Ref, failed, unread map[string]error) {
	reported := 0
	for _, d := range domains {
		ref := after[d]
		s := agent.Seen{Selector: ref.Selector, KeyID: ref.KeyID, Drifted: t.drifted(d)}
		err := unread[d]
		if s.Unread = err != nil; !s.Unread {
			err = failed[d]
		}
		if err != nil {
			reported++
			s.Lasting = fault.KindOf(err) != fault.Transient
			if s.Error, s.Hint = short(fault.Text(err)), short(fault.HintOf(err)); reported > mostReported {
				s.Error, s.Hint = "it failed as others did", "look at the agent's log on its host"
			}
		}
		t.report.Keys[d] = s
	}
	for d, err := range failed {
		if !t.serves(d) {
			t.report.Keys[d] = agent.Seen{Error: err.Error(), Hint: fault.HintOf(err), Lasting: true, Unread: true}
		}
	}
}

// overruled notes which lines of others count in the place of dkimbot's own, asked after everything was installed.
func (t *turn) overruled(ctx context.Context, domains []string) {
	s, ok := t.Signer.(sharer)
	if !ok || len(domains) == 0 {
		return
	}
	t.say(s.Overruled(ctx, domains), "a line that dkimbot did not write counts for it, as for others (see dkimbot agent "+
		"--check there)", func(s *agent.Seen) *string { return &s.Overruled })
}

// unkept returns what keeps domains from being signed as they are after the signer's next start.
func (t *turn) unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string {
	if s, ok := t.Signer.(keeper); ok && len(signs) > 0 {
		return s.Unkept(ctx, signs)
	}
	return nil
}

// say notes lines by domain, of the first ones at length.
func (t *turn) say(lines map[string]string, another string, at func(*agent.Seen) *string) {
	for n, d := range slices.Sorted(maps.Keys(lines)) {
		seen, line := t.report.Keys[d], short(lines[d])
		if n >= mostReported {
			line = another
		}
		*at(&seen) = line
		t.report.Keys[d] = seen
	}
}

// mostReported is for how many domains a report says at length what failed: it has to fit into Vault.
const mostReported = 50

func short(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}

// forget removes copies of keys that the coordinator names and that nothing uses.
func (t *turn) forget(ctx context.Context, after map[string]dkim.Ref, unread map[string]error) {
	f, ok := t.Signer.(forgetter)
	if t.report.Trouble != "" || t.older {
		t.report.Kept = t.before.Kept
		return
	}
	var orders []dkim.Ref
	for _, o := range t.wish.Forget {
		if o.Sequence <= t.before.Forgotten && !slices.Contains(t.before.Kept, o.KeyID) {
			continue
		}
		sure := t.serves(o.Domain) && unread[o.Domain] == nil && after[o.Domain].KeyID != o.KeyID &&
			t.wanted[o.Domain].KeyID != o.KeyID
		if sure {
			orders = append(orders, o.Ref())
		} else {
			t.report.Kept = append(t.report.Kept, o.KeyID)
		}
	}
	t.report.Forgotten = t.wish.Sequence
	if len(orders) == 0 || !ok {
		return
	}
	err := f.Forget(ctx, orders)
	for _, o := range orders {
		if errorFor(err, o.Domain) != nil { // it is tried again
			t.report.Kept = append(t.report.Kept, o.KeyID)
		}
	}
}

// write writes the report.
func (t *turn) write(ctx context.Context) error {
	for try := 1; ; try++ {
		t.report.At, t.report.Instance = t.Now().UTC(), t.memo.Instance
		t.divide()
		if err := t.mark(); err != nil {
			return err
		}
		text, err := agent.Text(t.report)
		if err != nil {
			return fault.Lasting("write the report of agent "+t.Agent, err,
				"divide the domains among several agents on this host")
		}
		_, err = t.Board.Write(ctx, agent.ReportAt(t.Agent), text, t.page.Version)
		if fault.CodeOf(err) != codes.VersionConflict || try == mostTries {
			return err
		}
		if t.page, err = t.Board.Read(ctx, agent.ReportAt(t.Agent)); err != nil {
			return err
		}
		if t.before, err = agent.ReadReport(t.Agent, t.page); err != nil {
			t.before = agent.Report{}
		}
		t.meet()
	}
}

const mostTries = 4

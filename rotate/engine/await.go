package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// verify waits until every server that is to be asked shows the record and nothing
// else, then signs a message with the stored key and verifies it with what DNS shows.
func (r *run) verify(ctx context.Context, s rotate.Step) error {
	key := r.st.Selectors[s.Selector].Wanted()
	value, err := r.await(ctx, s, key)
	if err != nil {
		return err
	}
	ctx, cancel := ports.Unhurried(ctx)
	defer cancel()
	sight := r.seen.Selectors[s.Selector].Sight
	if observe.Lost(r.st.Selector(s.Selector), r.seen.Selectors[s.Selector]) {
		return r.sawIt(ctx, s, key, sight, "its private key is gone, so nothing was signed to test it")
	}
	private, err := r.private(ctx, r.name(s.Selector), key.ID, key.Version)
	if err != nil && r.untested(s.Selector, key) {
		return r.sawIt(ctx, s, key, sight, "the keystore can't be asked, so nothing was signed to test it again")
	}
	if err != nil {
		return err
	}
	if err := r.engine.SelfTest(ctx, dkim.SigningKey{Name: r.name(s.Selector), Key: private}, value); err != nil {
		return err
	}
	if sight.Unchecked {
		return r.sawIt(ctx, s, key, sight, "a test message verifies with the record as it was published")
	}
	return r.sawIt(ctx, s, key, sight, "a test message verifies")
}

// untested reports whether a record is relied on without a test message while the keystore has no key for one.
// Signers that fetch the key themselves leave a compromised one for it, or sign with nothing; one that was tested
// before is good enough for every flight.
func (r *run) untested(selector string, key *rotate.Key) bool {
	j := r.judge()
	if slices.ContainsFunc(r.want.Signers, func(name string) bool { return j.ComesAlone(name, selector) }) {
		return j.Flight(selector) || !key.VerifiedAt.IsZero()
	}
	return j.Flight(selector) && r.seen.Selectors[selector].KeyErr != nil && !key.VerifiedAt.IsZero()
}

// sawIt notes what was seen of a record, and who was asked.
func (r *run) sawIt(ctx context.Context, s rotate.Step, key *rotate.Key, sight rotate.Sight, tested string) error {
	r.saw = wayout.ShownNote(r.judge(), s.Selector, sight) + "; " + tested
	if r.judge().Standing(s.Selector) == health.Current || r.judge().Flight(s.Selector) {
		r.st.Verified(s.Selector, r.engine.Clock.Now())
		r.st.Selectors[s.Selector].Key.Unasked = sight.Unchecked
	}
	return r.confirm(ctx, s, key.ID, r.saw)
}

// words says what a step that was done has found, for those who watch.
func words(s rotate.Step, saw string) string {
	if s.Kind == rotate.Verify {
		return saw
	}
	return wayout.Because(s, "")
}

// await polls DNS until it shows the key's record, and returns the value seen. For a signer
// that signs with nothing, and in a flight, servers that do not answer are not waited for.
func (r *run) await(ctx context.Context, s rotate.Step, key *rotate.Key) (string, error) {
	clock, selector := r.engine.Clock, s.Selector
	deadline := clock.Elapsed() + r.want.VerifyTimeout // not by the wall clock: no other process may act meanwhile
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		seen := r.seen.Selectors[selector]
		seen.Sight, seen.SightErr = observe.Record(ctx, r.name(selector), r.engine.Look)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		r.seen.Selectors[selector], r.looked[selector] = seen, clock.Elapsed()
		if _, err := (passing{r}).disturbed(ctx, selector, seen); err != nil {
			return "", err
		}
		p := r.judge()
		if health.Enough(p, selector) || s.Duty == rotate.Joining && health.Somewhere(p, selector) ||
			p.Unopposed(selector) && p.Flight(selector) {
			return health.ShownOf(p, selector), nil
		}
		switch p.Standing(selector) {
		case health.Current:
			if seen.Sight.Unchecked {
				return key.Record, nil
			}
			return seen.Sight.Values[0], nil
		case health.Foreign:
			return "", p.ForeignRecord(selector, seen.Sight)
		}
		if p.Opposed(selector) && p.Flight(selector) {
			key.VerifiedAt = time.Time{} // that was while this server did not answer
		}
		if clock.Elapsed()+wait > deadline {
			return "", unverified(r.name(selector), r.want, seen)
		}
		if err := r.engine.pause(ctx, wait); err != nil {
			return "", err
		}
		if err := r.lease.Holds(); err != nil {
			return "", err
		}
	}
}

// unverified says what DNS shows instead.
func unverified(name dkim.Name, want rotate.Domain, seen rotate.SelectorSeen) error {
	what := fmt.Sprintf("see %s on %s within %s", name, seen.Sight.Whom(), calendar.Span(want.VerifyTimeout))
	if seen.SightErr != nil {
		return &fault.Error{Kind: fault.Transient, What: what, Err: seen.SightErr, Hint: fault.HintOf(seen.SightErr)}
	}
	shown := dkim.Brief(seen.Sight.Values)
	if len(seen.Sight.Lagging) > 0 {
		shown = strings.Join(seen.Sight.Lagging, "; ")
	}
	if len(seen.Sight.Bogus) > 0 {
		return &fault.Error{Kind: fault.Transient, Code: codes.RecordBogus, What: what,
			Err: errors.New(strings.Join(seen.Sight.Bogus, "; ")), Hint: finding.BogusHint}
	}
	hint := "nothing relies on the record until every server shows it; " +
		"look at the zone's transfers, or set verify.nameservers if some servers can't be reached from here"
	if len(want.Also) > 0 {
		hint += "; or, " + accounts.LeaveOut("one of the accounts ("+want.Through()+")")
	}
	return fault.Temporary(what, errors.New(shown), hint)
}

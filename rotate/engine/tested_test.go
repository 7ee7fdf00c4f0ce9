package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// tests runs the domain with an engine whose self test is counted, and may fail.
func (w *world) tests(d wish, fails error) (records []string, res engine.Result) {
	parts := w.engine().Parts
	prove := parts.SelfTest
	parts.SelfTest = func(ctx context.Context, key dkim.SigningKey, record string) error {
		records = append(records, record)
		if fails != nil {
			return fails
		}
		return prove(ctx, key, record)
	}
	return records, newEngine(parts).Advance(context.Background(), d)
}

// saw returns what the last look at a selector's record found, as the history has it.
func (w *world) saw(d wish, selector string) string {
	all := slices.DeleteFunc(w.events(d, rotate.Verify), func(e rotate.Event) bool { return e.Selector != selector })
	if len(all) == 0 {
		return ""
	}
	return slices.MaxFunc(all, func(a, b rotate.Event) int { return a.At.Compare(b.At) }).Message
}

// TestNothingSignsUntested: a key whose test message does not verify is given to no signer (I2), whether it is a
// domain's first one or takes the place of an old one.
func TestNothingSignsUntested(t *testing.T) {
	broken := errors.New("the test message does not verify")
	w, d := newWorld(t, "mx1"), wanted("mx1")
	records, res := w.tests(d, broken)
	if len(records) == 0 || !errors.Is(res.Err, broken) || w.hosts["mx1"].selector(d.Name) != "" {
		t.Errorf("%d tests, %v; mx1 signs with %q", len(records), res.Err, w.hosts["mx1"].selector(d.Name))
	}
	w.pass(time.Hour)
	w.settle(d)
	w.pass(time.Hour)
	w.drained(d)
	records, res = w.tests(d, broken)
	if key := w.state(d.Name).Selector("s1").Next; len(records) == 0 || !errors.Is(res.Err, broken) || key == nil ||
		!key.VerifiedAt.IsZero() {
		t.Errorf("the fresh key: %d tests, %v; %+v", len(records), res.Err, key)
	}
	w.pass(time.Hour)
	w.settle(d)
	w.checkReady(d, "s2")
	if said := w.saw(d, "s1"); !strings.HasSuffix(said, "; a test message verifies") {
		t.Errorf("of the fresh key it is said: %q", said)
	}
}

// TestTestedAsShown: what a test message is verified with is the record as DNS shows it, which receivers read.
func TestTestedAsShown(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.shows = func(s *rotate.Sight) {
		for i, v := range s.Values {
			s.Values[i] = strings.Replace(v, "; p=", "; n=by hand; p=", 1)
		}
	}
	records, res := w.tests(d, nil)
	if res.Err != nil || len(records) == 0 || slices.ContainsFunc(records,
		func(r string) bool { return !strings.Contains(r, "by hand") }) {
		t.Errorf("%v; tested with %q", res.Err, records)
	}
}

// TestUnaskedIsSaid: where DNS is not to be asked, the history says that the record was tested as it was published,
// and not that a server shows it; and the state knows it (true words).
func TestUnaskedIsSaid(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.shows = func(s *rotate.Sight) {
		*s = rotate.Sight{Zone: s.Zone, Owner: s.Owner, Complete: true, Unchecked: true}
	}
	records, res := w.tests(d, nil)
	if said := w.saw(d, "s1"); res.Err != nil || len(records) == 0 ||
		!strings.HasSuffix(said, "a test message verifies with the record as it was published") ||
		!w.state(d.Name).Selector("s1").Key.Unasked {
		t.Errorf("%v, %d tests; %q", res.Err, len(records), said)
	}
}

// TestUnreadKeyIsNotTested: a record whose private key can't be read does not count as seen: it is not known that what
// is signed with it verifies (I2). Where signers fetch the key themselves, a key that was never tested is no better.
func TestUnreadKeyIsNotTested(t *testing.T) {
	for _, alone := range []bool{false, true} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.hosts["mx1"].alone = alone
		published := false
		w.trouble = func(op string) trouble {
			if published = published || op == "publish s1"; published {
				return failing("look s1")(op)
			}
			return fine
		}
		w.engine().Advance(t.Context(), d)
		w.pass(time.Hour)
		w.trouble = failing("get s1")
		records, res := w.tests(d, nil)
		if key := w.state(d.Name).Selector("s1").Key; res.Err == nil || key == nil || !key.VerifiedAt.IsZero() ||
			w.hosts["mx1"].selector(d.Name) != "" || !strings.Contains(res.Err.Error(), "get s1") {
			t.Errorf("fetches keys: %t; %v, %d tests, %+v", alone, res.Err, len(records), key)
		}
	}
}

// TestLostKeyIsNotTested: a record that is published again for mail in flight, while its private key is lost,
// is looked for, and it is said that nothing was signed to test it.
func TestLostKeyIsNotTested(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.switched(d)
	w.keys[dkim.Name{Domain: d.Name, Selector: "s1"}][0] = nil
	w.spoil("s1", "")
	w.pass(time.Minute)
	w.engine().Advance(t.Context(), d)
	if said := w.saw(d, "s1"); !strings.HasSuffix(said, "; its private key is gone, so nothing was signed to test it") {
		t.Errorf("%q", said)
	}
}

// TestEmergencyIsTested: where the keystore answers, the refuge from a compromised key is tested, too.
func TestEmergencyIsTested(t *testing.T) {
	for _, alone := range []bool{false, true} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.hosts["mx1"].alone = alone
		w.settle(d)
		w.pass(8 * day)
		d.Instruction = rotate.Compromised{}
		w.spoil("s2", "") // so it is published again, and looked at
		if alone {
			w.trouble = onceFailing("get s2", 1) // when the run begins; it answers later
		}
		records, res := w.tests(d, nil)
		if said := w.saw(d, "s2"); res.Err != nil && !alone || len(records) == 0 ||
			!strings.HasSuffix(said, "; a test message verifies") {
			t.Errorf("fetches keys: %t; %v, %d tests, %q", alone, res.Err, len(records), said)
		}
	}
}

// TestSeenSoon: a record that servers show late is found within seconds, and not after a wait as long as the one before.
func TestSeenSoon(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.lag = 60 * time.Second
	began := w.Now()
	if res := w.engine().Advance(t.Context(), d); res.Err != nil {
		t.Fatal(res.Err)
	}
	if took := w.Now().Sub(began); took < 2*w.lag || took > 2*(w.lag+5*time.Second) {
		t.Errorf("two records took %s, with servers that lag by %s", took, w.lag)
	}
}

// TestSilentServersAreSaid: what is relied on while a server does not answer is said to be so, with the server's name
// (true words); it counts as seen where signers flee there, and only there.
func TestSilentServersAreSaid(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	w.spoil("s2", "")
	w.shows = func(s *rotate.Sight) { s.Complete, s.Silent, s.Lagging = false, true, []string{"ns2 did not answer"} }
	d.Instruction = rotate.Compromised{}
	_, res := w.tests(d, nil)
	want := "all servers that answer show it, but not all answer (ns2 did not answer); a test message verifies"
	if said := w.saw(d, "s2"); said != want || w.state(d.Name).Selector("s2").Key.VerifiedAt.IsZero() {
		t.Errorf("%v; %q; %+v", res.Err, said, w.state(d.Name).Selector("s2").Key)
	}
	w.shows = nil
	w.pass(time.Hour)
	d.Instruction = nil
	w.settle(d)
	if said := w.saw(d, "s1"); !strings.HasPrefix(said, "every authoritative server shows it; ") {
		t.Errorf("of the fresh key: %q", said)
	}
}

// TestForeignWhileAwaited: somebody else's record that is found where a record of ours was just published is noted, so
// that mail is signed with the key only when no resolver may hold it any more (I2).
func TestForeignWhileAwaited(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	published := false
	w.trouble = func(op string) trouble {
		if op == "publish s1" {
			published = true
		}
		return fine
	}
	w.shows = func(s *rotate.Sight) {
		if published && s.Owner == "s1._domainkey.example.com" {
			s.Values, s.Complete, s.Lagging, s.TTL = []string{plantest.ForeignRecord}, true, nil, 4*time.Hour
		}
	}
	res := w.engine().Advance(t.Context(), d)
	key := w.state(d.Name).Selector("s1").Key
	if fault.CodeOf(res.Err) != codes.ForeignRecord || key == nil || key.ShadowedAt.IsZero() || key.CacheWait < 4*time.Hour {
		t.Errorf("%v; %+v", res.Err, key)
	}
}

// TestNotTestedAgain: while the keystore does not answer, a refuge that was tested before is good enough for signers that
// flee, and it is said that it was not tested again; a record that is repaired is not.
func TestNotTestedAgain(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.trouble = failing("activate mx2")
	w.engine().Advance(t.Context(), d)
	w.pass(2 * time.Hour)
	w.engine().Advance(t.Context(), d)
	w.trouble = failing("get s1", "get s2")
	d.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
	records, res := w.tests(d, nil)
	if said := w.saw(d, "s2"); len(records) > 0 || w.state(d.Name).Target != "s2" ||
		!strings.HasSuffix(said, "; the keystore can't be asked, so nothing was signed to test it again") {
		t.Errorf("%v; %d tests, target %s, %q", res.Err, len(records), w.state(d.Name).Target, said)
	}

	w, d = newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(day)
	w.spoil("s1", "")
	w.trouble = failing("get s1")
	if records, res := w.tests(d, nil); res.Err == nil || len(records) > 0 || !strings.Contains(w.saw(d, "s1"), "get s1") {
		t.Errorf("a repaired record: %v; %d tests, %q", res.Err, len(records), w.saw(d, "s1"))
	}
}

package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// movedOver is a domain that was moved over from the selector mail, a few days ago.
func movedOver(t *testing.T, signers ...string) (*world, wish) {
	w, d := newWorld(t, signers...), wanted(signers...)
	w.byHand(d, "mail", signers...)
	w.settle(d)
	w.checkReady(d, "s1")
	w.pass(5 * day)
	return w, d
}

// TestFormerAgain: a signer that came back to its old selector, as from a backup, has
// not left it: its record may go only after mail of that time has arrived (I2).
func TestFormerAgain(t *testing.T) {
	w, d := movedOver(t, "mx1", "mx2")
	if !w.hosts["mx1"].restore(d.Name, 1) {
		t.Fatal("mx1 was not restored")
	}
	w.trouble = failing("activate mx1")
	w.engine().Advance(context.Background(), d)
	if until := w.state(d.Name).Leftovers()["mail"]; !until.IsZero() {
		t.Errorf("it is said to go after %s, and mx1 signs with it", until)
	}
	w.trouble = nil
	w.pass(4 * day)
	back := w.clock()
	w.settle(d)
	w.checkReady(d, "s1")
	if until := w.state(d.Name).Leftovers()["mail"]; until.Before(back.Add(8 * day)) {
		t.Errorf("it is said to go after %s, and mx1 left it after %s", until, back)
	}
}

// TestFormerBackByItself: a signer that came back from its old selector by other
// hands has left it from when that is seen.
func TestFormerBackByItself(t *testing.T) {
	w, d := movedOver(t, "mx1")
	w.hosts["mx1"].restore(d.Name, 1)
	w.trouble = failing("activate mx1")
	w.engine().Advance(context.Background(), d)
	w.hosts["mx1"].restore(d.Name, 1)
	w.trouble = nil
	seen := w.clock()
	w.settle(d)
	if until := w.state(d.Name).Leftovers()["mail"]; until.Before(seen.Add(8*day)) || until.After(seen.Add(9*day)) {
		t.Errorf("it is said to go after %s, and mx1 was seen to have left it at %s", until, seen)
	}
}

// TestFormerVerifies: a signer that came back to its old selector, whose record stands, is not hurried to a key in
// whose place another one stood lately: receivers may keep that one for days, and its mail verifies as it is. Without
// that record it comes to the other selector, whose record no other one disturbed (I2).
func TestFormerVerifies(t *testing.T) {
	for title, tt := range map[string]struct {
		stands     bool
		want, ends string // a day later, and at last
	}{"its record stands": {true, "mail", "s1"}, "its record is gone": {false, "s2", "s2"}} {
		t.Run(title, func(t *testing.T) {
			w, d := movedOver(t, "mx1")
			w.pass(10 * day)
			w.hosts["mx1"].restore(d.Name, 1)
			if !tt.stands {
				w.spoil("mail", "")
			}
			key, err := dkim.Generate(dkim.Ed25519)
			if err != nil {
				t.Fatal(err)
			}
			w.spoil("s1", plantest.Record(key))
			w.pass(time.Hour)
			w.engine().Advance(context.Background(), d)
			w.spoil("s1", "")
			for range 4 {
				w.pass(6 * time.Hour)
				w.engine().Advance(context.Background(), d)
			}
			if got := w.hosts["mx1"].selector(d.Name); got != tt.want {
				t.Errorf("I2: mx1 signs with %q", got)
			}
			w.settle(d)
			w.checkReady(d, tt.ends)
		})
	}
}

// TestLeftOverWhenItsKeyIsReplaced: a signer that was taken out of the configuration while it did
// not answer is still told of when the key that it may sign with is replaced: from then on its mail
// fails (true words).
func TestLeftOverWhenItsKeyIsReplaced(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(10 * day)
	d.Asked = true
	w.trouble = failing("ask mx2")
	w.engine().Advance(t.Context(), d)
	d.Asked, d.Signers = false, []string{"mx1"}
	delete(w.hosts, "mx2")
	for range 10 {
		w.pass(day)
		w.engine().Advance(t.Context(), d)
	}
	st := w.state(d.Name)
	if st.Phase != rotate.Ready || st.Selectors["s1"].Key.ID == st.Signers["mx2"].KeyID {
		t.Fatalf("phase %s, mx2 at %+v", st.Phase, st.Signers["mx2"])
	}
	if plantest.Findings(st.Drift) != "signer-left-over mx2!" ||
		!strings.Contains(st.Drift[0].Message, "fails, because that key was replaced") {
		t.Errorf("the drift is %+v", st.Drift)
	}
	for _, said := range w.looks(d.Name) {
		if strings.HasPrefix(said, "over mx2: signer mx2 signed") {
			t.Errorf("in the history: %s", said)
		}
	}
}

// TestFormerUnseen: a plan does not say that a record may go now when it is not known
// whether a signer that used it came back to it.
func TestFormerUnseen(t *testing.T) {
	w, d := movedOver(t, "mx1", "mx2")
	w.pass(5 * day)
	plan := func() string {
		e := w.engine()
		planner := engine.Planner{State: e.Store, Keys: e.Keys, Look: e.Look,
			Signers: map[string]ports.SignerReader{"mx1": e.Signers["mx1"], "mx2": e.Signers["mx2"]},
			Clock:   w.start("plan", nil).Clock}
		plan, _, err := planner.Plan(context.Background(), d.Domain, d.Request)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(finding.Texts(plan.Warnings), "\n")
	}
	const mayGo = "mail._domainkey.example.com may go after"
	w.trouble = failing("ask mx2")
	if said := plan(); strings.Contains(said, mayGo) ||
		!strings.Contains(said, "leave mail._domainkey.example.com in DNS until mx2 answers") {
		t.Errorf("while mx2 does not say: %s", said)
	}
	w.trouble = nil
	if said := plan(); !strings.Contains(said, mayGo) {
		t.Errorf("when it does: %s", said)
	}
}

// TestFormerSilent: while a new domain has a signer that does not say what it signs
// with, nothing is said to go; and when it is switched, it may have used the old
// selector until then (I2).
func TestFormerSilent(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.byHand(d, "mail", "mx1", "mx2")
	w.trouble = failing("ask mx2", "activate mx2")
	w.engine().Settle(context.Background(), d, engine.Patience{Most: time.Hour}, nil)
	w.pass(20 * day)
	if until, known := w.state(d.Name).Leftovers()["mail"]; !known || !until.IsZero() {
		t.Errorf("it is said to go after %s, and it is not known what mx2 signs with", until)
	}
	answers := false
	w.trouble = func(op string) trouble {
		answers = answers || op == "activate mx2"
		if op == "ask mx2" && !answers {
			return refused
		}
		return fine
	}
	w.settle(d)
	w.checkReady(d, "s1")
	st := w.state(d.Name)
	if until := st.Leftovers()["mail"]; until.Before(st.SwitchedAt.Add(8 * day)) {
		t.Errorf("it is said to go after %s, and mx2 may have used it until %s", until, st.SwitchedAt)
	}
}

// TestFormerClock: what may go when goes by the time that has really passed (I2).
func TestFormerClock(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.byHand(d, "mail", "mx1")
	clock := &bootClock{boot: "one"}
	engine := func() *testEngine {
		e := w.engine()
		clock.process = e.Clock.(*process)
		e.Clock = clock
		return e
	}
	engine().Settle(context.Background(), d, forever, nil)
	before := w.state(d.Name).Leftovers()["mail"]
	clock.ahead = 30 * day
	d.Policy.TTL += time.Minute // something to write
	if res := engine().Advance(context.Background(), d); res.Err != nil {
		t.Fatal(res.Err)
	}
	if after := w.state(d.Name).Leftovers()["mail"]; after.Sub(before) != 30*day {
		t.Errorf("it is said to go after %s, before the clock was set forward by 30 days after %s", after, before)
	}
}

// TestAdoptedTTL: resolvers keep an adopted record for the TTL that somebody gave it,
// and receivers fetch it from them until then; a key that takes its place waits for
// that, also when the record was revoked before (I2).
func TestAdoptedTTL(t *testing.T) {
	w, d := newWorld(t, "mx1"), mailFirst("mx1")
	k := w.byHand(d, "mail", "mx1")
	const ttl = 2 * day
	w.zone(k.Name.String()).changes[0].ttl = ttl
	if res := w.engine().Adopt(context.Background(), d, adoption(k)); res.Err != nil {
		t.Fatal(res.Err)
	}
	w.pass(time.Hour)
	d.Instruction = rotate.Compromised{}
	w.fleeing = true
	w.trouble = failing("put mail")
	w.engine().Advance(context.Background(), d)
	w.trouble, d.Instruction = nil, nil
	w.pass(time.Hour)
	if res := w.settle(d); res.Err != nil || res.State.Active != "s2" {
		t.Fatalf("%v; %s signs", res.Err, res.State.Active)
	}
	if fresh := w.state(d.Name).Selectors["mail"].Key; fresh.ID == k.Key.ID() || fresh.CacheWait < ttl {
		t.Errorf("the fresh key waits for caches for %s, want %s", fresh.CacheWait, ttl)
	}
}

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
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// secondAccount is another DNS account, whose servers are asked beside those of the world.
type secondAccount struct {
	ports.Looker
	shown  map[string]string // by name
	theirs map[string]string // by name: what somebody else put there
	alone  bool              // it can change one record of a name alone
	down   error
}

func (a *secondAccount) Publish(_ context.Context, rec dkim.TXT) error {
	if a.down != nil {
		return a.down
	}
	if v := a.theirs[rec.Owner]; v != "" && !rec.Replaces(v) && !(rec.Beside && a.alone && a.shown[rec.Owner] != "") {
		return fault.Refuse(codes.ForeignRecord, "publish "+rec.Owner+" through new: somebody else's record stands there", "remove it")
	}
	a.shown[rec.Owner] = rec.Value
	return nil
}

// Look merges what the servers of both accounts show.
func (a *secondAccount) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := a.Looker.Look(ctx, name)
	if sight.Complete {
		sight.Shown = map[string][]string{"ns1": slices.Clone(sight.Values)}
	}
	here := slices.DeleteFunc([]string{a.shown[sight.Owner], a.theirs[sight.Owner]}, func(v string) bool { return v == "" })
	sight.Shown["ns.new"] = here
	switch value := a.shown[sight.Owner]; {
	case a.theirs[sight.Owner] != "":
		sight.Complete, sight.Lagging = false, append(sight.Lagging, "ns.new: shows something else")
		for _, v := range here {
			if !slices.Contains(sight.Values, v) {
				sight.Values = append(sight.Values, v)
			}
		}
	case err != nil || len(sight.Values) == 1 && sight.Values[0] == value || len(sight.Values) == 0 && value == "":
	case value == "":
		sight.Complete, sight.Lagging = false, append(sight.Lagging, "ns.new: shows no record")
	default:
		sight.Complete, sight.Lagging = false, append(sight.Lagging, "ns.new: shows something else")
		if len(sight.Values) == 0 || sight.Values[0] != value {
			sight.Values = append(sight.Values, value)
		}
	}
	return sight, err
}

// both returns an engine of the world for which the domain has the second account, too.
func (w *world) both(a *secondAccount) *testEngine {
	e := w.engine()
	a.Looker, e.Look = e.Look, a
	e.Publishers["new"] = a
	return e
}

// TestTwoAccounts: while the name servers move, each record is published to both accounts, and no key is used before
// the servers of both show it (I2). Which account fails is named.
func TestTwoAccounts(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	d.Also = []string{"new"}
	second := &secondAccount{shown: map[string]string{}}
	advance := func() rotate.State {
		res := w.both(second).Advance(t.Context(), d)
		if res.Err != nil {
			t.Log(res.Err)
		}
		return w.state(d.Name)
	}
	st := advance()
	for _, s := range []string{"s1", "s2"} {
		if got := second.shown[s+"._domainkey.example.com"]; got == "" || got != st.Selectors[s].Key.Record {
			t.Errorf("the second account shows %q at %s", got, s)
		}
	}
	if st.Phase != rotate.Ready || len(st.Drift) > 0 || st.Failures > 0 || len(st.Accounts) != 2 {
		t.Errorf("phase %s, drift %+v, failures %d, accounts %v", st.Phase, st.Drift, st.Failures, st.Accounts)
	}

	w.pass(time.Hour)
	d.Asked = true
	if st = advance(); st.Phase != rotate.Draining {
		t.Fatalf("phase %s: %s", st.Phase, st.LastError)
	}
	d.Asked = false
	second.down = fault.Temporary("publish through new", errors.New("no route to host"), "")
	w.pass(7*day + time.Minute)
	st = advance()
	if st.Phase != rotate.Replacing || !strings.Contains(st.LastError, "publish through new") {
		t.Errorf("phase %s: %s", st.Phase, st.LastError)
	}
	second.down = nil
	w.pass(time.Hour)
	if st = advance(); st.Phase != rotate.Ready || second.shown["s1._domainkey.example.com"] != st.Selectors["s1"].Key.Record {
		t.Errorf("phase %s: %s", st.Phase, st.LastError)
	}

	w.pass(8 * day)
	delete(second.shown, "s1._domainkey.example.com")
	second.down = fault.Temporary("publish through new", errors.New("no route to host"), "")
	d.Asked = true
	if st = advance(); st.Phase != rotate.Ready || w.hosts["mx1"].selector(d.Name) != "s2" {
		t.Errorf("I2: phase %s, mx1 signs with %s", st.Phase, w.hosts["mx1"].selector(d.Name))
	}
	d.Asked = false

	d.Also = nil
	w.pass(time.Hour)
	res := w.engine().Advance(t.Context(), d)
	told := ""
	for _, e := range res.Done {
		if e.Kind == codes.ActionAccounts {
			told += e.Message
		}
	}
	if res.Err != nil || !slices.Equal(res.State.Accounts, []string{"office"}) || !strings.Contains(told, "the DNS account new is no longer listed") {
		t.Errorf("%v; accounts %v; said %q", res.Err, res.State.Accounts, told)
	}
}

// TestFailingAccountIsLeftOut: a DNS account to which the zone is being moved never takes a record, and keeps signers on
// the key that should be left. The errors name the way that does no harm, and it leads out.
func TestFailingAccountIsLeftOut(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.pass(8 * day)
	d.Also = []string{"new"}
	second := &secondAccount{shown: map[string]string{"s1._domainkey.example.com": w.state(d.Name).Selectors["s1"].Key.Record},
		down: fault.Temporary("publish through new", errors.New("no route to host"), "ask who runs it")}
	const way = "take it out of the domain's providers until it works"
	res := w.both(second).Advance(t.Context(), d)
	if !strings.Contains(fault.HintOf(res.Err), "the servers of new yet, "+way) {
		t.Errorf("published: %v; %s", res.Err, fault.HintOf(res.Err))
	}
	w.pass(time.Hour)
	d.Asked = true
	if res = w.both(second).Advance(t.Context(), d); res.State.Phase != rotate.Ready || !strings.Contains(fault.HintOf(res.Err), way) {
		t.Errorf("phase %s: %v; %s", res.State.Phase, res.Err, fault.HintOf(res.Err))
	}
	d.Also = nil
	for range 2 { // the record at s2 was written again, which resolvers are given the time to know
		w.pass(61 * time.Minute)
		res = w.engine().Advance(t.Context(), d)
	}
	if res.Err != nil || res.State.Phase != rotate.Draining {
		t.Errorf("without it: phase %s: %v", res.State.Phase, res.Err)
	}
}

// TestAccountTakesItLater: a record that vanished at one of two DNS accounts while that took nothing is published there
// when it works again, whatever else was done meanwhile (I4).
func TestAccountTakesItLater(t *testing.T) {
	for meanwhile, since := range map[string]time.Duration{"nothing": time.Minute, "a report": 8 * day} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		w.pass(8 * day)
		d.Also = []string{"new"}
		second := &secondAccount{shown: map[string]string{}}
		w.both(second).Advance(t.Context(), d)
		w.pass(since)
		const name = "s1._domainkey.example.com"
		delete(second.shown, name)
		second.down = fault.Temporary("publish through new", errors.New("no route to host"), "")
		if res := w.both(second).Advance(t.Context(), d); res.Err == nil {
			t.Error("nothing failed")
		}
		if meanwhile == "a report" {
			r := d
			r.Instruction = rotate.Compromised{Selectors: []string{"s2"}}
			w.both(second).Advance(t.Context(), r)
		}
		w.pass(since)
		second.down = nil
		res := w.both(second).Advance(t.Context(), d)
		if st := w.state(d.Name); second.shown[name] != st.Selectors["s1"].Key.Record {
			t.Errorf("I4, meanwhile %s: the account shows %q; %v", meanwhile, second.shown[name], res.Err)
		}
	}
}

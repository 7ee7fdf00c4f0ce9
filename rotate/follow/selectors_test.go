package follow_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

var (
	then   = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	names  = rotate.Policy{Selectors: [2]string{"a", "b"}}
	listed = []string{"mx1", "mx2", "mx3", "mx4"}
)

func public(id string) *rotate.Key {
	return &rotate.Key{ID: id, Version: 1, PublishedAt: then, VerifiedAt: then}
}

// ready returns the state of a domain whose signers sign with s1.
func ready() rotate.State {
	return rotate.State{Domain: "example.com", Phase: rotate.Ready, Active: "s1", SwitchedAt: then,
		Selectors: map[string]*rotate.Selector{"s1": {Key: public("1")}, "s2": {Key: public("2")}},
		Signers:   rotate.Confirmations{}}
}

// moving returns the state of that domain while it moves over to a and b, which have keys.
func moving() rotate.State {
	st := follow.Moved(ready(), names, listed)
	st.Enter(rotate.Bootstrapping)
	st.Selectors = map[string]*rotate.Selector{"a": {Key: public("3")}, "b": {Key: public("4")}}
	return st
}

// TestMovedToANameOfBefore: a name that was the domain's once brings its key along where it has one that was not given to
// a signer; that is to be seen again before it is used (I2), and begins the move at once. No name is kept twice.
func TestMovedToANameOfBefore(t *testing.T) {
	for title, c := range map[string]struct {
		kept   *rotate.Selector
		phase  rotate.Phase
		target string
		has    []string
	}{
		"another name":  {nil, rotate.New, "", []string{"a", "b"}},
		"without a key": {&rotate.Selector{Past: []string{"0"}}, rotate.New, "", []string{"a", "b"}},
		"with its key":  {&rotate.Selector{Key: public("0")}, rotate.Bootstrapping, "a", []string{"a", "b"}},
	} {
		st := ready()
		if c.kept != nil {
			st.Earlier = rotate.Earlier{"a": c.kept}
		}
		moved := follow.Moved(st, names, listed)
		var has []string
		for name := range moved.Selectors {
			has = append(has, name)
		}
		slices.Sort(has)
		if moved.Phase != c.phase || moved.Target != c.target || !slices.Equal(has, c.has) ||
			!slices.Equal(moved.Earlier.Names(), []string{"s1", "s2"}) {
			t.Errorf("%s: %s to %q, has %q, had %q", title, moved.Phase, moved.Target, has, moved.Earlier.Names())
		}
		if sel := moved.Selectors["a"]; sel != nil && sel.Key != nil && !sel.Key.VerifiedAt.IsZero() {
			t.Errorf("%s: the key counts as seen", title)
		}
	}
}

// TestMovedInOrder: the same state leads to the same state each time. What signers used before is a list, and was put
// together in the order of a map.
func TestMovedInOrder(t *testing.T) {
	onward, back := follow.Moved(ready(), names, listed), moving()
	back.Signers = rotate.Confirmations{"mx1": {Selector: "a", Unsure: true}, "mx2": {Selector: "b", Unsure: true}}
	before := follow.MovedBack(back, listed, then)
	for range 30 {
		if diff := cmp.Diff(onward.Former, follow.Moved(ready(), names, listed).Former); diff != "" {
			t.Fatalf("a move leads elsewhere the next time: %s", diff)
		}
		if diff := cmp.Diff(before.Former, follow.MovedBack(back, listed, then).Former); diff != "" {
			t.Fatalf("a move back leads elsewhere the next time: %s", diff)
		}
	}
}

// TestMovedBack: the domain is as it was before, and mail that may be signed at a new selector is waited for: of each
// signer that was given one, or may have been, by what is known (I2). A private key that may have reached the keystore
// is to be destroyed with the others (I5).
func TestMovedBack(t *testing.T) {
	st := moving()
	st.Signers = rotate.Confirmations{"mx1": {Selector: "a", KeyID: "3"}, "mx2": {Selector: "s1", Unsure: true},
		"mx3": {Selector: "s1", KeyID: "1"}}
	now := then.Add(time.Hour)
	for title, c := range map[string]struct {
		intent  *rotate.Intent
		former  rotate.Formers
		retired []rotate.Retired
	}{
		"nothing is under way": {nil, nil, nil},
		"mx4 is being given b": {&rotate.Intent{Kind: rotate.Activate, Signer: "mx4", Selector: "b"},
			rotate.Formers{{Selector: "b", Signer: "mx4"}}, nil},
		"a key is being stored at b": {&rotate.Intent{Kind: rotate.StoreKey, Selector: "b", KeyID: "5", Version: 1}, nil,
			[]rotate.Retired{{KeyID: "5", Version: 2}}},
		"b is being published": {&rotate.Intent{Kind: rotate.Publish, Selector: "b", Signer: "mx4", KeyID: "4"}, nil, nil},
	} {
		st.Intent = c.intent
		back := follow.MovedBack(st, listed, now)
		want := append(rotate.Formers{{Selector: "a", Signer: "mx1"}, {Selector: "a", Signer: "mx2"},
			{Selector: "b", Signer: "mx2"}}, c.former...)
		byName := func(x, y rotate.Former) int {
			return slices.Compare([]string{x.Signer, x.Selector}, []string{y.Signer, y.Selector})
		}
		slices.SortFunc(back.Former, byName)
		slices.SortFunc(want, byName)
		if diff := cmp.Diff(want, back.Former); diff != "" {
			t.Errorf("%s: signers may sign with %s", title, diff)
		}
		if diff := cmp.Diff(append([]rotate.Retired{{KeyID: "4", Version: 1}}, c.retired...),
			back.Earlier["b"].Retired); diff != "" {
			t.Errorf("%s: %s", title, diff)
		}
		if diff := cmp.Diff([]rotate.Retired{{KeyID: "3", Version: 1}}, back.Earlier["a"].Retired); diff != "" {
			t.Errorf("%s: at a: %s", title, diff)
		}
		for name, sel := range back.Selectors { // I1: its key is not to be destroyed, nor taken for one that was replaced
			if sel.Key == nil || len(sel.Retired)+len(sel.Past) > 0 {
				t.Errorf("%s: %s has %+v, and %+v is to go", title, name, sel.Key, sel.Retired)
			}
		}
		if back.Phase != rotate.Ready || back.Active != "s1" || back.Origin != nil || back.Selectors["a"] != nil ||
			!back.Selectors["s1"].LastUsedAt.Equal(now) || !back.Selectors["s2"].LastUsedAt.IsZero() {
			t.Errorf("%s: %s at %q, from %+v; %+v", title, back.Phase, back.Active, back.Origin, back.Selectors)
		}
	}
}

// TestMovedBackToANameTwice: a former name that the policy has named again meanwhile is the domain's with the key that it
// had, as nothing was made there.
func TestMovedBackToANameTwice(t *testing.T) {
	st := moving()
	st.Selectors["s1"] = &rotate.Selector{}
	for _, i := range []*rotate.Intent{nil, {Kind: rotate.StoreKey, Selector: "s1", KeyID: "5", Version: 1}} {
		st.Intent = i
		back := follow.MovedBack(st, listed, then)
		if sel := back.Selectors["s1"]; sel == nil || sel.Key == nil || sel.Key.ID != "1" || back.Earlier["s1"] != nil {
			t.Errorf("after %+v: s1 is %+v, and was %+v", i, sel, back.Earlier["s1"])
		}
	}
}

// TestCanMoveBack: a way leads back until something of before is gone or may be, or the new selectors have begun to
// rotate (I2).
func TestCanMoveBack(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*rotate.State)
		can    bool
	}{
		"moving":                         {func(*rotate.State) {}, true},
		"just begun":                     {func(st *rotate.State) { st.Phase = rotate.New }, true},
		"moved":                          {func(st *rotate.State) { st.Phase, st.Active = rotate.Ready, "a" }, true},
		"rotating":                       {func(st *rotate.State) { st.Phase, st.Active = rotate.Switching, "a" }, false},
		"never moved":                    {func(st *rotate.State) { st.Origin = nil }, false},
		"released":                       {func(st *rotate.State) { st.Released = &rotate.ReleaseState{} }, false},
		"a key is being destroyed":       {func(st *rotate.State) { st.Intent = &rotate.Intent{Kind: rotate.Destroy} }, false},
		"a record is being published":    {func(st *rotate.State) { st.Intent = &rotate.Intent{Kind: rotate.Publish} }, true},
		"a selector is not known":        {func(st *rotate.State) { delete(st.Earlier, "s2") }, false},
		"there is no key":                {func(st *rotate.State) { st.Earlier["s2"].Key = nil }, false},
		"a key is gone":                  {func(st *rotate.State) { st.Earlier["s2"].Key.Gone = true }, false},
		"a key's destruction was begun":  {func(st *rotate.State) { st.Earlier["s2"].Key.Doomed = true }, false},
		"the name is the domain's again": {func(st *rotate.State) { st.Selectors["s2"] = &rotate.Selector{} }, true},
		"and has a key of its own":       {func(st *rotate.State) { st.Selectors["s2"] = &rotate.Selector{Key: public("9")} }, false},
	} {
		st := moving()
		c.change(&st)
		if got := follow.CanMoveBack(st); got != c.can {
			t.Errorf("%s: %t", title, got)
		}
		var pair []string
		if c.can {
			pair = []string{"s1", "s2"}
		}
		if got := follow.OriginOf(st); !slices.Equal(got, pair) {
			t.Errorf("%s: leads back to %q", title, got)
		}
	}
}

// TestUnused: a key at a former selector was never used where no signer was given it, and nobody reported it: there it
// can be taken up again, or destroyed at once (I5).
func TestUnused(t *testing.T) {
	leaked := public("1")
	leaked.Leaked = then
	for title, c := range map[string]struct {
		sel    *rotate.Selector
		former string
		unused bool
	}{
		"a key":                  {&rotate.Selector{Key: public("1")}, "", true},
		"a key in use":           {&rotate.Selector{Key: public("1")}, "s1", false},
		"a key, another is used": {&rotate.Selector{Key: public("1")}, "s2", true},
		"a compromised key":      {&rotate.Selector{Key: leaked}, "", false},
		"a compromised key, and one that was tried": {&rotate.Selector{Key: leaked, Tried: []string{"2"}}, "", false},
		"a key that may appear":                     {&rotate.Selector{Tried: []string{"2"}}, "", true},
		"no key":                                    {&rotate.Selector{}, "", false},
		"none of the domain's":                      {nil, "", false},
	} {
		st := ready()
		if c.sel != nil {
			st.Earlier = rotate.Earlier{"s1": c.sel}
		}
		if c.former != "" {
			st.Former = rotate.Formers{{Selector: c.former, Signer: "mx1"}}
		}
		if got := follow.Unused(st, "s1"); got != c.unused {
			t.Errorf("%s: %t", title, got)
		}
	}
}

// TestMayAppear: the record of a key that was published, and not seen since, may come to DNS for a week.
func TestMayAppear(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*rotate.Key)
		until  time.Time
	}{
		"it was seen":                       {func(*rotate.Key) {}, time.Time{}},
		"it was never seen":                 {func(k *rotate.Key) { k.VerifiedAt = time.Time{} }, then.Add(7 * 24 * time.Hour)},
		"it was revoked":                    {func(k *rotate.Key) { k.VerifiedAt, k.RevokedAt = time.Time{}, then }, time.Time{}},
		"its publication has not begun yet": {func(k *rotate.Key) { *k = rotate.Key{ID: k.ID, StoredAt: then} }, time.Time{}},
	} {
		key := public("1")
		key.PublishedAt = then
		c.change(key)
		if got := follow.MayAppear(key); !got.Equal(c.until) {
			t.Errorf("%s: %s", title, got)
		}
	}
	if got := follow.MayAppear(nil); !got.IsZero() {
		t.Errorf("no key: %s", got)
	}
}

// TestMovedBackOffTheList: a signer that is not listed, and that signed with a selector to which the domain goes back, is
// known to do so, or to have left it: mail that it signs is waited for (I2). Of one that was given a new key before it was
// taken off the list, the mail at the new selector is.
func TestMovedBackOffTheList(t *testing.T) {
	now, left := then.Add(20*24*time.Hour), then.Add(5*24*time.Hour)
	until := left.Add(7*24*time.Hour + rotate.Grace)
	at := func(selector string, until time.Time) rotate.Former {
		return rotate.Former{Selector: selector, Signer: "mx9", Until: until}
	}
	both := func(s1, s2 time.Time) rotate.Formers { return rotate.Formers{at("s2", s2), at("s1", s1)} }
	for title, c := range map[string]struct {
		former rotate.Formers
		want   rotate.Confirmations
	}{
		"it signs with the active one": {both(time.Time{}, until),
			rotate.Confirmations{"mx9": {Selector: "s1", KeyID: "1", At: now, Left: true, Signs: true}}},
		"it signs with the standby": {both(until, time.Time{}),
			rotate.Confirmations{"mx9": {Selector: "s2", KeyID: "2", At: now, Left: true, Signs: true}}},
		"it may sign with both": {both(time.Time{}, time.Time{}),
			rotate.Confirmations{"mx9": {Selector: "s1", KeyID: "1", At: now, Left: true, Signs: true}}},
		"it has left both": {both(until, until.Add(-time.Hour)),
			rotate.Confirmations{"mx9": {Selector: "s1", KeyID: "1", At: left, Left: true}}},
		"it may sign with both, in another order": {rotate.Formers{at("s1", time.Time{}), at("s2", time.Time{})},
			rotate.Confirmations{"mx9": {Selector: "s1", KeyID: "1", At: now, Left: true, Signs: true}}},
		"it has left both, in another order": {rotate.Formers{at("s1", until), at("s2", until.Add(-time.Hour))},
			rotate.Confirmations{"mx9": {Selector: "s1", KeyID: "1", At: left, Left: true}}},
		"it has left both at once": {both(until, until),
			rotate.Confirmations{"mx9": {Selector: "s2", KeyID: "2", At: left, Left: true}}},
		"it leaves the active one just now, for the standby": {
			rotate.Formers{at("s1", now.Add(9*24*time.Hour)), at("s2", time.Time{})},
			rotate.Confirmations{"mx9": {Selector: "s2", KeyID: "2", At: now, Left: true, Signs: true}}},
		"it leaves the active one just now": {both(now.Add(9*24*time.Hour), until),
			rotate.Confirmations{"mx9": {Selector: "s1", KeyID: "1", At: now, Left: true}}},
		"it signed with a selector from before": {rotate.Formers{{Selector: "old", Signer: "mx9"}}, rotate.Confirmations{}},
		"a listed one is switched back":         {rotate.Formers{{Selector: "s1", Signer: "mx1"}}, rotate.Confirmations{}},
	} {
		st := moving()
		for _, s := range []string{"s1", "s2"} {
			st.Earlier[s].Drain = 7 * 24 * time.Hour
		}
		st.Former = c.former
		if diff := cmp.Diff(c.want, follow.MovedBack(st, listed, now).Signers); diff != "" {
			t.Errorf("%s: %s", title, diff)
		}
	}
	st := moving()
	st.Signers = rotate.Confirmations{"mx9": {Selector: "a", KeyID: "3", Left: true, Signs: true}}
	back := follow.MovedBack(st, listed, now)
	if want := (rotate.Former{Selector: "a", Signer: "mx9"}); !slices.Contains(back.Former, want) || follow.Unused(back, "a") {
		t.Errorf("after it was given a new key, signers may sign with %+v", back.Former)
	}
}

// TestMovedBackUnseen: a record that was not seen when a move is given up may have been published until then (I7).
func TestMovedBackUnseen(t *testing.T) {
	now := then.Add(time.Hour)
	for title, c := range map[string]struct {
		key  *rotate.Key
		want time.Time
	}{
		"seen":                       {&rotate.Key{ID: "4", PublishedAt: then, VerifiedAt: then}, then},
		"published, and not seen":    {&rotate.Key{ID: "4", PublishedAt: then}, now},
		"tried, and no answer came":  {&rotate.Key{ID: "4", CacheWait: time.Minute}, now},
		"its publication is to come": {&rotate.Key{ID: "4"}, time.Time{}},
	} {
		st := moving()
		st.Selectors["b"] = &rotate.Selector{Key: c.key}
		if got := follow.MovedBack(st, listed, now).Earlier["b"].Key.PublishedAt; !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", title, got, c.want)
		}
	}
}

// TestMisnamed: a policy that names what the domain is just moving away from is refused before anything is made there, and
// so are selectors to which nobody has ordered it to move.
func TestMisnamed(t *testing.T) {
	started := moving()
	begun := moving()
	begun.Phase = rotate.New
	unnamed := moving() // as an older version left it
	unnamed.Phase, unnamed.Selectors = rotate.New, nil
	stays := ready()
	stays.Phase, stays.Origin = rotate.New, &rotate.Origin{Pair: [2]string{"s1", "s2"}}
	for title, c := range map[string]struct {
		st    rotate.State
		pair  [2]string
		named string // what the hint has put back into the policy; "" where nothing is refused
		on    bool   // whether the hint leads on to what is named
	}{
		"one of them":           {begun, [2]string{"a", "s2"}, "'selectors: [a, b]'", false},
		"those of the order":    {begun, [2]string{"a", "b"}, "", false},
		"others":                {begun, [2]string{"c", "d"}, "'selectors: [a, b]'", true},
		"one other":             {begun, [2]string{"a", "d"}, "'selectors: [a, b]'", true},
		"it is not known which": {unnamed, [2]string{"c", "d"}, "", false},
		"one, as far as known":  {unnamed, [2]string{"a", "s2"}, "the new selectors", false},
		"keys are made by now":  {started, [2]string{"a", "s2"}, "", false},
		"no way leads back":     {stays, [2]string{"a", "s2"}, "", false},
	} {
		err := follow.Misnamed(rotate.Domain{Name: "example.com", Policy: rotate.Policy{Selectors: c.pair}}, c.st)
		if refused := c.named != ""; refused != (fault.CodeOf(err) == codes.SelectorsChanged) || refused != (err != nil) {
			t.Errorf("%s: %v", title, err)
		}
		hint := fault.HintOf(err)
		if !strings.Contains(hint, c.named) || strings.Contains(hint, "--change-selectors'") != c.on {
			t.Errorf("%s: %s", title, hint)
		}
	}
}

// TestMovedBackAfterUse guards I2: mail that was signed at a new selector before the signers were sent back from it to
// the other new one is waited for. A signer that was off the list then was not sent there.
func TestMovedBackAfterUse(t *testing.T) {
	st := moving()
	st.Signers = rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "1"}, "mx9": {Selector: "s1", KeyID: "1", Left: true}}
	st.Selectors["b"].LastUsedAt = then
	back := follow.MovedBack(st, []string{"mx1"}, then.Add(time.Hour))
	if diff := cmp.Diff(rotate.Formers{{Selector: "b", Signer: "mx1"}}, back.Former); diff != "" {
		t.Error(diff)
	}
}

// TestMovedBackBeforeAnythingWasMade: a move that is given up before a key was made leaves nothing behind at the names that
// it was to lead to, unless one was being stored.
func TestMovedBackBeforeAnythingWasMade(t *testing.T) {
	st := rotate.CopyState(follow.Moved(ready(), names, listed))
	if back := follow.MovedBack(st, listed, then); len(back.Earlier) > 0 || len(back.Selectors) != 2 {
		t.Errorf("it keeps %q beside %d", back.Earlier.Names(), len(back.Selectors))
	}
	st.Intent = &rotate.Intent{Kind: rotate.StoreKey, Selector: "a", KeyID: "x"}
	if back := follow.MovedBack(st, listed, then); len(back.Earlier) != 1 || len(back.Earlier["a"].Retired) != 1 {
		t.Errorf("a key was being stored at a, and it keeps %q", back.Earlier.Names())
	}
}

// TestLeftBehind: of a report that is repeated, the key is meant whose destruction is all that is left to do: a compromised
// one that is still there, and none that was replaced by the schedule (I5).
func TestLeftBehind(t *testing.T) {
	for title, c := range map[string]struct {
		retired []rotate.Retired
		want    string
	}{
		"a compromised key":            {[]rotate.Retired{{KeyID: "0", Leaked: true}}, "0"},
		"one that was replaced":        {[]rotate.Retired{{KeyID: "0"}}, ""},
		"one that was dropped":         {[]rotate.Retired{{KeyID: "0", Leaked: true, Dropped: true}}, ""},
		"a compromised one behind one": {[]rotate.Retired{{KeyID: "0"}, {KeyID: "9", Leaked: true}}, "9"},
		"none":                         {nil, ""},
	} {
		st := ready()
		st.Draining = "s2"
		st.Selectors["s2"].Retired = c.retired
		got := ""
		if old := follow.LeftBehind(st); old != nil {
			got = old.KeyID
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", title, got, c.want)
		}
	}
}

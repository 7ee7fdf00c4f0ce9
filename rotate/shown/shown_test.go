package shown_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// TestWritten: a revocation takes the place of dkimbot's own record on each server that shows it, and leaves what is
// somebody else's. What was said of the servers before is not said any more (I6).
func TestWritten(t *testing.T) {
	key := plantest.Keys()[0]
	own, theirs, revoked := plantest.Record(key), "v=spf1 -all", "v=DKIM1; k=ed25519; p="
	sel := rotate.Selector{Key: &rotate.Key{ID: key.ID(), Record: own}}
	sight := rotate.Sight{Values: []string{own, theirs}, Lagging: []string{"ns1: shows key"},
		Shown: map[string][]string{"ns1": {own}, "ns2": {own, theirs}, "ns3": {theirs}, "ns4": nil}}
	want := rotate.Sight{Values: []string{revoked, theirs},
		Shown: map[string][]string{"ns1": {revoked}, "ns2": {revoked, theirs}, "ns3": {theirs}, "ns4": nil}}
	if d := cmp.Diff(want, shown.Written(sight, sel, revoked)); d != "" {
		t.Error(d)
	}
	if still := shown.Still(sight, sel.Key); still != "ns1, ns2" || !shown.Somewhere(sight, sel) || !shown.Nothing(sight) {
		t.Errorf("still %q, somewhere %t, nothing %t", still, shown.Somewhere(sight, sel), shown.Nothing(sight))
	}
	if after := shown.Written(sight, sel, revoked); shown.Somewhere(after, sel) || shown.Still(after, sel.Key) != "" {
		t.Errorf("after: %+v", after)
	}
}

// TestGone: a record is gone where every server says so, and not where one was not heard.
func TestGone(t *testing.T) {
	none := rotate.Sight{Complete: true}
	silent, unchecked, partly, own := none, none, none, none
	silent.Silent, unchecked.Unchecked, partly.Complete, own.Values = true, true, false, []string{plantest.KeyAt(0).Record}
	for title, c := range map[string]struct {
		seen rotate.SelectorSeen
		want bool
	}{
		"none shows it":      {rotate.SelectorSeen{Sight: none}, true},
		"one shows it":       {rotate.SelectorSeen{Sight: own}, false},
		"one is silent":      {rotate.SelectorSeen{Sight: silent}, false},
		"not each was asked": {rotate.SelectorSeen{Sight: partly}, false},
		"nobody was asked":   {rotate.SelectorSeen{Sight: unchecked}, false},
		"the look failed":    {rotate.SelectorSeen{Sight: none, SightErr: errors.New("no answer")}, false},
	} {
		if got := shown.Gone(c.seen); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}

// TestWrittenWhereAPurgeLeftOne: what a purge left at a name gives way to the record that is written there, and a revoked
// record of somebody else's stays beside it.
func TestWrittenWhereAPurgeLeftOne(t *testing.T) {
	own, left := plantest.KeyAt(0).Record, "v=DKIM1; k=ed25519; p="
	for vacated, want := range map[bool][]string{true: {own}, false: {left, own}} {
		after := shown.Written(rotate.Sight{Values: []string{left}, Vacated: vacated}, rotate.Selector{}, own)
		if slices.Sort(want); !slices.Equal(after.Values, want) || after.Vacated {
			t.Errorf("vacated %t: %q", vacated, after.Values)
		}
	}
	beside := shown.Written(rotate.Sight{Values: []string{"v=spf1 -all"}, Vacated: true}, rotate.Selector{}, own)
	if len(beside.Values) != 2 {
		t.Errorf("beside another one: %q", beside.Values)
	}
}

// TestExposed: servers that show a key as before are named once it was revoked; before, they are right to show it, and
// when all have followed there is nothing to say.
func TestExposed(t *testing.T) {
	key := plantest.KeyAt(0)
	before := rotate.Sight{Shown: map[string][]string{"ns1": {"v=DKIM1; k=ed25519; p="}, "ns2": {key.Record}}}
	after := rotate.Sight{Shown: map[string][]string{"ns1": {"v=DKIM1; k=ed25519; p="}}}
	if said := shown.Exposed(before, key); said != "" {
		t.Errorf("before the revocation: %q", said)
	}
	key.Leaked, key.Record = plantest.Now, dkim.RevokedRecord(key.Record)
	if said := shown.Exposed(before, key); said != "; ns2 still shows the compromised key, and receivers that ask there "+
		"accept it until that follows" {
		t.Errorf("after it: %q", said)
	}
	if shown.Exposed(after, key) != "" || shown.Exposed(before, nil) != "" {
		t.Errorf("all have followed: %q; no key: %q", shown.Exposed(after, key), shown.Exposed(before, nil))
	}
}

// TestWrittenToAll: who showed nothing before the write is still said after it, where nothing else stood there (I6).
func TestWrittenToAll(t *testing.T) {
	key := plantest.KeyAt(0)
	sel := rotate.Selector{Key: key}
	lagging := []string{"ns2: shows no record"}
	sight := rotate.Sight{Values: []string{key.Record}, Lagging: lagging,
		Shown: map[string][]string{"ns1": {key.Record}, "ns2": nil}}
	if after := shown.Written(sight, sel, dkim.RevokedRecord(key.Record)); !slices.Equal(after.Lagging, lagging) {
		t.Errorf("it says %q", after.Lagging)
	}
	for want, c := range map[bool]*rotate.Key{true: key, false: nil} {
		if got := shown.Alone(sight, c); got != want {
			t.Errorf("a server shows %v alone: %t", c, got)
		}
	}
}

// TestSomewhere: what is to be revoked is dkimbot's own record with a key, and not the fresh one that takes its place (I2).
func TestSomewhere(t *testing.T) {
	key, fresh, other := plantest.KeyAt(0), plantest.KeyAt(1), plantest.KeyAt(2)
	sel := rotate.Selector{Key: key, Next: fresh, Revoked: true}
	for _, c := range []struct {
		value string
		next  bool
		want  bool
	}{{key.Record, true, true}, {key.Record, false, true}, {fresh.Record, true, false}, {other.Record, true, false},
		{dkim.RevokedRecord(key.Record), true, false}} {
		with := sel
		if !c.next {
			with.Next = nil
		}
		if got := shown.Somewhere(rotate.Sight{Values: []string{c.value}}, with); got != c.want {
			t.Errorf("%s beside a fresh one %t: %t", c.value, c.next, got)
		}
	}
}

// TestNoneLoses: signers may come to a key that some servers lack where these lack the one that they leave, too, as far
// as a look shows; where nothing is known of that, mail that verifies might fail (I2).
func TestNoneLoses(t *testing.T) {
	to, from := plantest.KeyAt(1), plantest.KeyAt(0)
	at := func(sight rotate.Sight) rotate.SelectorSeen { return rotate.SelectorSeen{Sight: sight} }
	sight := rotate.Sight{Shown: map[string][]string{"ns1": {to.Record}, "ns2": nil}}
	for title, c := range map[string]struct {
		left rotate.SelectorSeen
		from *rotate.Key
		want bool
	}{
		"it lacks both":               {at(rotate.Sight{Shown: map[string][]string{"ns1": {from.Record}, "ns2": nil}}), from, true},
		"it shows the one to leave":   {at(rotate.Sight{Shown: map[string][]string{"ns2": {from.Record}}}), from, false},
		"every server shows that one": {at(rotate.Sight{Complete: true, Values: []string{from.Record}}), from, false},
		"no server shows that one":    {at(rotate.Sight{Complete: true}), from, true},
		"that server is not known":    {at(rotate.Sight{}), from, false},
		"the look failed":             {rotate.SelectorSeen{Sight: rotate.Sight{Complete: true}, SightErr: errors.New("no answer")}, from, false},
		"no key is left":              {at(rotate.Sight{Complete: true}), nil, false},
	} {
		if got := shown.NoneLoses(sight, to, c.left, c.from); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
	if shown.NoneLoses(rotate.Sight{Shown: map[string][]string{"ns1": {to.Record}}}, to, at(rotate.Sight{}), from) {
		t.Error("no server lacks it")
	}
	if still := shown.Still(sight, nil); still != "" {
		t.Errorf("of no key: %q", still)
	}
}

// TestLedTo: true words: a name that was refused leads to the domain's other selector where both are at one place, or
// where it is at that one's own name; else to another domain's record. One that was not refused leads nowhere else.
func TestLedTo(t *testing.T) {
	name, other := dkim.Name{Domain: "a.test", Selector: "s1"}, dkim.Name{Domain: "a.test", Selector: "s2"}
	taken := fault.Refuse(codes.SharedName, "both lead to one name", "")
	at := func(owner string, err error, values ...string) rotate.SelectorSeen {
		return rotate.SelectorSeen{Sight: rotate.Sight{Owner: owner, Values: values}, SightErr: err}
	}
	for _, c := range []struct {
		s1, s2 rotate.SelectorSeen
		led    string
		twin   bool
	}{
		{at("s2._domainkey.a.test", taken), at("s2._domainkey.a.test", nil), "the record of s2", true},
		{at("k.test", taken), at("k.test", nil), "the record of s2", true},
		{at("k.test", nil, "a"), at("k.test", nil, "a"), "", true},
		{at("k.test", nil, "a"), at("k.test", nil, "b"), "", false}, // it changed meanwhile
		{at("mail._domainkey.a.test", taken), at("s2._domainkey.a.test", nil), "the record of mail", false},
		{at("s1._domainkey.b.test", taken), at("s2._domainkey.a.test", nil), "another domain's record", false},
		{at("s1._domainkey.a.test", taken), at("s2._domainkey.a.test", nil), "another domain's record", false},
		{rotate.SelectorSeen{Sight: rotate.Sight{Complete: true}, SightErr: fault.Lasting("look up", errors.New("circle"), "")},
			at("s2._domainkey.a.test", nil), "no record", false},
		{at("", fault.Lasting("look up", errors.New("circle"), "")), at("s2._domainkey.a.test", nil), "", false},
		{at("s1._domainkey.a.test", errors.New("silent")), at("s2._domainkey.a.test", nil), "", false},
		{at("", taken), at("", nil), "another domain's record", false},
	} {
		seen := rotate.Observation{Selectors: map[string]rotate.SelectorSeen{"s1": c.s1, "s2": c.s2}}
		err := shown.Twin(seen, name, other)
		if led := shown.LedTo(seen, name); led != c.led || (err != nil) != c.twin ||
			err != nil && !strings.HasSuffix(err.Error(), "that of s2") {
			t.Errorf("%q, %q: it leads to %q (%v), want %q (twin %t)", c.s1.Sight.Owner, c.s2.Sight.Owner, led, err, c.led, c.twin)
		}
	}
}

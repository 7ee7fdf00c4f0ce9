package ports_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// oneName is DNS, and what is known of the place that it shows.
type oneName struct {
	sight        rotate.Sight
	holder, kept dkim.Name
	of           rotate.State
	err          error
}

func (n oneName) Look(context.Context, dkim.Name) (rotate.Sight, error) { return n.sight, nil }
func (n oneName) Holder(context.Context, string) (dkim.Name, error)     { return n.holder, nil }
func (n oneName) Kept(context.Context, string) (dkim.Name, rotate.State, error) {
	return n.kept, n.of, n.err
}

// TestUnshared: a name that leads to a record of dkimbot's is refused by name, whatever became of the domain whose it
// is, and no person is asked to remove what signers or mail on its way may need. What dkimbot left of a domain that was
// purged makes way, and what is not dkimbot's is judged elsewhere (I2, I3, I6).
func TestUnshared(t *testing.T) {
	const live, empty, strange = "v=DKIM1; k=ed25519; p=AAAA", "v=DKIM1; k=ed25519; p=", "v=DKIM1; k=ed25519; p=BBBB"
	old := plantest.Record(plantest.Keys()[0])
	name, theirs := dkim.Name{Domain: "c.test", Selector: "s1"}, dkim.Name{Domain: "a.test", Selector: "s1"}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	has := func(key bool, released *rotate.ReleaseState) rotate.State {
		sel := &rotate.Selector{Revoked: true, Past: []string{dkim.RecordKeyID(old)}}
		if key {
			sel = &rotate.Selector{Key: &rotate.Key{ID: "a", Record: live}}
		}
		return rotate.State{Domain: "a.test", Selectors: map[string]*rotate.Selector{"s1": sel}, Released: released}
	}
	moved := func(retired ...rotate.Retired) rotate.State {
		return rotate.State{Selectors: map[string]*rotate.Selector{"t1": {}, "t2": {}},
			Earlier: rotate.Earlier{"s1": {Key: &rotate.Key{ID: "a", Record: live}, Retired: retired}}}
	}
	purged := &rotate.ReleaseState{Purge: true, Purged: now}
	for title, tt := range map[string]struct {
		values       []string
		holder, kept dkim.Name
		of           rotate.State
		says         string // of the hint; "" for no refusal
		vacated      bool
	}{
		"nobody's":                      {values: []string{live}},
		"its own":                       {values: []string{live}, holder: name, kept: theirs, of: has(true, nil)},
		"a managed domain's":            {holder: theirs, kept: theirs, of: has(true, nil), says: "release --domain a.test --purge"},
		"yet to be purged":              {holder: theirs, kept: theirs, of: has(true, &rotate.ReleaseState{Purge: true}), says: "--purge"},
		"one that was released":         {values: []string{live}, kept: theirs, of: has(true, &rotate.ReleaseState{}), says: "leave what stands"},
		"gone from one that was":        {kept: theirs, of: has(true, &rotate.ReleaseState{})},
		"somebody else's in its place":  {values: []string{strange}, kept: theirs, of: has(true, &rotate.ReleaseState{})},
		"another one's beside it":       {values: []string{live, strange}, kept: theirs, of: has(true, &rotate.ReleaseState{}), says: "leave what"},
		"of a selector that was left":   {holder: theirs, kept: theirs, of: moved(rotate.Retired{KeyID: "a"}), says: "mail on its way may need it"},
		"that is needed no more":        {values: []string{live}, kept: theirs, of: moved(), says: "remove what stands"},
		"left by a purge":               {values: []string{empty}, kept: theirs, of: has(false, purged), vacated: true},
		"left by a purge, and another":  {values: []string{empty, strange}, kept: theirs, of: has(false, purged)},
		"an old one after a purge":      {values: []string{old}, kept: theirs, of: has(false, purged), says: "remove what stands"},
		"somebody else's after a purge": {values: []string{strange}, kept: theirs, of: has(false, purged)},
		"revoked, and released": {values: []string{empty}, kept: theirs, of: has(false, &rotate.ReleaseState{}),
			says: "leave what stands"},
		"the domain's other selector's": {holder: dkim.Name{Domain: "c.test", Selector: "s2"}, kept: dkim.Name{Domain: "c.test",
			Selector: "s2"}, of: rotate.State{Selectors: map[string]*rotate.Selector{"s2": {}}}, says: "leave what stands"},
		"the domain's former selector's": {values: []string{live}, holder: dkim.Name{Domain: "c.test", Selector: "s0"},
			kept: dkim.Name{Domain: "c.test", Selector: "s0"}, of: rotate.State{Earlier: rotate.Earlier{"s0": {
				Key: &rotate.Key{ID: "a", Record: live}, Retired: []rotate.Retired{{KeyID: "a"}}}}}, says: "mail on its way may need it"},
	} {
		dns := oneName{sight: rotate.Sight{Owner: "k.test", Values: tt.values, Complete: true}, holder: tt.holder, kept: tt.kept, of: tt.of}
		sight, err := ports.Unshared(dns, dns).Look(t.Context(), name)
		if (err != nil) != (tt.says != "") || err != nil && fault.CodeOf(err) != codes.SharedName ||
			!strings.Contains(fault.HintOf(err), tt.says) || sight.Vacated != tt.vacated {
			t.Errorf("%s: %v (hint %q), vacated %t", title, err, fault.HintOf(err), sight.Vacated)
		}
	}
	renamed := oneName{sight: rotate.Sight{Owner: "s1._domainkey.a.test", DNAME: "_domainkey.c.test", Complete: true},
		holder: theirs, kept: theirs, of: has(true, nil)}
	_, err := ports.Unshared(renamed, renamed).Look(t.Context(), name)
	if said := fault.Text(err); !strings.Contains(said, "lead to s1._domainkey.a.test, by the DNAME record at _domainkey.c.test,") {
		t.Errorf("by a DNAME: %s", said)
	}
	hint := fault.HintOf(err)
	if !strings.Contains(hint, "remove the DNAME at _domainkey.c.test") || strings.Contains(hint, "target of its own") {
		t.Errorf("by a DNAME: hint %q", hint)
	}
	locked := oneName{sight: rotate.Sight{Owner: "k.test"}, err: errors.New("the database is locked")}
	if _, err := ports.Unshared(locked, locked).Look(t.Context(), name); err == nil || fault.CodeOf(err) == codes.SharedName {
		t.Errorf("it can't be found out whose it is: %v", err)
	}
}

package follow_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// TestAccountsSaid: a person reads in the history which DNS accounts a domain got and which it lost, once; a
// domain that is new has none to lose. What is given is not changed.
func TestAccountsSaid(t *testing.T) {
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	const came, left = "the DNS account %s is listed, too: each record is published there as well, and counts when the " +
		"servers of all accounts show it",
		"the DNS account %s is no longer listed: what it holds is yours to remove, and is " +
			"not changed any more"
	const swapped = "dkimbot published the records of example.com at old until now; old is no longer listed, and new is: " +
		"while example.com is delegated to the servers of old, changes at new are not visible in DNS"
	for name, c := range map[string]struct {
		phase     rotate.Phase
		had, also []string
		provider  string
		said      []string
		has       []string
	}{
		"one account, as an older version left it": {rotate.Ready, nil, nil, "old", nil, []string{"old"}},
		"one account":   {rotate.Ready, []string{"old"}, nil, "old", nil, []string{"old"}},
		"one exchanged": {rotate.Ready, []string{"old"}, nil, "new", []string{swapped}, []string{"new"}},
		"all exchanged": {rotate.Draining, []string{"old", "far"}, []string{"near"}, "new", []string{strings.ReplaceAll(
			strings.ReplaceAll(swapped, "old", "old and far"), "new", "new and near")}, []string{"new", "near"}},
		"a second account": {rotate.Ready, nil, []string{"new"}, "old", []string{fmt.Sprintf(came, "new")},
			[]string{"old", "new"}},
		"the same two": {rotate.Ready, []string{"old", "new"}, []string{"new"}, "old", nil, []string{"old", "new"}},
		"a third": {rotate.Draining, []string{"old", "new"}, []string{"new", "far"},
			"old", []string{fmt.Sprintf(came, "far")}, []string{"old", "new", "far"}},
		"the first one left": {rotate.Ready, []string{"old", "new"}, nil, "new", []string{fmt.Sprintf(left, "old")}, []string{"new"}},
		"one for another": {rotate.Ready, []string{"old", "new"}, []string{"far"}, "new",
			[]string{fmt.Sprintf(left, "old"), fmt.Sprintf(came, "far")}, []string{"new", "far"}},
		"the first one is a new one": {rotate.Ready, []string{"old"}, []string{"old"}, "new", []string{fmt.Sprintf(came, "new")},
			[]string{"new", "old"}},
		"a new domain":           {rotate.New, nil, []string{"new"}, "old", nil, []string{"old", "new"}},
		"a domain never stored":  {"", nil, []string{"new"}, "old", nil, []string{"old", "new"}},
		"since it was new":       {rotate.Bootstrapping, []string{"old", "new"}, []string{"new"}, "old", nil, []string{"old", "new"}},
		"a new one has one less": {rotate.New, []string{"old", "new"}, nil, "old", nil, []string{"old"}},
	} {
		t.Run(name, func(t *testing.T) {
			had := rotate.State{Domain: "example.com", Phase: c.phase, Accounts: c.had}
			st, events := follow.State(had, rotate.Domain{Name: "example.com", Provider: c.provider, Also: c.also}, now)
			var said []string
			for _, e := range events {
				said = append(said, e.Message)
				if e.Domain != "example.com" || e.Kind != rotate.Accounts || !e.At.Equal(now) || e.Phase != c.phase {
					t.Errorf("the event is %+v", e)
				}
			}
			if !slices.Equal(said, c.said) || !slices.Equal(st.Accounts, c.has) || !slices.Equal(had.Accounts, c.had) {
				t.Errorf("said %q, and has %q; want %q and %q", said, st.Accounts, c.said, c.has)
			}
		})
	}
}

// TestExchangeEnds: an exchange of all DNS accounts is known until a former one is listed again, and a drain long
// where none of them can be listed any more.
func TestExchangeEnds(t *testing.T) {
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	for title, c := range map[string]struct {
		provider   string
		also       []string
		configured []string
		after      time.Duration
		stands     bool
	}{
		"it was just made":                 {"new", nil, []string{"old", "new"}, 0, true},
		"a year later":                     {"new", nil, []string{"old", "new"}, 8760 * time.Hour, true},
		"both are listed":                  {"new", []string{"old"}, []string{"old", "new"}, 0, false},
		"it is taken back":                 {"old", nil, []string{"old", "new"}, 0, false},
		"another one follows":              {"far", nil, []string{"old", "far"}, 8760 * time.Hour, true},
		"the former one is not configured": {"new", nil, []string{"new"}, time.Hour, true},
		"until a drain after that":         {"new", nil, []string{"new"}, 24 * time.Hour, true},
		"a drain after that":               {"new", nil, []string{"new"}, 25 * time.Hour, false},
	} {
		had := rotate.State{Domain: "example.com", Phase: rotate.Ready, Accounts: []string{"old"}}
		want := rotate.Domain{Name: "example.com", Provider: "new", Policy: rotate.Policy{Drain: 24 * time.Hour}}
		st, _ := follow.State(had, want, now)
		want.Provider, want.Also, want.Configured = c.provider, c.also, c.configured
		if st, _ = follow.State(st, want, now.Add(c.after)); (follow.Exchanged(st, want) != nil) != c.stands {
			t.Errorf("%s: %+v", title, st.Exchanged)
		}
	}
}

// TestAccountsAfterAnExchange: an account that is listed beside the new ones is said to be, while the exchange stands. Of
// records that the new accounts do not show that is said, of nothing else; and nothing of a domain that was released.
func TestAccountsAfterAnExchange(t *testing.T) {
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	want := rotate.Domain{Name: "example.com", Provider: "new"}
	st, _ := follow.State(rotate.State{Domain: "example.com", Phase: rotate.Ready, Accounts: []string{"old"}}, want, now)
	want.Also, want.Configured = []string{"far"}, []string{"old", "new", "far"}
	st, events := follow.State(st, want, now)
	if len(events) != 1 || !strings.HasPrefix(events[0].Message, "the DNS account far is listed, too") || st.Exchanged == nil {
		t.Errorf("%+v; %+v", events, st.Exchanged)
	}
	gone, other := finding.Finding{Code: codes.RecordVanished, Selector: "s1"}, finding.Finding{Code: codes.RecordSecond, Selector: "s1"}
	if f := follow.NotThere(st, want, gone); f.Code != codes.ServersDiffer {
		t.Errorf("a record that the new accounts never had: %+v", f)
	}
	if f := follow.NotThere(st, want, other); *f != other {
		t.Errorf("a second record: %+v", f)
	}
	st.Released = &rotate.ReleaseState{At: now}
	if follow.Exchanged(st, want) != nil {
		t.Error("it is said of a domain that was released")
	}
}

// TestPartedHold: what an account holds is remembered when it is taken off the list, as far as a person may yet have to
// remove it: records of keys that are public and not revoked. A key that is replaced is no longer reported.
func TestPartedHold(t *testing.T) {
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	key := func(id string) *rotate.Key { return &rotate.Key{ID: id, PublishedAt: now} }
	for title, c := range map[string]struct {
		s1, a    rotate.Selector
		had      finding.Partings
		accounts []string
		want     finding.Partings
	}{
		"one leaves": {rotate.Selector{Key: key("1"), Next: key("2")}, rotate.Selector{Key: key("3")}, nil, []string{"old", "new"},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1"}, {Account: "old", Selector: "s1", KeyID: "2"},
				{Account: "old", Selector: "a", KeyID: "3"}}},
		"in an emergency": {rotate.Selector{Key: &rotate.Key{ID: "1", PublishedAt: now, Leaked: now.Add(-time.Hour)}}, rotate.Selector{},
			nil, []string{"old", "new"}, finding.Partings{{Account: "old", Selector: "s1", KeyID: "1", Leaked: now}}},
		"revoked": {rotate.Selector{Key: &rotate.Key{ID: "1", PublishedAt: now, Leaked: now, RevokedAt: now}}, rotate.Selector{}, nil,
			[]string{"old", "new"}, nil},
		"never published": {rotate.Selector{Key: &rotate.Key{ID: "1"}}, rotate.Selector{}, nil, []string{"old", "new"}, nil},
		"replaced since": {rotate.Selector{Key: key("2")}, rotate.Selector{},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1"}}, []string{"new"}, nil},
		"another one is to be destroyed": {rotate.Selector{Key: key("2"), Retired: []rotate.Retired{{KeyID: "9"}}}, rotate.Selector{},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1"}}, []string{"new"}, nil},
		"at a selector of before": {rotate.Selector{Key: key("2")}, rotate.Selector{},
			finding.Partings{{Account: "old", Selector: "gone", KeyID: "1"}}, []string{"new"}, nil},
		"to be destroyed": {rotate.Selector{Key: key("2"), Retired: []rotate.Retired{{KeyID: "1"}}}, rotate.Selector{},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1"}}, []string{"new"},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1"}}},
		"reported, and replaced since": {rotate.Selector{Key: key("2")}, rotate.Selector{},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1", Leaked: now.Add(-time.Hour)}}, []string{"new"},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1", Leaked: now.Add(-time.Hour)}}},
		"reported by a clock that ran ahead": {rotate.Selector{}, rotate.Selector{},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1", Leaked: now.Add(8760 * time.Hour)}}, []string{"new"},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1", Leaked: now}}},
		"reported two days ago": {rotate.Selector{}, rotate.Selector{},
			finding.Partings{{Account: "old", Selector: "s1", KeyID: "1", Leaked: now.Add(-48 * time.Hour)}}, []string{"new"}, nil},
		"listed again": {rotate.Selector{Key: key("1")}, rotate.Selector{},
			finding.Partings{{Account: "new", Selector: "s1", KeyID: "1", Leaked: now}}, []string{"new"}, nil},
	} {
		had := rotate.State{Domain: "example.com", Phase: rotate.Ready, Accounts: c.accounts, Parted: c.had,
			Selectors: map[string]*rotate.Selector{"s1": &c.s1}, Earlier: rotate.Earlier{"a": &c.a}}
		before := slices.Clone(c.had)
		st, _ := follow.State(had, rotate.Domain{Name: "example.com", Provider: "new"}, now)
		if !slices.Equal(st.Parted, c.want) || !slices.Equal(had.Parted, before) {
			t.Errorf("%s: %+v, before %+v", title, st.Parted, had.Parted)
		}
	}
}

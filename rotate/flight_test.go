package rotate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestSuspect: who reports a compromised key and names none means the key that signers use, or are to use. Where an
// earlier report could not be carried out at once, the same report means the key that signers have left or are leaving,
// and not the good one that they come to.
func TestSuspect(t *testing.T) {
	before, switched, after := time.Unix(1, 0), time.Unix(2, 0), time.Unix(3, 0)
	old := []rotate.Retired{{KeyID: "0", Leaked: true}}
	for name, c := range map[string]struct {
		phase                    rotate.Phase
		active, target, draining string
		leaked                   map[string]time.Time
		retired                  []rotate.Retired // at s1
		want                     string
	}{
		"in use":                        {rotate.Ready, "s2", "", "", nil, nil, "s2"},
		"a drain":                       {rotate.Draining, "s2", "", "s1", nil, nil, "s2"},
		"left, reported before":         {rotate.Draining, "s2", "", "s1", map[string]time.Time{"s1": before}, nil, "s1"},
		"left with the report":          {rotate.Draining, "s2", "", "s1", map[string]time.Time{"s1": switched}, nil, "s1"},
		"left, reported later by name":  {rotate.Draining, "s2", "", "s1", map[string]time.Time{"s1": after}, nil, "s2"},
		"brought up":                    {rotate.Bootstrapping, "", "s2", "", nil, nil, "s2"},
		"brought up with the other one": {rotate.Bootstrapping, "", "s2", "", map[string]time.Time{"s1": before}, nil, "s1"},
		"brought up, both compromised": {rotate.Bootstrapping, "", "s2", "",
			map[string]time.Time{"s1": before, "s2": before}, nil, "s2"},
		"brought up with the other one, given up": {rotate.Bootstrapping, "", "s2", "", nil, old, "s1"},
		"in use, another one was given up":        {rotate.Ready, "s2", "", "", nil, old, "s2"},
	} {
		st := rotate.State{Phase: c.phase, Active: c.active, Target: c.target, Draining: c.draining, SwitchedAt: switched,
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}, Retired: c.retired},
				"s2": {Key: &rotate.Key{ID: "2"}}}}
		for name, at := range c.leaked {
			st.Selectors[name].Key.Leaked = at
		}
		if got := st.Suspect(); got != c.want {
			t.Errorf("%s: the key of %s is meant, want %s", name, got, c.want)
		}
	}
}

// TestEmergency: a domain is in an emergency from the report of a key until the private key is destroyed.
func TestEmergency(t *testing.T) {
	for name, c := range map[string]struct {
		sel  rotate.Selector
		want bool
	}{
		"nothing is compromised":    {rotate.Selector{Key: &rotate.Key{ID: "1"}, Retired: []rotate.Retired{{KeyID: "0"}}}, false},
		"it still stands":           {rotate.Selector{Key: &rotate.Key{ID: "1", Leaked: time.Unix(1, 0)}}, true},
		"it is yet to be destroyed": {rotate.Selector{Key: &rotate.Key{ID: "1"}, Retired: []rotate.Retired{{KeyID: "0", Leaked: true}}}, true},
	} {
		if got := (rotate.State{Selectors: map[string]*rotate.Selector{"s1": &c.sel}}).Emergency(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// stand is where a domain stands: what signs, is switched to and drains.
type stand struct {
	Phase                    rotate.Phase
	Active, Target, Draining string
}

// standOf returns where a domain stands.
func standOf(st rotate.State) stand { return stand{st.Phase, st.Active, st.Target, st.Draining} }

// state returns the state of a domain with two keys that stands there.
func (s stand) state() rotate.State {
	return rotate.State{Phase: s.Phase, Active: s.Active, Target: s.Target, Draining: s.Draining, Held: []string{"mx2"},
		Signers:   rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "1"}},
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}}, "s2": {Key: &rotate.Key{ID: "2"}}}}
}

// TestTakeFlight: a report of compromised keys leads to the phase in which signers leave them for a good key; where
// there is none, one of them is replaced at once. What concerns no compromised key stays as it is (I1).
func TestTakeFlight(t *testing.T) {
	now := time.Unix(9, 0)
	up := stand{rotate.Bootstrapping, "", "s2", ""}
	ready := stand{rotate.Ready, "s1", "", ""}
	draining, replacing := stand{rotate.Draining, "s1", "", "s2"}, stand{rotate.Replacing, "s1", "", "s2"}
	switching := stand{rotate.Switching, "s1", "s2", ""}
	for name, c := range map[string]struct {
		from     stand
		leaked   []string
		reported []string
		signer   rotate.Confirmed // mx1
		now      bool             // it was ordered to revoke the active key at once
		want     stand
		unsure   bool // mx1 has to confirm again
		dropped  bool // what was fresh at s2 is given up
	}{
		"brought up, the target": {from: up, leaked: []string{"s2"}, want: stand{rotate.Bootstrapping, "", "s1", ""}},
		"brought up, both":       {from: up, leaked: []string{"s1", "s2"}, want: up},
		"brought up, the other":  {from: up, leaked: []string{"s1"}, want: up},
		"ready, the active one":  {from: ready, leaked: []string{"s1"}, want: ready},
		"ready, the standby":     {from: ready, leaked: []string{"s2"}, want: draining},
		"ready, an earlier one":  {from: ready, want: ready},
		"replacing, the fresh one and the one before": {from: replacing, leaked: []string{"s2"}, reported: []string{"s2"},
			want: draining, dropped: true},
		"replacing, reported before": {from: replacing, leaked: []string{"s2"}, reported: []string{"s1"}, want: replacing},
		"draining, the draining one": {from: draining, leaked: []string{"s2"}, reported: []string{"s2"}, want: draining},
		"a switch, an earlier one":   {from: switching, want: switching},
		"a switch, both, and one signs with the target": {from: switching, leaked: []string{"s1", "s2"},
			signer: rotate.Confirmed{Selector: "s2"}, want: stand{rotate.Draining, "s2", "", "s1"}},
		"a switch, both, and one may": {from: switching, leaked: []string{"s1", "s2"},
			signer: rotate.Confirmed{Selector: "s2", Unsure: true}, want: switching, unsure: true},
		"a switch, both, and none does": {from: switching, leaked: []string{"s1", "s2"},
			signer: rotate.Confirmed{Selector: "s1"}, want: draining},
		"a switch, both, none does, to be revoked at once": {from: switching, leaked: []string{"s1", "s2"}, now: true,
			signer: rotate.Confirmed{Selector: "s1"}, want: stand{rotate.Draining, "s2", "", "s1"}},
		"a switch, the active one": {from: switching, leaked: []string{"s1"}, now: true,
			signer: rotate.Confirmed{Selector: "s2"}, want: switching},
		"a switch, the target": {from: switching, leaked: []string{"s2"},
			signer: rotate.Confirmed{Selector: "s2"}, want: stand{rotate.Switching, "s2", "s1", ""}, unsure: true},
		"a switch, the target that none uses": {from: switching, leaked: []string{"s2"},
			signer: rotate.Confirmed{Selector: "s1"}, want: stand{rotate.Switching, "s2", "s1", ""}, unsure: true},
	} {
		st := c.from.state()
		st.Signers["mx1"] = c.signer
		st.Selectors["s2"].Retired = []rotate.Retired{{KeyID: "0"}}
		for _, s := range c.leaked {
			st.Selectors[s].Key.Leaked = now
		}
		st.Selectors["s1"].Key.RevokeNow = c.now
		st.TakeFlight(pair, c.reported, now)
		if diff := cmp.Diff(c.want, standOf(st)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := st.Selectors["s2"].Dropped("0"); got != c.dropped {
			t.Errorf("%s: what was fresh is given up: %t", name, got)
		}
		if got := st.Signers["mx1"].Unsure; got != c.unsure {
			t.Errorf("%s: the signer has to confirm again: %t", name, got)
		}
	}
}

// TestStartOver: where the active key is replaced because signers can't be given the other one, its selector counts as
// the one that they have left. A fresh key that may be public at the other one takes its place there, and is looked up
// again before it is used; one that was not published is given up (I2, I5).
func TestStartOver(t *testing.T) {
	at := time.Unix(9, 0)
	ready, switching := stand{rotate.Ready, "s1", "", ""}, stand{rotate.Switching, "s1", "s2", ""}
	draining, replacing := stand{rotate.Draining, "s1", "", "s2"}, stand{rotate.Replacing, "s1", "", "s2"}
	for name, c := range map[string]struct {
		from    stand
		next    *rotate.Key // at s2
		stands  string      // the key at s2
		dropped bool        // the fresh one is given up
	}{
		"ready":                       {ready, nil, "2", false},
		"a switch":                    {switching, nil, "2", false},
		"a drain":                     {draining, nil, "2", false},
		"a fresh one is public":       {replacing, &rotate.Key{ID: "3", PublishedAt: at, VerifiedAt: at}, "3", false},
		"a fresh one may be public":   {replacing, &rotate.Key{ID: "3", CacheWait: time.Hour}, "3", false},
		"a fresh one, not yet public": {replacing, &rotate.Key{ID: "3"}, "2", true},
	} {
		st := c.from.state()
		s2 := st.Selectors["s2"]
		s2.Next = c.next
		st.Begin(rotate.Intent{Kind: rotate.StoreKey, Selector: "s1", KeyID: "9", At: at}, pair)
		if diff := cmp.Diff(stand{rotate.Replacing, "s2", "", "s1"}, standOf(st)); diff != "" || len(st.Held) > 0 ||
			!st.SwitchedAt.Equal(at) {
			t.Errorf("%s: %s; sent back %v, from %s", name, diff, st.Held, st.SwitchedAt)
		}
		if s2.Key.ID != c.stands || s2.Next != nil || !s2.Key.VerifiedAt.IsZero() || s2.Dropped("3") != c.dropped {
			t.Errorf("%s: at the other selector %+v, with the key %+v", name, s2, s2.Key)
		}
	}
	lone := ready.state()
	lone.Draining = "s2"
	delete(lone.Selectors, "s2")
	lone.Begin(rotate.Intent{Kind: rotate.StoreKey, Selector: "s1", KeyID: "9", At: at}, pair)
	if diff := cmp.Diff(stand{rotate.Replacing, "s2", "", "s1"}, standOf(lone)); diff != "" {
		t.Errorf("nothing is known of the other selector: %s", diff)
	}
}

// TestEnter: from one phase a domain comes only to those that the table of moves has; another move is a fault of the
// program, and stops it before anything is stored.
func TestEnter(t *testing.T) {
	for from, refused := range map[rotate.Phase]rotate.Phase{"": rotate.Ready, rotate.New: rotate.Switching,
		rotate.Bootstrapping: rotate.Switching, rotate.Ready: rotate.Bootstrapping, rotate.Switching: rotate.Replacing,
		rotate.Draining: rotate.Ready, rotate.Replacing: rotate.Bootstrapping} {
		t.Run(string(from), func(t *testing.T) {
			st := rotate.State{Phase: from}
			defer func() {
				if recover() == nil || st.Phase != from {
					t.Errorf("from %q it comes to %s", from, st.Phase)
				}
			}()
			st.Enter(refused)
		})
	}
}

package observe_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// keystore holds keys by selector, the last one is the newest; or does not answer.
type keystore struct {
	keys map[string][]*dkim.PrivateKey
	err  error
}

func (k keystore) Get(_ context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	all := k.keys[name.Selector]
	if version == 0 {
		version = len(all)
	}
	if k.err != nil || version == 0 || version > len(all) {
		return nil, 0, k.err
	}
	return all[version-1], version, nil
}

// dns counts how often each selector is looked up.
type dns struct {
	mu    sync.Mutex
	looks map[string]int
}

func (d *dns) Look(_ context.Context, name dkim.Name) (rotate.Sight, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looks[name.Selector]++
	return rotate.Sight{Complete: true}, nil
}

func wanted() rotate.Domain {
	return rotate.Domain{Name: "a.example", Signers: []string{"mx1", "mx2"},
		Policy: rotate.Policy{Selectors: [2]string{"s1", "s2"}}}
}

// moving is a domain that moves over from o1, with which its signers sign, and o2 to the selectors of wanted. All keys
// of o3 are destroyed already.
func moving() rotate.State {
	earlier := func(n int) *rotate.Selector {
		id := plantest.Keys()[n].ID()
		return &rotate.Selector{Key: &rotate.Key{ID: id, Version: 1}, Retired: []rotate.Retired{{KeyID: id, Version: 1}}}
	}
	return rotate.State{Phase: rotate.Bootstrapping, Origin: &rotate.Origin{Pair: [2]string{"o1", "o2"}, Active: "o1"},
		Selectors: map[string]*rotate.Selector{"s1": {}, "s2": {}},
		Earlier:   rotate.Earlier{"o1": earlier(0), "o2": earlier(1), "o3": {Key: &rotate.Key{ID: "destroyed"}}}}
}

// look observes the domain; signers says with which selector each signs.
func look(t *testing.T, have rotate.State, keys keystore,
	signers map[string]string) (rotate.Observation, map[string]int) {
	t.Helper()
	d := &dns{looks: map[string]int{}}
	seen := observe.Parts{Keys: keys, Look: d, Knows: func(string) bool { return true },
		Ask: func(_ context.Context, signer string) (rotate.SignerSeen, error) {
			if signers[signer] == "broken" {
				panic("a fault of the signer's part")
			}
			return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "a.example", Selector: signers[signer]}}}, nil
		}}.Domain(t.Context(), wanted(), have)
	return seen, d.looks
}

// TestWhichNamesAreLookedUp: of a domain are looked up, each once: its own selectors, those from before that hold keys
// yet, and where it is managed those of others that its signers say they sign with.
func TestWhichNamesAreLookedUp(t *testing.T) {
	ready := moving()
	ready.Phase, ready.Active = rotate.Ready, "s1"
	for title, tt := range map[string]struct {
		have      rotate.State
		mx1, mx2  string
		elsewhere []string // what is looked up beside s1 and s2
	}{
		"moving":                            {moving(), "o1", "o1", []string{"o1", "o2"}},
		"new, signed by others":             {rotate.State{}, "hand", "hand", nil},
		"managed":                           {ready, "s1", "s2", []string{"o1", "o2"}},
		"managed, signs elsewhere":          {ready, "hand", "tool", []string{"hand", "o1", "o2", "tool"}},
		"both sign elsewhere":               {ready, "hand", "hand", []string{"hand", "o1", "o2"}},
		"one signs as before":               {ready, "o1", "s1", []string{"o1", "o2"}},
		"one signs with what was destroyed": {ready, "o3", "s1", []string{"o1", "o2", "o3"}},
	} {
		seen, looks := look(t, tt.have, keystore{}, map[string]string{"mx1": tt.mx1, "mx2": tt.mx2})
		if got := slices.Sorted(maps.Keys(seen.Left)); !slices.Equal(got, tt.elsewhere) {
			t.Errorf("%s: beside its own selectors %q are seen, want %q", title, got, tt.elsewhere)
		}
		for _, name := range append([]string{"s1", "s2"}, tt.elsewhere...) {
			if looks[name] != 1 {
				t.Errorf("%s: %s is looked up %d times", title, name, looks[name])
			}
		}
		if len(looks) != 2+len(tt.elsewhere) {
			t.Errorf("%s: looked up are %v", title, looks)
		}
	}
}

// TestLostMeanwhile guards I4: while a domain moves over, its signers are sent away from the key that they use only
// where the keystore surely has it no more: not where it is kept below a newer one, nor where the keystore is silent.
func TestLostMeanwhile(t *testing.T) {
	key := plantest.Keys()
	compromised := moving()
	compromised.Earlier["o1"].Key.Leaked = time.Unix(1, 0)
	unknown := moving()
	unknown.Earlier["o1"].Key.Version = 0
	for title, tt := range map[string]struct {
		have rotate.State
		keys keystore
		lost bool
		over bool // it was there, and was destroyed
	}{
		"it is the newest":    {moving(), keystore{keys: map[string][]*dkim.PrivateKey{"o1": {key[0]}}}, false, false},
		"a newer one is kept": {moving(), keystore{keys: map[string][]*dkim.PrivateKey{"o1": {key[0], key[2]}}}, false, false},
		"it is kept at another version": {moving(), keystore{keys: map[string][]*dkim.PrivateKey{"o1": {key[2], key[0]}}},
			false, false},
		"another one is there":   {moving(), keystore{keys: map[string][]*dkim.PrivateKey{"o1": {key[2]}}}, true, true},
		"it was destroyed":       {moving(), keystore{keys: map[string][]*dkim.PrivateKey{"o1": {nil}}}, true, true},
		"a newer one follows it": {moving(), keystore{keys: map[string][]*dkim.PrivateKey{"o1": {nil, key[2]}}}, true, true},
		"nothing is there":       {moving(), keystore{}, true, false},
		"the keystore is silent": {moving(), keystore{err: errors.New("no answer")}, false, false},
		"it is compromised":      {compromised, keystore{}, false, false},
		"its version is unknown": {unknown, keystore{keys: map[string][]*dkim.PrivateKey{"o1": {key[2]}}}, true, false},
	} {
		seen, _ := look(t, tt.have, tt.keys, nil)
		if over := seen.Left["o1"].Ended; over != tt.over {
			t.Errorf("%s: o1 was destroyed: %t", title, over)
		}
		if seen.Left["o1"].Lost != tt.lost || seen.Left["o2"].Lost {
			t.Errorf("%s: o1 is lost: %t; o2, with which no signer signs: %t", title, seen.Left["o1"].Lost, seen.Left["o2"].Lost)
		}
	}
}

// TestBrokenPartOfASigner: a fault in the part that asks a signer is an error of that signer, and dkimbot continues
// with the others.
func TestBrokenPartOfASigner(t *testing.T) {
	seen, _ := look(t, moving(), keystore{}, map[string]string{"mx1": "broken", "mx2": "o1"})
	if seen.Signers["mx1"].Err == nil || seen.Signers["mx2"].Err != nil || seen.Signers["mx2"].Ref.Selector != "o1" {
		t.Errorf("%+v", seen.Signers)
	}
}

// TestFollowing: before a domain has a key, a signer is asked whether it can use an Ed25519 key where the policy wants
// those, and of an RSA key nothing: each can use that. A key that is there is asked for by its own record.
func TestFollowing(t *testing.T) {
	rsa, ed := wanted(), wanted()
	ed.Policy.Key = dkim.Ed25519
	begun := rotate.State{Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "k", Record: "its record"}}}}
	if k := observe.Following(rsa, rotate.State{}); k.Record != "" || k.Selector != "s1" {
		t.Errorf("RSA, none is there: %+v", k)
	}
	r, err := dkim.ParseRecord(observe.Following(ed, rotate.State{}).Record)
	if err != nil || r.Key.Algorithm() != dkim.Ed25519 {
		t.Errorf("Ed25519, none is there: %+v, %v", r, err)
	}
	for _, want := range []rotate.Domain{rsa, ed} {
		if k := observe.Following(want, begun); k.Record != "its record" {
			t.Errorf("one is there: %+v", k)
		}
	}
}

// TestMailTakesTurns: each domain's mail is looked at once a day, and not that of all domains in the same hour.
func TestMailTakesTurns(t *testing.T) {
	began := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	hours := map[int]int{}
	for n := range 240 {
		times := 0
		for hour := range 24 {
			if observe.MailIsDue(fmt.Sprintf("d%d.example", n), began.Add(time.Duration(hour)*time.Hour)) {
				times++
				hours[hour]++
			}
		}
		if times != 1 {
			t.Errorf("d%d.example is looked at %d times a day", n, times)
		}
	}
	for hour, n := range hours {
		if n > 60 || len(hours) < 12 {
			t.Errorf("in hour %d %d of 240 domains are looked at; %d hours have some", hour, n, len(hours))
		}
	}
}

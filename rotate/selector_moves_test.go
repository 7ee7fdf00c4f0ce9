package rotate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestRestored: a key that was stored once more has its new version, which is the one to destroy later (I5); the other
// key at the selector keeps its own.
func TestRestored(t *testing.T) {
	for id, want := range map[string][2]int{"1": {7, 2}, "2": {1, 7}, "3": {1, 2}} {
		sel := rotate.Selector{Key: &rotate.Key{ID: "1", Version: 1}, Next: &rotate.Key{ID: "2", Version: 2}}
		sel.Restored(id, 7)
		if got := [2]int{sel.Key.Version, sel.Next.Version}; got != want {
			t.Errorf("%s: versions %v, want %v", id, got, want)
		}
	}
	(&rotate.Selector{}).Restored("1", 7)
}

// TestLongestTTL: of all TTLs with which a record of dkimbot's stood at a selector the longest is known, and of all waits
// of one publication: resolvers may keep what stood there for that long (I2).
func TestLongestTTL(t *testing.T) {
	hour := time.Hour
	for name, does := range map[string]func(*rotate.Selector, time.Duration){
		"publishing": func(s *rotate.Selector, ttl time.Duration) { s.Publishing(ttl, ttl) },
		"revoking":   func(s *rotate.Selector, ttl time.Duration) { s.Revoking(ttl) },
	} {
		sel := &rotate.Selector{Key: &rotate.Key{ID: "1", Record: someRecord}}
		for _, c := range [][2]time.Duration{{2 * hour, 2 * hour}, {hour, 2 * hour}, {3 * hour, 3 * hour}} {
			if does(sel, c[0]); sel.TTL != c[1] || name == "publishing" && sel.Key.CacheWait != c[1] {
				t.Errorf("%s with %s: at most %s, a wait of %s", name, c[0], sel.TTL, sel.Key.CacheWait)
			}
		}
	}
}

// TestRevokingTwice: a revocation that is tried again remembers the key once, and the record stays the revoked one (I7).
func TestRevokingTwice(t *testing.T) {
	sel := &rotate.Selector{Key: &rotate.Key{ID: "1", Record: someRecord}, Past: []string{"0"}}
	for range 2 {
		sel.Revoking(time.Hour)
	}
	if !slices.Equal(sel.Past, []string{"0", "1"}) || sel.Key.Record != dkim.RevokedRecord(someRecord) {
		t.Errorf("past keys %v, record %q", sel.Past, sel.Key.Record)
	}
}

// TestInPlace: a fresh key is in its place where one that it has replaced is yet to be destroyed; one that was given up
// has made room for none (I2).
func TestInPlace(t *testing.T) {
	replaced, givenUp := rotate.Retired{KeyID: "0"}, rotate.Retired{KeyID: "0", Dropped: true}
	for want, cases := range map[bool][][]rotate.Retired{
		true: {{replaced}, {givenUp, replaced}}, false: {nil, {givenUp}}} {
		for _, retired := range cases {
			if got := (rotate.Selector{Retired: retired}).InPlace(); got != want {
				t.Errorf("%+v: %t", retired, got)
			}
		}
	}
}

// TestOursOfPastKeys: the record of a key that stood at the selector is dkimbot's, also while its private key is yet to
// be destroyed, and also of the key whose revocation has just begun (I6).
func TestOursOfPastKeys(t *testing.T) {
	r, err := dkim.ParseRecord(someRecord)
	if err != nil {
		t.Fatal(err)
	}
	shown := r.Key.ID()
	revoking := func() *rotate.Key { return &rotate.Key{ID: shown, Record: dkim.RevokedRecord(someRecord)} }
	for name, c := range map[string]struct {
		sel  rotate.Selector
		want bool
	}{
		"it was replaced": {rotate.Selector{Key: &rotate.Key{ID: "1"}, Past: []string{shown},
			Retired: []rotate.Retired{{KeyID: shown}}}, true},
		"it is being revoked, and another one is to be destroyed": {rotate.Selector{Key: revoking(), Past: []string{"0", shown},
			Retired: []rotate.Retired{{KeyID: "0"}}}, true},
		"it stood at a selector that was left, with other tags": {rotate.Selector{Key: revoking(), Past: []string{shown},
			Retired: []rotate.Retired{{KeyID: shown}}}, false},
		"it never stood there": {rotate.Selector{Key: &rotate.Key{ID: "1"}, Past: []string{"0"}}, false},
	} {
		if got := c.sel.Ours(someRecord); got != c.want {
			t.Errorf("%s: it is dkimbot's: %t", name, got)
		}
	}
}

// TestBothKeysOfANewDomain: a domain that is brought up is ready when there is a key at each selector and none is
// compromised: else the first rotation would lead to no key, or to a bad one.
func TestBothKeysOfANewDomain(t *testing.T) {
	at := time.Unix(1, 0)
	for name, c := range map[string]struct {
		standby *rotate.Key
		want    rotate.Phase
	}{
		"both":                   {&rotate.Key{ID: "2"}, rotate.Ready},
		"one is yet to be made":  {nil, rotate.Bootstrapping},
		"the other is no refuge": {&rotate.Key{ID: "2", Leaked: at}, rotate.Bootstrapping},
	} {
		st := rotate.State{Phase: rotate.Bootstrapping, Target: "s1",
			Signers:   rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "1", At: at}},
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}}, "s2": {Key: c.standby}}}
		if done := st.CompleteSwitch([]string{"mx1"}, at); done != (c.want == rotate.Ready) || st.Phase != c.want {
			t.Errorf("%s: complete %t, phase %s", name, done, st.Phase)
		}
	}
}

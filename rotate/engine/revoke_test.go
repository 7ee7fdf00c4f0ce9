package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/lease"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// showing is what DNS shows at each name, and full a store that takes no state any more.
type (
	showing rotate.Sight
	full    struct{ free }
)

var errFull = errors.New("the disk is full")

func (s showing) Look(context.Context, dkim.Name) (rotate.Sight, error) { return rotate.Sight(s), nil }

func (full) Save(context.Context, ports.Lease, time.Time, rotate.State, ...rotate.Event) (int64, error) {
	return 0, errFull
}

// TestRevokedOnceOnly: a key that was revoked is not revoked again where the fresh key's record stands by now: that would
// leave signers with the fresh key without a record (I2). Where the compromised key shows again, it is. How long resolvers
// may keep what stood there is noted, also where somebody gave it a longer TTL: a fresh key waits for that.
func TestRevokedOnceOnly(t *testing.T) {
	held, err := (&lease.Keeper{Store: full{}, Clock: still{}}).Take(t.Context(), "example.com", lease.Asked{})
	if err != nil {
		t.Fatal(err)
	}
	old, fresh := plantest.KeyAt(0).Record, plantest.KeyAt(2).Record
	for title, c := range map[string]struct {
		revoked bool
		shows   string
		again   bool
	}{
		"it is not revoked yet":          {false, old, true},
		"it was emptied by hand":         {false, dkim.RevokedRecord(old), true},
		"the fresh one shows":            {true, fresh, false},
		"the empty record shows":         {true, dkim.RevokedRecord(old), false},
		"the compromised one shows once": {true, old, true},
	} {
		s := plantest.Stored()
		sel := s.Have.Selectors["s1"]
		sel.Key.Leaked = s.Now
		if c.revoked {
			sel.Key.RevokedAt, sel.Revoked, sel.Past = s.Now, true, []string{sel.Key.ID}
		}
		e := &Engine{Parts: Parts{Clock: still{}, Store: full{}, Look: showing{Complete: true, TTL: 9 * time.Hour,
			Values: []string{c.shows}},
			Publishers: map[string]ports.Publisher{"office": struct{ ports.Publisher }{}}}}
		r := &run{engine: e, lease: held, want: s.Want.Domain, st: s.Have, seen: s.Seen}
		err := r.revoke(t.Context(), rotate.Step{Kind: rotate.Revoke, Selector: "s1"})
		if why := needless(""); errors.As(err, &why) == c.again || errors.Is(err, errFull) != c.again {
			t.Errorf("%s: %v", title, err)
		}
		if noted := s.Have.Selectors["s1"].TTL; c.again && noted != 9*time.Hour {
			t.Errorf("%s: resolvers are said to keep what stood there for %s", title, noted)
		}
	}
}

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

// holding notes which place was claimed last, and counts the writes of the state.
type holding struct {
	free
	ports.Names
	owner string
	saves int
}

func (h *holding) Claim(_ context.Context, owner string, name dkim.Name) (dkim.Name, error) {
	h.owner = owner
	return name, nil
}

func (h *holding) Save(context.Context, ports.Lease, time.Time, rotate.State, ...rotate.Event) (int64, error) {
	h.saves++
	return int64(h.saves), nil
}

// TestClaimOfAVacatedName: what a purge left at a name is noted as this domain's, once and durably, before the name is
// claimed; without that nothing is claimed (I6, I7).
func TestClaimOfAVacatedName(t *testing.T) {
	for title, c := range map[string]struct {
		vacated, full, known bool
		saves                int
	}{
		"a purge left something":         {true, false, true, 1},
		"nothing stands there":           {false, false, true, 0},
		"the state can't be written":     {true, true, true, 0},
		"the selector is not known here": {true, false, false, 0},
	} {
		held, err := (&lease.Keeper{Store: full{}, Clock: still{}}).Take(t.Context(), "example.com", lease.Asked{})
		if err != nil {
			t.Fatal(err)
		}
		s := plantest.Ready()
		seen := s.Seen.Selectors["s1"]
		seen.Sight.Vacated, seen.Sight.Owner = c.vacated, "s1._domainkey.example.com"
		s.Seen.Selectors["s1"] = seen
		if !c.known {
			delete(s.Have.Selectors, "s1")
		}
		h := &holding{}
		e := &Engine{Parts: Parts{Clock: still{}, Store: h, Names: h}}
		if c.full {
			e.Store = full{}
		}
		r := &run{engine: e, lease: held, want: s.Want.Domain, st: s.Have, seen: s.Seen}
		for range 2 { // once more, as after an attempt that failed later
			err := claim(t.Context(), r, "s1")
			if errors.Is(err, errFull) != c.full || err != nil && !c.full || (h.owner != "") == c.full {
				t.Errorf("%s: %v; claimed %q", title, err, h.owner)
			}
			if c.full {
				break
			}
		}
		if h.saves != c.saves {
			t.Errorf("%s: the state was written %d times", title, h.saves)
		}
	}
}

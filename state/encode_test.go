package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/state"
	"github.com/dkimbot/dkimbot/state/statetest"
)

// Every field of a state comes back from JSON (I7: no intent is forgotten).
func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := statetest.States().Draw(t, "state")
		body, err := state.Encode(st)
		if err != nil {
			t.Fatal(err)
		}
		got, err := state.Decode([]byte(body), st.Domain, st.Revision)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(st, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncodeRefusesTimesWithoutForm(t *testing.T) {
	_, err := state.Encode(rotate.State{DueAt: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)})
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Permanent || fault.HintOf(err) == "" {
		t.Errorf("error %v with hint %q", err, fault.HintOf(err))
	}
}

// Times far away keep their order.
func TestNanosKeepOrder(t *testing.T) {
	times := []time.Time{{}, time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0), time.Unix(0, 1),
		time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	for i := range times[1:] {
		if a, b := state.Nanos(times[i]), state.Nanos(times[i+1]); a >= b {
			t.Errorf("%v gives %d, %v gives %d", times[i], a, times[i+1], b)
		}
	}
}

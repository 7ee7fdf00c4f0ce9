package rotate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/google/go-cmp/cmp"
)

// TestResumesPausedSigners: who asks for a rotation while some signers were sent back, and not all, continues the
// switch for all of them; else only a domain that is ready begins one.
func TestResumesPausedSigners(t *testing.T) {
	signers := []string{"mx1", "mx2"}
	for _, phase := range []rotate.Phase{rotate.Ready, rotate.Switching, rotate.Draining} {
		for _, held := range [][]string{nil, {"mx1"}, {"mx1", "mx2"}} {
			for _, told := range []rotate.Instruction{nil, rotate.Hold{}} {
				for _, asked := range []bool{false, true} {
					got := rotate.Request{Asked: asked, Instruction: told}.In(rotate.State{Phase: phase, Held: held}, signers)
					want := told
					if asked && told == nil && phase == rotate.Switching && len(held) == 1 {
						want = rotate.Carry{}
					}
					if got.Instruction != want || got.Asked != (asked && phase == rotate.Ready) {
						t.Errorf("%s, sent back %v, asked %t, told %v: %+v", phase, held, asked, told, got)
					}
				}
			}
		}
	}
	if got := (rotate.Request{Asked: true}).In(rotate.State{Phase: rotate.Switching}, nil); got.Instruction != nil {
		t.Errorf("without signers, %T is told", got.Instruction)
	}
}

// TestHeldAll: every signer was sent back when each is among those that were, and some were.
func TestHeldAll(t *testing.T) {
	for want, cases := range map[bool][][2][]string{
		true:  {{{"mx1"}, {"mx1"}}, {{"mx1", "mx2"}, {"mx2"}}},
		false: {{nil, {"mx1"}}, {{"mx1"}, {"mx1", "mx2"}}, {nil, nil}},
	} {
		for _, c := range cases {
			if got := (rotate.State{Held: c[0]}).HeldAll(c[1]); got != want {
				t.Errorf("%v of %v: %t", c[0], c[1], got)
			}
		}
	}
}

// TestHoldAfterRollback: when all signers went back from a key, the schedule does not switch to that key again. A hold
// of a person stays, and one that an earlier rollback has left gives way; from a compromised key nobody goes back to
// decide about it later.
func TestHoldAfterRollback(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	persons, earlier := &rotate.OnHold{At: at, By: "root"}, &rotate.OnHold{At: at.Add(-time.Hour), KeyID: "old"}
	for name, c := range map[string]struct {
		before, want *rotate.OnHold
		leaked       time.Time
	}{
		"no hold":                {nil, &rotate.OnHold{At: at, KeyID: "2"}, time.Time{}},
		"of a person":            {persons, persons, time.Time{}},
		"of an earlier rollback": {earlier, &rotate.OnHold{At: at, KeyID: "2"}, time.Time{}},
		"from a compromised key": {nil, nil, at},
	} {
		t.Run(name, func(t *testing.T) {
			st := rotate.State{Phase: rotate.Switching, Active: "s1", Target: "s2", Held: []string{"mx1"}, OnHold: c.before,
				Signers: rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "1", At: at}},
				Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "1"}},
					"s2": {Key: &rotate.Key{ID: "2", Leaked: c.leaked}}}}
			if !st.CompleteSwitch([]string{"mx1"}, at) {
				t.Fatal("the rollback is not complete")
			}
			if diff := cmp.Diff(c.want, st.OnHold); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHoldConcerns: a person's hold keeps from a switch to any key, a rollback's from one to the key that signers
// went back from.
func TestHoldConcerns(t *testing.T) {
	key, other := &rotate.Key{ID: "1"}, &rotate.Key{ID: "2"}
	for hold, want := range map[*rotate.OnHold][]bool{nil: {false, false, false}, {}: {true, true, true},
		{KeyID: "1"}: {false, true, false}} {
		var got []bool
		for _, k := range []*rotate.Key{nil, key, other} {
			got = append(got, hold.Concerns(k))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v: %v, want %v", hold, got, want)
		}
	}
}

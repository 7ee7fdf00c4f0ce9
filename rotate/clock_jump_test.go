package rotate_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestAdjustedLeavesItsState: what a clock that was set means is worked out on a copy. The state that
// was read is compared with the one that is written, and must not change under that (I7).
func TestAdjustedLeavesItsState(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	st := rotate.State{Clock: &rotate.Instant{At: at, Boot: "b"}, SwitchedAt: at,
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "k", StoredAt: at}, LastUsedAt: at}},
		Signers:   map[string]rotate.Confirmed{"mx1": {Selector: "s1", At: at}}}
	before := rotate.CopyState(st)
	after, ahead := st.Adjusted(rotate.Instant{At: at.Add(30 * day), Boot: "b", Up: time.Hour})
	if want := 30*day - time.Hour; ahead != want || !after.Selectors["s1"].Key.StoredAt.Equal(at.Add(want)) {
		t.Errorf("set forward by %s, the key stored at %s", ahead, after.Selectors["s1"].Key.StoredAt)
	}
	if diff := cmp.Diff(before, st); diff != "" {
		t.Errorf("the state that was read has changed:\n%s", diff)
	}
}

// TestEachTimeMoves: where the clock was set forward, every time in a state that is waited after moves with it, so that
// no drain and no wait ends early (I3, I10). Those that stay are named here, with the reason.
func TestEachTimeMoves(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	stay := map[string]string{
		".Clock.At":        "it is what is compared",
		".DueAt":           "the schedule goes by the clock of the day",
		".NextTry":         "a try too early harms nothing",
		".Next.At":         "for people; it is worked out anew",
		".Intent.At":       "for people",
		".Read.At":         "it is compared with the time at which another process read its configuration",
		".OnHold.At":       "for people",
		".Released.At":     "for people",
		".Released.Purged": "for people; nothing is waited for after it",
	}
	var st rotate.State
	fill(reflect.ValueOf(&st).Elem())
	times(reflect.ValueOf(&st).Elem(), "", func(_ string, x *time.Time) { *x = at })
	st.Clock.Boot = "b"
	after, ahead := st.Adjusted(rotate.Instant{At: at.Add(30 * day), Boot: "b", Up: st.Clock.Up})
	if ahead != 30*day {
		t.Fatalf("the clock was set forward by %s", ahead)
	}
	var moved []string
	times(reflect.ValueOf(&after).Elem(), "", func(path string, x *time.Time) {
		switch _, stays := stay[path]; {
		case x.Equal(at) && !stays && !strings.HasPrefix(path, ".Held") && !strings.HasPrefix(path, ".Drift"):
			t.Errorf("%s stays", path)
		case x.Equal(at.Add(ahead)) && !stays:
			moved = append(moved, path)
		case !x.Equal(at):
			t.Errorf("%s becomes %s", path, x)
		}
	})
	for _, one := range []string{".SwitchedAt", ".Origin.SwitchedAt", ".Selectors[x].Key.VerifiedAt",
		".Earlier[x].Next.RevokedAt", ".Signers[x].At", ".Released.LastUsed"} {
		if !slices.Contains(moved, one) {
			t.Errorf("%s was not looked at: %v", one, moved)
		}
	}
}

// times calls found for every time in v.
func times(v reflect.Value, at string, found func(string, *time.Time)) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		found(at, v.Addr().Interface().(*time.Time))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		times(v.Elem(), at, found)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				times(v.Field(i), at+"."+f.Name, found)
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(k))
			times(value, at+"["+k.String()+"]", found)
			v.SetMapIndex(k, value)
		}
	case reflect.Slice:
		for i := range v.Len() {
			times(v.Index(i), at, found)
		}
	}
}

// TestFindingsAfterAJump: since when mail fails is counted from, too: resolvers forget a record by the time that passed.
func TestFindingsAfterAJump(t *testing.T) {
	s := plantest.Ready()
	s.Have.Clock = &rotate.Instant{At: s.Now, Boot: "b"}
	s.Have.Drift = []finding.Finding{{Code: codes.MailFails, Selector: "s1", Since: s.Now}}
	st, ahead := s.Have.Adjusted(rotate.Instant{At: s.Now.Add(day), Boot: "b"})
	if ahead != day || !st.Drift[0].Since.Equal(s.Now.Add(day)) || !s.Have.Drift[0].Since.Equal(s.Now) {
		t.Errorf("set forward by %s: %v, before %v", ahead, st.Drift, s.Have.Drift)
	}
}

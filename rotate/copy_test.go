package rotate_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestCopySharesNothing: what is changed in a copy of a state changes nothing in the state,
// so that a plan that is not carried out, and an instruction that is refused, leave no trace (I11).
func TestCopySharesNothing(t *testing.T) {
	s := plantest.Stored()
	sel := s.Have.Selectors["s1"]
	sel.Retired, sel.Tried, sel.Past = []rotate.Retired{{KeyID: "a"}}, []string{"b"}, []string{"c"}
	s.Have.Former, s.Have.Held = []rotate.Former{{Signer: "mx1"}}, []string{"mx1"}
	s.Have.Drift, s.Have.Intent = []rotate.Finding{{Code: "d"}}, &rotate.Intent{Kind: rotate.Publish}
	s.Have.Released, s.Have.OnHold = &rotate.ReleaseState{At: plantest.Now}, &rotate.OnHold{At: plantest.Now}
	s.Have.Accounts = []string{"old", "new"}
	theCopy := rotate.CopyState(s.Have)
	if !reflect.DeepEqual(theCopy, s.Have) {
		t.Fatalf("the copy is %+v, not %+v", theCopy, s.Have)
	}
	apart(t, "", reflect.ValueOf(s.Have), reflect.ValueOf(theCopy))
}

// apart reports what two values share. What is written whole, and never in a part, may be shared.
func apart(t *testing.T, place string, a, b reflect.Value) {
	if place == ".Next" || place == ".Clock" {
		return
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Type().Field(i).IsExported() {
				apart(t, place+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
			}
		}
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if a.IsNil() || a.Kind() == reflect.Slice && a.Len() == 0 {
			return
		}
		if a.Pointer() == b.Pointer() {
			t.Errorf("the copy shares%s", place)
			return
		}
		switch a.Kind() {
		case reflect.Pointer:
			apart(t, place, a.Elem(), b.Elem())
		case reflect.Map:
			for _, key := range a.MapKeys() {
				apart(t, fmt.Sprint(place, " ", key), a.MapIndex(key), b.MapIndex(key))
			}
		}
	}
}

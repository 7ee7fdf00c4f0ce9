package engine_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestCopySharesNothing: what is changed in a copy of a state changes nothing in the state,
// so that a plan that is not carried out, and an instruction that is refused, leave no trace (I11).
func TestCopySharesNothing(t *testing.T) {
	s := storedScene()
	sel := s.have.Selectors["s1"]
	sel.Retired, sel.Tried, sel.Past = []rotate.Retired{{KeyID: "a"}}, []string{"b"}, []string{"c"}
	s.have.Former, s.have.Held = []rotate.Former{{Signer: "mx1"}}, []string{"mx1"}
	s.have.Drift, s.have.Intent = []rotate.Finding{{Code: "d"}}, &rotate.Intent{Kind: rotate.Publish}
	s.have.Released = &rotate.HandedBack{At: planned}
	theCopy := rotate.CopyState(s.have)
	if !reflect.DeepEqual(theCopy, s.have) {
		t.Fatalf("the copy is %+v, not %+v", theCopy, s.have)
	}
	apart(t, "", reflect.ValueOf(s.have), reflect.ValueOf(theCopy))
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

package rotate_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestCopySharesNothing: a copy of a state equals it and shares nothing with it, whatever fields a state comes to have:
// what is changed in a copy changes nothing in the state, so that a plan that is not carried out, and an instruction
// that is refused, leave no trace (I11).
func TestCopySharesNothing(t *testing.T) {
	var st rotate.State
	fill(reflect.ValueOf(&st).Elem())
	c := rotate.CopyState(st)
	if diff := cmp.Diff(st, c); diff != "" {
		t.Fatal(diff)
	}
	seen := map[uintptr]string{}
	references(reflect.ValueOf(st), "", func(at string, p uintptr) { seen[p] = at })
	references(reflect.ValueOf(c), "", func(at string, p uintptr) {
		if original, shared := seen[p]; shared {
			t.Errorf("%s of the copy is %s of the original", at, original)
		}
	})
	if len(seen) < 8 {
		t.Errorf("only %d references were looked at", len(seen))
	}
}

// fill sets every field to something that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	}
}

// references calls found for every pointer, map and slice in v.
func references(v reflect.Value, at string, found func(string, uintptr)) {
	switch v.Kind() {
	case reflect.Pointer:
		found(at, v.Pointer())
		references(v.Elem(), at, found)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				references(v.Field(i), at+"."+f.Name, found)
			}
		}
	case reflect.Map:
		found(at, v.Pointer())
		for _, k := range v.MapKeys() {
			references(v.MapIndex(k), at+"["+k.String()+"]", found)
		}
	case reflect.Slice:
		found(at, v.Pointer())
		for i := range v.Len() {
			references(v.Index(i), at, found)
		}
	}
}

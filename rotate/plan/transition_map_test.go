package plan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestTransitionMap holds to testdata/transitions.txt what each transition changes in the
// state, and at which stages. A stage is left out where it changes nothing.
func TestTransitionMap(t *testing.T) {
	var out strings.Builder
	names := plantest.KeyNames()
	befores := map[string][]byte{}
	all := stages()
	for _, tr := range transitions() {
		fmt.Fprintf(&out, "# %s\n", tr.name)
		at := map[string][]string{}
		for _, stage := range all {
			s := &scene{}
			stage.Change(s)
			kept := s.Have
			if befores[stage.Name] == nil {
				befores[stage.Name] = written(t, kept)
			}
			before := befores[stage.Name]
			st := rotate.CopyState(kept)
			said, ok := try(func() string { return tr.do(&st, s) })
			if after := written(t, kept); !bytes.Equal(before, after) {
				t.Errorf("%s, %s: the state that was copied is changed: %s", stage.Name, tr.name,
					changed(flat(t, before), flat(t, after)))
			}
			after := written(t, st)
			if ok && (said != "" || !bytes.Equal(before, after)) {
				line := names.Replace(strings.TrimSpace(said + " " + changed(flat(t, before), flat(t, after))))
				at[line] = append(at[line], stage.Name)
			}
		}
		plantest.WriteGroups(&out, at)
		out.WriteString("\n")
	}
	plantest.Golden(t, "transitions.txt", out.String(), *update)
}

// try reports false where a transition can't be made at a stage: there is no such key.
func try(do func() string) (said string, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return do(), true
}

func written(t *testing.T, st rotate.State) []byte {
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// flat turns what a state is written as into one text for each thing in it, by its place.
func flat(t *testing.T, written []byte) map[string]string {
	var (
		tree any
		st   rotate.State
	)
	for _, into := range []any{&tree, &st} {
		if err := json.Unmarshal(written, into); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]string{}
	var walk func(place string, v any)
	walk = func(place string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(place+"."+name, inner)
			}
		case []any:
			for i, inner := range v {
				walk(fmt.Sprintf("%s[%d]", place, i), inner)
			}
		default:
			text := fmt.Sprint(v)
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				text = at.Sub(plantest.Now).String()
			}
			out[strings.TrimPrefix(place, ".")] = text
		}
	}
	walk("", tree)
	if i := st.Intent; i != nil {
		maps.DeleteFunc(out, func(place, _ string) bool { return strings.HasPrefix(place, "intent.") })
		out["intent"] = fmt.Sprint(i.Kind, " ", i.Selector, i.Signer, " ", i.KeyID, " ", i.At.Sub(plantest.Now) > -1000*day)
	}
	return out
}

// changed writes what is otherwise in a state.
func changed(before, after map[string]string) string {
	places := map[string]bool{}
	for _, m := range []map[string]string{before, after} {
		for place := range m {
			places[place] = true
		}
	}
	var out []string
	for _, place := range slices.Sorted(maps.Keys(places)) {
		if before[place] != after[place] {
			out = append(out, fmt.Sprintf("%s %s>%s", place, before[place], after[place]))
		}
	}
	return strings.Join(out, ", ")
}

package engine_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the maps of plans and transitions as they are now")

// TestPlanMap holds to testdata/plans.txt what is planned at each stage when one thing is
// otherwise: what is done and when, what it waits for, what stops it, and what differs.
// A line is left out where the change makes no difference. Who means to change what is
// planned runs it with -update, and reads each line that changes: none may break mail.
func TestPlanMap(t *testing.T) {
	var out strings.Builder
	names := keyNames()
	for _, stage := range stages() {
		fmt.Fprintf(&out, "# %s\n", stage.name)
		play := func(change func(*scene)) []string {
			s := &scene{}
			stage.change(s)
			change(s)
			return s.planned(names)
		}
		usual := play(func(*scene) {})
		fmt.Fprintln(&out, strings.Join(usual, "\n"))
		with := map[string][]string{}
		for _, v := range changes() {
			if line := otherwise(usual, play(v.change)); line != "" {
				with[line] = append(with[line], v.name)
			}
		}
		writeGroups(&out, with)
		out.WriteString("\n")
	}
	compareMap(t, "plans.txt", out.String())
}

// writeGroups writes what comes out, and below it where.
func writeGroups(out *strings.Builder, where map[string][]string) {
	for _, line := range slices.Sorted(maps.Keys(where)) {
		fmt.Fprintf(out, "%s\n\t%s\n", line, strings.Join(where[line], "; "))
	}
}

// otherwise writes what is not as usual: what is left out, what is new, and whether the
// rest stands in another order.
func otherwise(usual, now []string) string {
	var out []string
	isStep := func(item string) bool { return strings.Contains(item, ">") }
	if slices.ContainsFunc(usual, isStep) && !slices.ContainsFunc(now, isStep) {
		out, usual = append(out, "no steps"), slices.DeleteFunc(slices.Clone(usual), isStep)
	}
	for _, item := range usual {
		if !slices.Contains(now, item) {
			out = append(out, "-("+item+")")
		}
	}
	for _, item := range now {
		if !slices.Contains(usual, item) {
			out = append(out, "+("+item+")")
		}
	}
	rest := func(items, others []string) []string {
		return slices.DeleteFunc(slices.Clone(items), func(item string) bool { return !slices.Contains(others, item) })
	}
	if !slices.Equal(rest(usual, now), rest(now, usual)) {
		out = append(out, "in another order")
	}
	return strings.Join(out, " ")
}

// keyNames writes the keys of the scenes, which are new in each run, as K0 to K3.
func keyNames() *strings.Replacer {
	var pairs []string
	for i, k := range someKeys() {
		value := regexp.MustCompile(`p=(\S+)`).FindStringSubmatch(record(k))[1]
		pairs = append(pairs, k.ID(), fmt.Sprint("K", i), rotate.ShortID(k.ID()), fmt.Sprint("K", i), value,
			fmt.Sprint("P", i))
	}
	return strings.NewReplacer(pairs...)
}

// planned plans a scene and writes all of the plan that matters but its sentences.
func (s *scene) planned(names *strings.Replacer) (out []string) {
	at := func(t time.Time) string {
		if t.IsZero() || t.Equal(s.now) {
			return ""
		}
		return "@" + t.Sub(s.now).String()
	}
	write := func(words ...any) {
		out = append(out, names.Replace(strings.Join(strings.Fields(fmt.Sprintln(words...)), " ")))
	}
	p := s.want.plan(s.now, s.have, s.seen)
	run := p.Runnable(s.now)
	write("because", p.Reason.Code)
	for _, step := range p.Steps {
		mark := "later"
		if len(run) > 0 && run[0].Kind == step.Kind && run[0].Target == step.Target { // they are in the plan's order
			mark, run = "", run[1:]
		}
		if step.Reason.Code != p.Reason.Code {
			mark += " " + string(step.Reason.Code)
		}
		before, after := step.Facts()
		write(step.Kind, strings.TrimSuffix(step.Selector+"/"+step.Signer, "/")+at(step.NotBefore), step.Duty[:1],
			facts(before)+">"+facts(after), mark)
	}
	if p.Next != nil {
		write("next", p.Next.Action, p.Next.Selector+at(p.Next.At), p.Next.Reason.Code)
	}
	if p.Stop != nil {
		write("STOP", fault.CodeOf(p.Stop), fault.KindOf(p.Stop))
	}
	for _, f := range p.Drift {
		asks := map[bool]string{true: "asks"}[f.Asks]
		write("drift", f.Code, f.Selector+f.Signer+at(f.Since), asks)
	}
	if len(p.Warnings) > 0 {
		write(len(p.Warnings), "warnings")
	}
	if p.Switches || p.Held != "" {
		write("switches", p.Switches, p.Held)
	}
	return out
}

func facts(f rotate.Facts) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if f[name] != "" && name != "record" {
			out = append(out, f[name])
		}
	}
	return strings.Join(out, ",")
}

func compareMap(t *testing.T, name, got string) {
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs; when that is meant, run the test with -update and read the difference:\n%s", path, diff)
	}
}

// TestTransitionMap holds to testdata/transitions.txt what each transition changes in the
// state, and at which stages. A stage is left out where it changes nothing.
func TestTransitionMap(t *testing.T) {
	var out strings.Builder
	names := keyNames()
	befores := map[string][]byte{}
	for _, tr := range transitions() {
		fmt.Fprintf(&out, "# %s\n", tr.name)
		at := map[string][]string{}
		for _, stage := range append(stages(), states()...) {
			s := &scene{}
			stage.change(s)
			kept := s.have
			if befores[stage.name] == nil {
				befores[stage.name] = written(t, kept)
			}
			before := befores[stage.name]
			st := rotate.CopyState(kept)
			said, ok := try(func() string { return tr.do(&st, s) })
			if after := written(t, kept); !bytes.Equal(before, after) {
				t.Errorf("%s, %s: the state that was copied is changed: %s", stage.name, tr.name,
					changed(flat(t, before), flat(t, after)))
			}
			after := written(t, st)
			if ok && (said != "" || !bytes.Equal(before, after)) {
				line := names.Replace(strings.TrimSpace(said + " " + changed(flat(t, before), flat(t, after))))
				at[line] = append(at[line], stage.name)
			}
		}
		writeGroups(&out, at)
		out.WriteString("\n")
	}
	compareMap(t, "transitions.txt", out.String())
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

// states are stages of which little can be planned, and much can be told apart.
func states() []variation {
	from := func(scenes func() *scene, change func(*scene)) func(*scene) {
		return func(s *scene) { *s = *scenes(); change(s) }
	}
	former := func(s *scene) {
		s.have.Former = []rotate.Former{{Selector: "s9", Signer: "mx1", Until: planned.Add(-day)},
			{Selector: "s9", Signer: "mx2"}, {Selector: "s8", Signer: "mx2", Until: planned}}
	}
	full := func(s *scene) {
		sel := s.have.Selectors["s1"]
		for i := range 24 {
			sel.Past = append(sel.Past, fmt.Sprint("past ", i))
		}
		sel.Retired = []rotate.Retired{{KeyID: someKeys()[0].ID(), Version: 1},
			{KeyID: someKeys()[3].ID(), Version: 9, Dropped: true}}
		sel.TTL, sel.Tried = 9*time.Hour, []string{someKeys()[3].ID()}
		sel.Key.CacheWait = 9 * time.Hour
		s.have.Intent, s.have.Next = &rotate.Intent{Kind: rotate.Publish, Selector: "s1"}, &rotate.Next{Action: "rotate"}
		s.have.Clock = &rotate.Instant{At: planned.Add(-day), Boot: "b"}
		for i, at := range []*time.Time{&sel.Key.StoredAt, &sel.Key.PublishedAt, &sel.Key.VerifiedAt, &sel.Key.Leaked,
			&sel.Key.RevokedAt, &sel.Key.ShadowedAt, &sel.LastUsedAt} {
			*at = planned.Add(time.Duration(i+1) * time.Hour)
		}
	}
	return []variation{
		{"bootstrapping, both sign", from(bootstrappingScene, func(s *scene) { s.sign("s1", "mx1", "mx2"); former(s) })},
		{"bootstrapping, one selector's key",
			from(bootstrappingScene, func(s *scene) { s.sign("s1", "mx1", "mx2"); s.have.Selectors["s2"].Key = nil })},
		{"bootstrapping, both leaked", from(bootstrappingScene, func(s *scene) { leak("s1")(s); leak("s2")(s) })},
		{"bootstrapping, once released",
			from(bootstrappingScene, func(s *scene) { s.past("s2", "older"); s.have.Selectors["s2"].Key = nil })},
		{"ready, with former ones", from(readyScene, former)},
		{"ready, of a fuller past", from(readyScene, full)},
		{"switching, of a fuller past", from(switchingScene, full)},
		{"switching, target leaked", from(switchingScene, leak("s2"))},
		{"switching, both leaked, now",
			from(switchingScene, func(s *scene) { leak("s1")(s); leak("s2")(s); revokeNow("s1")(s) })},
		{"switching, all there", from(switchingScene,
			func(s *scene) { s.sign("s2", "mx1", "mx2"); s.confirmedAt("mx2", planned.Add(-time.Hour)) })},
		{"switching, all back", from(switchingScene, func(s *scene) {
			s.sign("s1", "mx1", "mx2")
			s.have.Held = []string{"mx1", "mx2"}
			leak("s2")(s)
		})},
		{"draining, of a fuller past", from(drainingScene, full)},
		{"draining, revoked", from(drainingScene, func(s *scene) {
			leak("s1")(s)
			k := s.have.Selectors["s1"].Key
			k.RevokedAt, k.Gone = planned, true
		})},
		{"stored, of a fuller past", from(storedScene, full)},
		{"published, the old key destroyed", from(publishedScene, func(s *scene) { s.have.Selectors["s1"].Key.Gone = true })},
		{"published, the fresh key leaked",
			from(publishedScene, func(s *scene) { s.have.Selectors["s1"].Next.Leaked = planned })},
		{"replaced, the fresh key leaked", from(replacedScene, leak("s1"))},
		{"replaced, all destroyed", from(replacedScene, func(s *scene) { s.have.Selectors["s1"].Retired = nil })},
		{"ready, a signer unsure and a new one",
			from(drainingScene, func(s *scene) { s.unsure("mx2"); s.confirmedAt("mx1", planned.Add(time.Hour)) })},
		{"bootstrapping, both sign, the other leaked",
			from(bootstrappingScene, func(s *scene) { s.sign("s1", "mx1", "mx2"); leak("s2")(s) })},
		{"bootstrapping, one given up", from(bootstrappingScene, func(s *scene) {
			s.have.Selectors["s1"].Key = nil
			s.have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: someKeys()[3].ID(), Version: 1,
				Dropped: true, Leaked: true}}
		})},
		{"stored, by a clock that was ahead", from(storedScene, func(s *scene) {
			next := s.have.Selectors["s1"].Next
			for i, at := range []*time.Time{&next.StoredAt, &next.PublishedAt, &next.VerifiedAt, &next.Leaked, &next.RevokedAt,
				&next.ShadowedAt} {
				*at = planned.Add(time.Duration(i+1) * time.Hour)
			}
		})},
		{"bootstrapping, one unsure", from(bootstrappingScene,
			func(s *scene) { s.sign("s1", "mx1", "mx2"); s.unsure("mx1") })},
		{"draining, reported before", from(drainingScene, func(s *scene) {
			s.have.Selectors["s1"].Key.Leaked = s.have.SwitchedAt
			s.have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: someKeys()[3].ID(), Version: 9, Leaked: true},
				{KeyID: someKeys()[2].ID(), Version: 8, Leaked: true, Dropped: true}}
		})},
		{"replaced, the old key leaked",
			from(replacedScene, func(s *scene) { s.have.Selectors["s1"].Retired[0].Leaked = true })},
		{"replaced, others to destroy", from(replacedScene, func(s *scene) {
			s.have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: someKeys()[1].ID(), Version: 9, Dropped: true},
				{KeyID: someKeys()[3].ID(), Version: 8, Leaked: true}}
		})},
		{"stored, no wait noted", from(storedScene, func(s *scene) { s.have.Selectors["s1"].Next.CacheWait = 0 })},
		{"published, no wait noted", from(publishedScene, func(s *scene) { s.have.Selectors["s1"].Next.CacheWait = 0 })},
		{"released, its record missing",
			from(readyScene, func(s *scene) { s.have.Released = &rotate.HandedBack{At: longAgo}; s.show("s1"); s.dnsSilent("s2") })},
		{"being cleared away", from(readyScene, func(s *scene) { s.purging(-8*day, true); s.have.Released.Begun = true })},
		{"cleared away, no key left", from(readyScene, func(s *scene) {
			s.purging(-8*day, true)
			s.have.Released.Begun, s.have.Released.Purged = true, planned
			s.have.Selectors["s1"].Key, s.have.Selectors["s2"].Key = nil, nil
		})},
		{"released with other selectors", from(readyScene, func(s *scene) {
			s.have.Released = &rotate.HandedBack{At: longAgo}
			s.want.Policy.Selectors = [2]string{"a", "b"}
		})},
		{"to be cleared away, half destroyed",
			from(readyScene, func(s *scene) { s.purging(-8*day, false); s.have.Selectors["s1"].Key.Gone = true })},
		{"to be cleared away, in use", from(readyScene, func(s *scene) { s.purging(-day, false) })},
		{"cleared away", from(readyScene, func(s *scene) {
			s.purging(-8*day, true)
			s.have.Selectors["s1"].Key.Gone, s.have.Selectors["s2"].Key.Gone = true, true
			s.have.Selectors["s2"].Past = []string{s.have.Selectors["s2"].Key.ID}
		})},
		{"drifted", from(readyScene, func(s *scene) {
			s.have.Drift = []rotate.Finding{{Code: codes.RecordVanished, Selector: "s1", Since: longAgo},
				{Code: codes.SignerSilent, Signer: "mx2", Message: "before", Since: longAgo}}
		})},
	}
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
				text = at.Sub(planned).String()
			}
			out[strings.TrimPrefix(place, ".")] = text
		}
	}
	walk("", tree)
	if i := st.Intent; i != nil {
		maps.DeleteFunc(out, func(place, _ string) bool { return strings.HasPrefix(place, "intent.") })
		out["intent"] = fmt.Sprint(i.Kind, " ", i.Selector, i.Signer, " ", i.KeyID, " ", i.At.Sub(planned) > -1000*day)
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

// refTo is what a signer says that signs with a key of the scene.
func refTo(selector string, n int) dkim.Ref {
	return dkim.Ref{Name: dkim.Name{Domain: "example.com", Selector: selector}, KeyID: someKeys()[n].ID()}
}
